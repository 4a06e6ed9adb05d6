//! The one printer of standard output, and what it looks like there.

use std::io::{self, IsTerminal, Write};

use cloud_autojoin::Address;
use serde::Serialize;

use crate::arguments::OutputFormat;
use crate::report::Reporter;
use crate::status::Status;

/// Writes `text`, which is the `what` (`addresses`), to standard output. A closed pipe or a full disk is a failure: a reader that checks the exit code never takes a part for the whole.
pub(crate) fn deliver(text: &str, what: &str, reporter: &Reporter) -> Status {
    match print(text) {
        Ok(()) => Status::Done,
        Err(error) => {
            reporter.error(&format!("cannot print the {what}: {error}"), None);
            Status::Failed
        }
    }
}

/// Writes a text for people to standard output: help, a manual page, a script. A reader that closes
/// the pipe, as `head` does, has read what it wanted.
pub(crate) fn print_page(text: &str, what: &str, reporter: &Reporter) -> Status {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Done,
        Err(error) => {
            reporter.error(&format!("cannot print the {what}: {error}"), None);
            Status::Failed
        }
        Ok(()) => Status::Done,
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The addresses as standard output shows them, with the line end.
pub(crate) fn addresses(format: OutputFormat, provider: &str, subject: &str, addresses: &[Address]) -> String {
    let texts = || addresses.iter().map(ToString::to_string);
    match format {
        OutputFormat::Text => texts().collect::<Vec<_>>().join(" ") + "\n",
        OutputFormat::Lines => texts().map(|address| address + "\n").collect(),
        OutputFormat::Json => json(&Answer { provider, subject, addresses: addresses.iter().map(AddressRow::from).collect() }),
    }
}

/// A value as one line of JSON, with the line end.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Maps with text keys and plain values always serialise; if one ever does not, its reader finds that out here.
    serde_json::to_string(value).unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string()) + "\n"
}

#[derive(Serialize)]
struct Answer<'a> {
    provider: &'a str,
    subject: &'a str,
    addresses: Vec<AddressRow>,
}

/// One address in JSON.
#[derive(Serialize)]
pub(crate) struct AddressRow {
    address: String,
    host: String,
    port: Option<u16>,
    instance: Option<String>,
    network_interface: Option<String>,
}

impl From<&Address> for AddressRow {
    fn from(address: &Address) -> Self {
        Self {
            address: address.to_string(),
            host: address.host.to_string(),
            port: address.port,
            instance: address.instance.clone(),
            network_interface: address.network_interface.clone(),
        }
    }
}

/// Whether a terminal obeys the character instead of showing it: control characters, and those that
/// change the direction of the text around them, by which a name can look like another one.
pub(crate) fn is_obeyed(letter: char) -> bool {
    letter.is_control() || is_bidirectional_control(letter)
}

fn is_bidirectional_control(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with those characters written out that a cloud's names and tags may hold and a terminal
/// would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if is_obeyed(letter) {
            shown.extend(letter.escape_default())
        } else {
            shown.push(letter)
        }
        shown
    })
}

/// A writer of log lines: those characters in them that turn the text around are written out.
///
/// The log escapes control characters by itself, and writes some of its own for colour. Here the
/// form is the one of JSON, which is the same text to who reads a log in JSON.
pub(crate) struct LogWriter<W>(W);

impl<W: Write> LogWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self(writer)
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Lines come whole. Nearly all have no such character: their first bytes are these.
        let text = line.iter().any(|byte| matches!(byte, 0xd8 | 0xe2)).then(|| str::from_utf8(line).ok()).flatten();
        match text.filter(|text| text.contains(is_bidirectional_control)) {
            None => self.0.write_all(line)?,
            Some(text) => {
                let mut shown = String::with_capacity(text.len());
                for letter in text.chars() {
                    if is_bidirectional_control(letter) {
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

/// How many columns there are, if lines are to be broken at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width(Option<u16>);

impl Width {
    /// `COLUMNS` if it's set, or those of the terminal. Without either, as in a pipe, lines aren't
    /// broken: a program that searches them would miss what is torn apart.
    pub(crate) fn of_standard_output() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a convention between terminals and programs, read before there is a context")]
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        Self(columns.or_else(terminal).map(|columns: u16| columns.max(40)))
    }

    pub(crate) fn columns(self) -> Option<u16> {
        self.0
    }

    /// The text in lines of at most this width, broken at blanks; lines after the first are set in by two.
    pub(crate) fn wrapped(self, text: &str) -> String {
        self.wrapped_by(text, 0, 2)
    }

    /// The text in lines of at most this width; the first is set in by `first` blanks, the others by `rest`.
    pub(crate) fn wrapped_by(self, text: &str, first: usize, rest: usize) -> String {
        let text = printable(text);
        let columns = self.0.map_or(usize::MAX, usize::from);
        let mut lines = " ".repeat(first);
        let mut used = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > columns.saturating_sub(if lines.contains('\n') { rest } else { first }) {
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

/// Whether there is colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colour(bool);

impl Colour {
    /// For what failed.
    pub(crate) const RED: &str = "\x1b[1;31m";
    /// For what is in.
    pub(crate) const GREEN: &str = "\x1b[32m";
    /// For what is out.
    pub(crate) const YELLOW: &str = "\x1b[33m";

    /// Colour on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of_standard_output() -> Self {
        Self::on(io::stdout().is_terminal())
    }

    /// Colour if `terminal`, unless `NO_COLOR` is set.
    pub(crate) fn on(terminal: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a convention between terminals and programs, read before there is a context")]
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(terminal && !refused)
    }

    /// Whether there is any.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    /// The text with the first word of each line coloured, where it is one of `words`.
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

    fn two() -> Vec<Address> {
        vec![Address::ip("10.0.0.4".parse().unwrap()).with_instance("vm1").with_network_interface("nic1"), Address::name("a.example").with_port(8300)]
    }

    #[test]
    fn text_is_one_line_with_single_blanks() {
        assert_eq!(addresses(OutputFormat::Text, "azure", "s", &two()), "10.0.0.4 a.example:8300\n");
    }

    #[test]
    fn lines_has_one_address_a_line() {
        assert_eq!(addresses(OutputFormat::Lines, "azure", "s", &two()), "10.0.0.4\na.example:8300\n");
    }

    #[test]
    fn json_says_where_each_address_came_from() {
        let printed: serde_json::Value = serde_json::from_str(&addresses(OutputFormat::Json, "azure", "s", &two())).unwrap();
        assert_eq!(
            printed,
            serde_json::json!({"provider": "azure", "subject": "s", "addresses": [
                {"address": "10.0.0.4", "host": "10.0.0.4", "port": null, "instance": "vm1", "network_interface": "nic1"},
                {"address": "a.example:8300", "host": "a.example", "port": 8300, "instance": null, "network_interface": null},
            ]})
        );
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("a\u{1b}[31mé\r\n"), "a\\u{1b}[31mé\\r\\n");
    }

    #[test]
    fn characters_that_turn_the_text_around_are_written_out() {
        for letter in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            let code = u32::from(letter);
            assert_eq!(printable(&format!("a{letter}b")), format!("a\\u{{{code:x}}}b"));
            let mut line = Vec::new();
            LogWriter::new(&mut line).write_all(format!("\u{1b}[33ma{letter}b\u{1b}[0m é\n").as_bytes()).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("\u{1b}[33ma\\u{code:04x}b\u{1b}[0m é\n"), "the log's own colours stay");
        }
        // Words of languages that are written from right to left, and letters joined by other marks.
        assert_eq!(printable("שלום العربية é👩\u{200d}🚀"), "שלום العربية é👩\u{200d}🚀");
    }

    #[test]
    fn text_is_broken_at_blanks_and_set_in() {
        assert_eq!(Width(Some(10)).wrapped("a bb ccc dddd eeeee"), "a bb ccc\n  dddd\n  eeeee");
        assert_eq!(Width(Some(10)).wrapped("a-word-that-is-longer b"), "a-word-that-is-longer\n  b");
        assert_eq!(Width(Some(80)).wrapped("short"), "short");
        assert_eq!(Width(None).wrapped(&"word ".repeat(99)), "word ".repeat(99));
        assert_eq!(Width(Some(10)).wrapped_by("a bb ccc dddd", 2, 6), "  a bb ccc\n      dddd");
    }

    #[test]
    fn colour_is_put_around_known_first_words_only() {
        let words = [("in", Colour::GREEN)];
        assert_eq!(Colour(true).first_words("in  10.0.0.4\ninner\n in", &words), "\x1b[32min\x1b[0m  10.0.0.4\ninner\n in");
        assert_eq!(Colour(false).first_words("in  10.0.0.4", &words), "in  10.0.0.4");
    }
}
