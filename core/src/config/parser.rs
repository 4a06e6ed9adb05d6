//! The grammar of join strings: `key=value`, separated by spaces.
//!
//! The lexical rules are go-discover's, not a shell's: only U+0020 separates, only `"` quotes, and
//! a backslash is special only inside quotes. Error texts are go-discover's (`error.rs`), as is the
//! order in which problems are found: a key is compared with earlier ones as soon as it is read,
//! before its `=`. `escape.rs` decodes quoted text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::{PairPart, ParseError, ParseErrorKind};
use super::escape::{Malformed, unquote};

/// Parses a join string up to the first problem.
pub(super) fn parse(input: &str) -> Result<BTreeMap<String, String>, ParseError> {
    let mut pairs = BTreeMap::new();
    let mut tokens = Lexer::new(input.trim());
    let mut key = String::new();
    let mut pair = 0;
    // Whether the value of `key` is separated from its `=`, as the next key is from an empty value.
    let mut is_apart = false;

    while let Some(token) = tokens.next() {
        let fail = |kind, place| ParseError::new(kind, place, key.as_str(), pair);
        key = match token {
            Ok(Token::Text(text)) => text.into_owned(),
            // go-discover names the previous key, whose value probably contains the sign.
            Ok(Token::Equal) => {
                let error = fail(ParseErrorKind::EqualsInValue, PairPart::Key);
                return Err(if is_apart { error.of_next_key() } else { error });
            }
            Err(error) => return Err(fail(error.into(), PairPart::Key)),
        };
        pair += 1;
        let fail = |kind, place| ParseError::new(kind, place, key.as_str(), pair);
        let Entry::Vacant(vacant) = pairs.entry(key.clone()) else {
            return Err(fail(ParseErrorKind::DuplicateKey, PairPart::Key));
        };
        match tokens.next() {
            Some(Ok(Token::Equal)) => {}
            Some(Ok(Token::Text(_)) | Err(_)) | None => {
                return Err(fail(ParseErrorKind::MissingEquals, PairPart::Key));
            }
        }
        is_apart = tokens.rest.starts_with(' ');
        match tokens.next() {
            Some(Ok(Token::Text(value))) => vacant.insert(value.into_owned()),
            Some(Ok(Token::Equal)) | None => {
                return Err(fail(ParseErrorKind::MissingValue, PairPart::Value));
            }
            Some(Err(error)) => return Err(fail(error.into(), PairPart::Value)),
        };
    }
    Ok(pairs)
}

impl From<LexError> for ParseErrorKind {
    fn from(error: LexError) -> Self {
        match error {
            LexError::UnbalancedQuotes => Self::UnbalancedQuotes,
            LexError::UnterminatedEscape => Self::UnterminatedEscape,
            LexError::Malformed(Malformed::Escape) => Self::InvalidEscape,
            LexError::Malformed(Malformed::NotUtf8) => Self::EscapesNotUtf8,
        }
    }
}

/// A token of a join string.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A key or a value, unquoted and trimmed. May be empty.
    Text(Cow<'a, str>),
    /// The sign between key and value.
    Equal,
}

/// A lexical error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexError {
    /// The string ended inside quotes.
    UnbalancedQuotes,
    /// The string ended inside quotes, right after a backslash.
    UnterminatedEscape,
    /// The quoted text isn't a Go string literal.
    Malformed(Malformed),
}

/// Reads tokens from the front of a join string that the caller has trimmed.
#[derive(Debug)]
struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn new(trimmed: &'a str) -> Self {
        Self { rest: trimmed }
    }

    /// Reads up to the closing quote, after which no separator is needed.
    fn quoted(&mut self) -> Result<Token<'a>, LexError> {
        let mut escaped = false;
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let inside = &self.rest[1..at];
                    self.rest = &self.rest[at + 1..];
                    return unquote(inside)
                        .map(Token::Text)
                        .map_err(LexError::Malformed);
                }
                _ => {}
            }
        }
        self.rest = "";
        Err(if escaped {
            LexError::UnterminatedEscape
        } else {
            LexError::UnbalancedQuotes
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
    type Item = Result<Token<'a>, LexError>;

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

    fn text(text: &str) -> Result<Token<'_>, LexError> {
        Ok(Token::Text(Cow::Borrowed(text)))
    }

    const EQUAL: Result<Token<'static>, LexError> = Ok(Token::Equal);

    #[test]
    fn only_the_blank_separates_and_only_the_double_quote_quotes() {
        let cases: &[(&str, Vec<Result<Token<'_>, LexError>>)] = &[
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
    fn a_key_in_the_place_of_a_value_has_a_hint_of_its_own() {
        let hint = |input| parse(input).unwrap_err().hint();
        let empty = hint("a= b=c");
        assert!(empty.contains("is a variable empty"), "{empty}");
        assert_ne!(hint("a=b=c"), empty);
        assert_ne!(hint("a= b c=d=e"), empty);
    }

    #[test]
    fn open_quotes_are_distinguished_from_an_open_escape() {
        let cases = [
            (r#"""#, LexError::UnbalancedQuotes),
            (r#""a b"#, LexError::UnbalancedQuotes),
            (r#""a\""#, LexError::UnbalancedQuotes),
            (r#""a\"#, LexError::UnterminatedEscape),
            (r#""a\\\"#, LexError::UnterminatedEscape),
            (r#""a\q""#, LexError::Malformed(Malformed::Escape)),
            (r#""\xff""#, LexError::Malformed(Malformed::NotUtf8)),
        ];
        for (input, error) in cases {
            assert_eq!(Lexer::new(input).next(), Some(Err(error)), "{input:?}");
        }
    }
}
