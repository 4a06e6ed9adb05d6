//! Terminals: their width, colour, and log lines that are safe to show.

use std::io::{self, IsTerminal, Write};

use cloud_autojoin::escape::{is_bidi_control, printable};

/// A writer of log lines that escapes characters which change the direction of text.
///
/// The log already escapes control characters, and writes some itself for colour. The escapes have
/// JSON's form, so that a log in JSON still decodes to the same text.
pub(crate) struct LogWriter<W>(W);

impl<W: Write> LogWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self(writer)
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Each write is a whole line. Nearly all lines lack the first bytes of such characters.
        let text = line
            .iter()
            .any(|byte| matches!(byte, 0xd8 | 0xe2))
            .then(|| str::from_utf8(line).ok())
            .flatten();
        match text.filter(|text| text.contains(is_bidi_control)) {
            None => self.0.write_all(line)?,
            Some(text) => {
                let mut shown = String::with_capacity(text.len());
                for letter in text.chars() {
                    if is_bidi_control(letter) {
                        shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
                    } else {
                        shown.push(letter);
                    }
                }
                self.0.write_all(shown.as_bytes())?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The width at which lines are wrapped; `None` if they aren't.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width(Option<u16>);

impl Width {
    /// `COLUMNS` if it's set, or the terminal's width. Without either, as in a pipe, lines aren't
    /// wrapped, so that programs can search them.
    pub(crate) fn of_standard_output() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a convention of terminals, read before a context exists"
        )]
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok())
            .filter(|columns| *columns > 0);
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        Self(
            columns
                .or_else(terminal)
                .map(|columns: u16| columns.max(40)),
        )
    }

    pub(crate) fn columns(self) -> Option<u16> {
        self.0
    }

    /// The text wrapped at spaces to this width; lines after the first are indented by two.
    pub(crate) fn wrapped(self, text: &str) -> String {
        self.wrapped_by(text, 0, 2)
    }

    /// The text wrapped to this width; the first line is indented by `first`, the others by `rest`.
    pub(crate) fn wrapped_by(self, text: &str, first: usize, rest: usize) -> String {
        let text = printable(text);
        let columns = self.0.map_or(usize::MAX, usize::from);
        let mut lines = " ".repeat(first);
        let mut used = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if used > 0
                && used + 1 + length
                    > columns.saturating_sub(if lines.contains('\n') { rest } else { first })
            {
                lines.push('\n');
                lines.push_str(&" ".repeat(rest));
                used = 0;
            } else if used > 0 {
                lines.push(' ');
                used += 1;
            }
            lines.push_str(word);
            used += length;
        }
        lines
    }
}

/// Whether output is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colour(bool);

impl Colour {
    /// For errors.
    pub(crate) const RED: &str = "\x1b[1;31m";
    /// For matches.
    pub(crate) const GREEN: &str = "\x1b[32m";
    /// For excluded resources and warnings.
    pub(crate) const YELLOW: &str = "\x1b[33m";

    /// Colour on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of_standard_output() -> Self {
        Self::on(io::stdout().is_terminal())
    }

    /// Colour if `terminal`, unless `NO_COLOR` is set.
    pub(crate) fn on(terminal: bool) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a convention of terminals, read before a context exists"
        )]
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(terminal && !refused)
    }

    /// Whether output is coloured.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    /// The text with the first word of each line coloured if it's one of `words`.
    pub(crate) fn first_words(self, text: &str, words: &[(&str, &str)]) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let coloured = |line: &str| {
            let word = line.split(' ').next().unwrap_or_default();
            match words.iter().find(|(known, _)| *known == word) {
                Some((_, colour)) => format!("{colour}{word}\x1b[0m{}", &line[word.len()..]),
                None => line.to_owned(),
            }
        };
        text.lines().map(coloured).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_turn_the_text_around_are_written_out_in_log_lines() {
        for letter in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            let code = u32::from(letter);
            let mut line = Vec::new();
            LogWriter::new(&mut line).write_all(format!("\u{1b}[33ma{letter}b\u{1b}[0m é\n").as_bytes()).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("\u{1b}[33ma\\u{code:04x}b\u{1b}[0m é\n"), "the log's own colours stay");
        }
    }

    #[test]
    fn text_is_broken_at_blanks_and_set_in() {
        assert_eq!(
            Width(Some(10)).wrapped("a bb ccc dddd eeeee"),
            "a bb ccc\n  dddd\n  eeeee"
        );
        assert_eq!(
            Width(Some(10)).wrapped("a-word-that-is-longer b"),
            "a-word-that-is-longer\n  b"
        );
        assert_eq!(Width(Some(80)).wrapped("short"), "short");
        assert_eq!(Width(None).wrapped(&"word ".repeat(99)), "word ".repeat(99));
        assert_eq!(
            Width(Some(10)).wrapped_by("a bb ccc dddd", 2, 6),
            "  a bb ccc\n      dddd"
        );
    }

    #[test]
    fn colour_is_put_around_known_first_words_only() {
        let words = [("in", Colour::GREEN)];
        assert_eq!(
            Colour(true).first_words("in  10.0.0.4\ninner\n in", &words),
            "\x1b[32min\x1b[0m  10.0.0.4\ninner\n in"
        );
        assert_eq!(
            Colour(false).first_words("in  10.0.0.4", &words),
            "in  10.0.0.4"
        );
    }
}
