//! Splits a join string into tokens: text, `=`, or an error.
//!
//! The rules are go-discover's, not a shell's: only U+0020 separates, only `"` quotes, and a
//! backslash is special only inside quotes. `parser.rs` interprets the tokens; `escape.rs` decodes
//! quoted text.

use std::borrow::Cow;

use super::escape::{Malformed, unquote};

/// A token of a join string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A key or a value, unquoted and trimmed. May be empty.
    Text(Cow<'a, str>),
    /// The sign between key and value.
    Equal,
}

/// A lexical error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The string ended inside quotes.
    UnbalancedQuotes,
    /// The string ended inside quotes, right after a backslash.
    UnterminatedEscape,
    /// The quoted text isn't a Go string literal.
    Malformed(Malformed),
}

/// Reads tokens from the front of a join string that the caller has trimmed.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(trimmed: &'a str) -> Self {
        Self { rest: trimmed }
    }

    /// Reads up to the closing quote, after which no separator is needed.
    fn quoted(&mut self) -> Result<Token<'a>, Fault> {
        let mut escaped = false;
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let inside = &self.rest[1..at];
                    self.rest = &self.rest[at + 1..];
                    return unquote(inside).map(Token::Text).map_err(Fault::Malformed);
                }
                _ => {}
            }
        }
        self.rest = "";
        Err(if escaped {
            Fault::UnterminatedEscape
        } else {
            Fault::UnbalancedQuotes
        })
    }

    /// Reads up to the next space or `=`. The text is trimmed, because tabs and newlines don't
    /// separate: a token of only these is an empty text.
    fn bare(&mut self) -> Token<'a> {
        let end = self.rest.find([' ', '=']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Token::Text(Cow::Borrowed(text.trim()))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Result<Token<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches(' ');
        match self.rest.as_bytes().first()? {
            b'=' => {
                self.rest = &self.rest[1..];
                Some(Ok(Token::Equal))
            }
            b'"' => Some(self.quoted()),
            _ => Some(Ok(self.bare())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<Token<'_>, Fault> {
        Ok(Token::Text(Cow::Borrowed(text)))
    }

    const EQUAL: Result<Token<'static>, Fault> = Ok(Token::Equal);

    #[test]
    fn only_the_blank_separates_and_only_the_double_quote_quotes() {
        let cases: &[(&str, Vec<Result<Token<'_>, Fault>>)] = &[
            ("", vec![]),
            ("a=b", vec![text("a"), EQUAL, text("b")]),
            ("a\tb", vec![text("a\tb")]),
            ("a= \t b", vec![text("a"), EQUAL, text(""), text("b")]),
            ("'b c'", vec![text("'b"), text("c'")]),
            ("`b c`", vec![text("`b"), text("c`")]),
            (r"C:\a\b", vec![text(r"C:\a\b")]),
            (r#"b"c d""#, vec![text(r#"b"c"#), text(r#"d""#)]),
            (r#""b c"d"#, vec![text("b c"), text("d")]),
            (r#""a"=="b""#, vec![text("a"), EQUAL, EQUAL, text("b")]),
            (r#"""="""#, vec![text(""), EQUAL, text("")]),
            (r#""a\"b""#, vec![text(r#"a"b"#)]),
            ("\t\"b c\"", vec![text("\"b"), text("c\"")]),
        ];
        for (input, tokens) in cases {
            assert_eq!(&Lexer::new(input).collect::<Vec<_>>(), tokens, "{input:?}");
        }
    }

    #[test]
    fn quotes_left_open_are_told_from_an_escape_left_open() {
        let cases = [
            (r#"""#, Fault::UnbalancedQuotes),
            (r#""a b"#, Fault::UnbalancedQuotes),
            (r#""a\""#, Fault::UnbalancedQuotes),
            (r#""a\"#, Fault::UnterminatedEscape),
            (r#""a\\\"#, Fault::UnterminatedEscape),
            (r#""a\q""#, Fault::Malformed(Malformed::Escape)),
            (r#""\xff""#, Fault::Malformed(Malformed::NotUtf8)),
        ];
        for (input, fault) in cases {
            assert_eq!(Lexer::new(input).next(), Some(Err(fault)), "{input:?}");
        }
    }
}
