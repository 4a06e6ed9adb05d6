//! Quoted text, with the escapes of a Go string literal.
//!
//! [`unquote`] decodes the text between quotes, [`write_text`] writes a key or value so that it
//! parses back to itself. `parser.rs` finds the quotes.

use std::borrow::Cow;
use std::fmt::{self, Write};

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// Why quoted text can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// An escape that isn't valid in Go, or a newline.
    Escape,
    /// `\x..` or `\ooo` gave bytes that are not UTF-8. Go keeps such bytes; a Rust `String` cannot.
    NotUtf8,
}

/// Decodes the text between double quotes.
pub(super) fn unquote(inside: &str) -> Result<Cow<'_, str>, Malformed> {
    if inside.contains('\n') {
        return Err(Malformed::Escape);
    }
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    // Bytes, not characters: `\xc3\xa9` is one character written as two escapes.
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = one_escape(escape, &mut bytes).ok_or(Malformed::Escape)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| Malformed::NotUtf8)
}

/// Reads one escape, given what follows the backslash, and returns what follows the escape.
fn one_escape<'a>(escape: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let (first, rest) = escape.split_at_checked(1)?;
    let (byte, rest) = match first {
        "a" => (0x07, rest),
        "b" => (0x08, rest),
        "f" => (0x0c, rest),
        "n" => (b'\n', rest),
        "r" => (b'\r', rest),
        "t" => (b'\t', rest),
        "v" => (0x0b, rest),
        "\\" | "\"" => (first.as_bytes()[0], rest),
        "x" => {
            let (code, rest) = number(rest, 2, 16)?;
            (u8::try_from(code).ok()?, rest)
        }
        "u" | "U" => {
            let (code, rest) = number(rest, if first == "u" { 4 } else { 8 }, 16)?;
            let mut buffer = [0; 4];
            // `from_u32` refuses surrogates and what lies past U+10FFFF, as Go does.
            bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
            return Some(rest);
        }
        _ => {
            let (code, rest) = number(escape, 3, 8)?;
            (u8::try_from(code).ok()?, rest)
        }
    };
    bytes.push(byte);
    Some(rest)
}

/// Reads exactly `length` digits.
fn number(text: &str, length: usize, radix: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(length)?;
    // `from_str_radix` alone would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(digits, radix).ok()?, rest))
}

/// Writes a key or value as go-discover writes it, in quotes also where go-discover's own output
/// would not read back: empty text, and text with white space at an end.
pub(super) fn write_text(out: &mut impl Write, text: &str) -> fmt::Result {
    let bare = !text.is_empty() && text.trim() == text && !text.contains([' ', '"', '\\', '=']);
    if bare {
        out.write_str(text)
    } else {
        write_quoted(out, text)
    }
}

/// Writes text in double quotes, with Go's choice of escapes.
pub(super) fn write_quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '\x07' => out.write_str("\\a")?,
            '\x08' => out.write_str("\\b")?,
            '\x0c' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\x0b' => out.write_str("\\v")?,
            '"' | '\\' => {
                out.write_char('\\')?;
                out.write_char(character)?;
            }
            _ if is_printable(character) => out.write_char(character)?,
            '\0'..='\x7f' => write!(out, "\\x{:02x}", u32::from(character))?,
            '\u{80}'..='\u{ffff}' => write!(out, "\\u{:04x}", u32::from(character))?,
            _ => write!(out, "\\U{:08x}", u32::from(character))?,
        }
    }
    out.write_char('"')
}

/// What Go prints unescaped: letters, marks, numbers, punctuation, symbols, and the space. Go 1.27
/// and this table may have different Unicode versions; the text parses back the same either way.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Mark,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Punctuation,
        GeneralCategoryGroup::Symbol,
    ]
    .iter()
    .any(|group| group.contains(category))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn gos_escapes_are_read() {
        let cases = [
            ("", ""),
            ("plain 'text' `here`", "plain 'text' `here`"),
            (r"\a\b\f\n\r\t\v", "\x07\x08\x0c\n\r\t\x0b"),
            (r#"\\ \""#, r#"\ ""#),
            (r"\x41\x7e\000\101", "A~\0A"),
            (r"\u00e9\u00E9\U0001F600", "éé😀"),
            (r"\xc3\xa9\303\251", "éé"),
            ("raw tab\t, return\r, nul\0", "raw tab\t, return\r, nul\0"),
        ];
        for (inside, text) in cases {
            assert_eq!(unquote(inside).unwrap(), text, "{inside:?}");
        }
    }

    #[test]
    fn escapes_that_go_does_not_know_are_refused() {
        for inside in [
            r"\'",
            r"\0",
            r"\08",
            r"\400",
            r"\8",
            r"\/",
            r"\e",
            r"\ ",
            "\\\n",
            r"\q",
            r"\é",
            r"\ud800",
            r"\ud83d\ude00",
            r"\U00110000",
            r"\U0001F60",
            r"\x4",
            r"\x+4",
            r"\xg0",
            r"\u+0e9",
            r"\",
            "line\nend",
            r"\X41",
        ] {
            assert_eq!(unquote(inside), Err(Malformed::Escape), "{inside:?}");
        }
        for inside in [r"\xff", r"\377", r"\xc3", r"\xed\xa0\x80", r"\xc3=\xa9"] {
            assert_eq!(unquote(inside), Err(Malformed::NotUtf8), "{inside:?}");
        }
    }

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let cases = [
            ("a", "a"),
            ("a/b+c", "a/b+c"),
            ("a\tb", "a\tb"),
            ("a'b", "a'b"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a=b", r#""a=b""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("\ta", r#""\ta""#),
            ("a\u{a0}", r#""a\u00a0""#),
            (
                "\x07\x08\x0c\n\r\x0b\0\x1b\x7f =",
                r#""\a\b\f\n\r\v\x00\x1b\x7f =""#,
            ),
            (
                "é e\u{301} \u{85}\u{ad}\u{200b}\u{feff}\u{3000}\u{e000}\u{10ffff}😀",
                "\"é e\u{301} \\u0085\\u00ad\\u200b\\ufeff\\u3000\\ue000\\U0010ffff😀\"",
            ),
        ];
        for (text, expected) in cases {
            let mut written = String::new();
            write_text(&mut written, text).unwrap();
            assert_eq!(written, expected, "{text:?}");
        }
    }
}
