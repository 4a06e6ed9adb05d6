//! Escapes what a terminal acts on: names and tags from a cloud may hold control characters.

/// Whether a terminal acts on the character instead of showing it: control characters, and those
/// that change the direction of the text around them, which can make one name look like another.
pub fn is_terminal_control(letter: char) -> bool {
    letter.is_control() || is_bidi_control(letter)
}

/// Whether the character changes the direction of the text around it.
pub fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes every character of `text` that a terminal would act on.
pub fn printable(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, letter| {
            if is_terminal_control(letter) {
                shown.extend(letter.escape_default())
            } else {
                shown.push(letter)
            }
            shown
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("a\u{1b}[31mé\r\n"), "a\\u{1b}[31mé\\r\\n");
    }

    #[test]
    fn characters_that_turn_the_text_around_are_written_out() {
        for letter in "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            let code = u32::from(letter);
            assert_eq!(printable(&format!("a{letter}b")), format!("a\\u{{{code:x}}}b"));
        }
        // Words of languages that are written from right to left, and letters joined by other
        // marks.
        assert_eq!(
            printable("שלום العربية é👩\u{200d}🚀"),
            "שלום العربية é👩\u{200d}🚀"
        );
    }
}
