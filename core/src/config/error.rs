//! Syntax errors of join strings: [`ParseError`], in go-discover's words.
//!
//! Invalid values of single options are `ValueError`, in `value.rs`.

use std::fmt;

/// A join string that does not follow the grammar.
///
/// `Display` is exactly go-discover's text (without its prefix `discover: `), so that users can
/// search for it. The text repeats a key, which may be a part of an unquoted secret: **print
/// [`redacted`](Self::redacted) wherever the text is stored**. `Debug` does.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    place: PairPart,
    key: String,
    pair: usize,
    is_of_next_key: bool,
}

/// Where in a pair the problem is; go-discover's text depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairPart {
    Key,
    Value,
}

/// The kinds of syntax errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A `=` in the place of a key, because the unquoted value before it contains `=` (`a=b=c`).
    EqualsInValue,
    /// A key without `=` (`a b=c`).
    MissingEquals,
    /// A key with `=` and nothing after it (`a=`).
    MissingValue,
    /// The same key twice, whatever the values.
    DuplicateKey,
    /// The string ends inside double quotes.
    UnbalancedQuotes,
    /// The string ends inside double quotes, right after a backslash.
    UnterminatedEscape,
    /// Text in double quotes contains a newline or an escape that isn't valid in a Go string
    /// literal.
    InvalidEscape,
    /// Escapes in double quotes give bytes that aren't UTF-8 (`"\xff"`). go-discover accepts them;
    /// no option of any provider can use them.
    EscapesNotUtf8,
    /// The input isn't UTF-8. go-discover reads each such byte as U+FFFD and searches for the wrong
    /// name. Only [`ConfigString::parse_bytes`](super::ConfigString::parse_bytes) returns this.
    InputNotUtf8 {
        /// The number of valid bytes before the first invalid one.
        valid_up_to: usize,
    },
}

impl ParseError {
    pub(super) fn new(kind: ParseErrorKind, place: PairPart, key: &str, pair: usize) -> Self {
        Self {
            kind,
            place,
            key: key.to_owned(),
            pair,
            is_of_next_key: false,
        }
    }

    /// The same error, where the sign probably belongs to the next key, since the key has no value
    /// (`a= b=c`).
    pub(super) fn of_next_key(mut self) -> Self {
        self.is_of_next_key = true;
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The key in the text: the current one, or the previous one if no other has begun; empty
    /// before the first. May be a part of an unquoted secret.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The number of the invalid pair, from 1; 0 if no key was read.
    pub fn pair(&self) -> usize {
        self.pair
    }

    /// The same error without any part of the input, for logs: `missing '=' (pair 3 of the join
    /// string)`.
    pub fn redacted(&self) -> impl fmt::Display + '_ {
        Redacted(self)
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ParseErrorKind::EqualsInValue if self.is_of_next_key => {
                r#"no value follows the key's `=`: is a variable empty? omit the key, or write key="" for an empty value"#
            }
            ParseErrorKind::EqualsInValue => {
                r#"a value with `=` in it goes in double quotes: key="abc==" (in a shell: 'key="abc=="')"#
            }
            ParseErrorKind::MissingEquals => {
                r#"pairs are written key=value, separated by spaces; a value with spaces goes in double quotes: key="a b" (single quotes have no meaning)"#
            }
            ParseErrorKind::MissingValue => r#"omit the key, or write key="" for an empty value"#,
            ParseErrorKind::DuplicateKey => "keep one of the two",
            ParseErrorKind::UnbalancedQuotes => {
                r#"close the double quote; a quote inside quotes is written \""#
            }
            ParseErrorKind::UnterminatedEscape => r"a backslash inside quotes is written \\",
            ParseErrorKind::InvalidEscape => {
                r#"inside double quotes a backslash is written \\ and a quote \"; line ends are written \n"#
            }
            ParseErrorKind::EscapesNotUtf8 => {
                r"write the character itself, or its code point as \u00e9"
            }
            ParseErrorKind::InputNotUtf8 { .. } => "save the text as UTF-8",
        }
    }
}

impl ParseErrorKind {
    /// The part of the text that depends only on the kind.
    fn words(self) -> &'static str {
        match self {
            Self::EqualsInValue => "equals in key's value, enclosing double-quote needed",
            Self::MissingEquals => "missing '='",
            Self::MissingValue => "missing value",
            Self::DuplicateKey => "duplicate key",
            Self::UnbalancedQuotes => "unbalanced quotes",
            Self::UnterminatedEscape => "unterminated escape sequence",
            Self::InvalidEscape => "invalid syntax",
            Self::EscapesNotUtf8 => "invalid syntax: the escapes give bytes that aren't UTF-8",
            Self::InputNotUtf8 { .. } => "the join string is not UTF-8",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, words) = (&self.key, self.kind.words());
        match (self.kind, self.place) {
            (ParseErrorKind::InputNotUtf8 { valid_up_to }, _) => {
                write!(f, "{words} (after {valid_up_to} bytes)")
            }
            (ParseErrorKind::EqualsInValue, _) => {
                write!(f, r#"{key}: - {words} {key}="value-with-=-symbol""#)
            }
            (ParseErrorKind::MissingEquals | ParseErrorKind::DuplicateKey, _)
            | (_, PairPart::Value) => {
                write!(f, "{key}: {words}")
            }
            (_, PairPart::Key) => write!(f, "{key}: error with key=value pair {words}"),
        }
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParseError({})", self.redacted())
    }
}

impl std::error::Error for ParseError {}

struct Redacted<'a>(&'a ParseError);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError {
            kind, place, pair, ..
        } = self.0;
        let words = kind.words();
        match (kind, place) {
            (ParseErrorKind::InputNotUtf8 { valid_up_to }, _) => {
                write!(f, "{words} (after {valid_up_to} bytes)")
            }
            (_, _) if *pair == 0 => write!(f, "{words} (at the start of the join string)"),
            (ParseErrorKind::MissingEquals | ParseErrorKind::DuplicateKey, _)
            | (ParseErrorKind::EqualsInValue, _)
            | (_, PairPart::Value) => {
                write!(f, "{words} (pair {pair} of the join string)")
            }
            (_, PairPart::Key) => write!(f, "{words} (after pair {pair} of the join string)"),
        }
    }
}
