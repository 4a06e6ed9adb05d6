//! What is wrong with a join string: [`ParseError`], in go-discover's words.
//!
//! Problems with the value of one option (no duration, no GUID, ...) are `ValueError`, in
//! `value.rs`.

use std::fmt;

/// A join string that does not follow the grammar.
///
/// `Display` is go-discover's text to the letter (without its `discover: ` in front), so that what
/// people search for stays what they find. That text repeats a key, and when a secret was not
/// quoted the "key" may be a piece of it: **print [`redacted`](Self::redacted) wherever the text is
/// kept**. `Debug` does.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    place: Place,
    key: String,
    pair: usize,
}

/// Where in a pair the problem was met; go-discover words the same fault differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    Value,
}

/// The ways a join string can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A `=` stands where a key should: the value before it has one and is not in quotes (`a=b=c`).
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
    /// Text in double quotes has an escape that a Go string literal does not know, or a line end.
    InvalidEscape,
    /// Escapes in double quotes spell bytes that are not UTF-8 (`"\xff"`). go-discover takes them;
    /// no option of any provider has a use for them.
    EscapesNotUtf8,
    /// The input itself is not UTF-8. go-discover reads each such byte as U+FFFD, and so asks for a
    /// name that nobody wrote. Only [`ConfigString::parse_bytes`](super::ConfigString::parse_bytes)
    /// can return this.
    InputNotUtf8 {
        /// Number of good bytes before the first bad one.
        valid_up_to: usize,
    },
}

impl ParseError {
    pub(super) fn new(kind: ParseErrorKind, place: Place, key: &str, pair: usize) -> Self {
        Self {
            kind,
            place,
            key: key.to_owned(),
            pair,
        }
    }

    /// What is wrong.
    pub fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The key that the text names: the one being read, or the one before where the next has not
    /// begun; empty before the first. May be a piece of a secret that was not quoted.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Which pair of the string is wrong, counted from 1; 0 where no key had been read.
    pub fn pair(&self) -> usize {
        self.pair
    }

    /// The same problem without a word of the input, for logs: `missing '=' (pair 3 of the join
    /// string)`.
    pub fn redacted(&self) -> impl fmt::Display + '_ {
        Redacted(self)
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ParseErrorKind::EqualsInValue => {
                r#"a value with `=` in it goes in double quotes: key="abc==" (in a shell: 'key="abc=="')"#
            }
            ParseErrorKind::MissingEquals => {
                r#"pairs are written key=value, one blank apart; a value with blanks goes in double quotes: key="a b" (single quotes do not count)"#
            }
            ParseErrorKind::MissingValue => {
                r#"leave the key out, or write key="" for an empty value"#
            }
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
    /// The part of the text that the kind alone decides.
    fn words(self) -> &'static str {
        match self {
            Self::EqualsInValue => "equals in key's value, enclosing double-quote needed",
            Self::MissingEquals => "missing '='",
            Self::MissingValue => "missing value",
            Self::DuplicateKey => "duplicate key",
            Self::UnbalancedQuotes => "unbalanced quotes",
            Self::UnterminatedEscape => "unterminated escape sequence",
            Self::InvalidEscape => "invalid syntax",
            Self::EscapesNotUtf8 => "invalid syntax: the escapes spell bytes that are not UTF-8",
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
            | (_, Place::Value) => {
                write!(f, "{key}: {words}")
            }
            (_, Place::Key) => write!(f, "{key}: error with key=value pair {words}"),
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
            | (_, Place::Value) => {
                write!(f, "{words} (pair {pair} of the join string)")
            }
            (_, Place::Key) => write!(f, "{words} (after pair {pair} of the join string)"),
        }
    }
}
