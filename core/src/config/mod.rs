//! Join strings: `provider=NAME tag_name=role ...`, parsed exactly as go-discover parses them.
//!
//! [`ConfigString`] is the map a join string stands for. `lexer.rs` and `parser.rs` hold the
//! grammar, `escape.rs` the quotes, [`error`] what can be wrong, `arguments.rs` the reading of a
//! command line. [`key`] describes the options a provider takes and [`value`] turns their text into
//! typed values; both are used by every provider.

mod arguments;
pub mod error;
mod escape;
pub mod key;
mod lexer;
mod masked;
mod options;
mod parser;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use error::{ParseError, ParseErrorKind};
pub use key::{KeySpec, Values};
pub use masked::Masked;
pub use options::Options;
pub use value::{Value, ValueError};

/// The key that names the provider.
pub const PROVIDER: &str = "provider";

/// A parsed join string: an ordered map from key to value.
///
/// Keys are case sensitive, none is required or forbidden here, and values are plain text: what
/// they mean is the provider's affair ([`ConfigString::value`]). Order is always `provider` first,
/// then keys by bytes.
///
/// `Display` writes a join string that parses back to an equal value. It is go-discover's own
/// output wherever that output parses back; empty keys and values and text with white space at an
/// end, which go-discover drops or breaks, are written in quotes. **It shows secrets.** `Debug`
/// shows keys only; [`masked`](Self::masked) is for people.
///
/// ```
/// use cloud_autojoin_core::config::ConfigString;
///
/// let config: ConfigString = r#"tag_value="a b" tag_name=role provider=cloud"#.parse()?;
/// assert_eq!(config.provider(), Some("cloud"));
/// assert_eq!(config.get("tag_value"), Some("a b"));
/// assert_eq!(config.to_string(), r#"provider=cloud tag_name=role tag_value="a b""#);
/// # Ok::<(), cloud_autojoin_core::config::ParseError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ConfigString {
    pairs: BTreeMap<String, String>,
}

impl ConfigString {
    /// An empty map, for programs that fill it by [`with`](Self::with) or [`insert`](Self::insert).
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a join string by go-discover's grammar (v1.4.0).
    ///
    /// Pairs are `key=value`, separated by U+0020 alone; blanks around `=` are allowed. Text in
    /// double quotes is a Go string literal. Empty input, or white space only, is an empty map.
    ///
    /// # Errors
    ///
    /// The first problem found, in go-discover's words. Stricter in one point: escapes that spell
    /// bytes which are not UTF-8 are refused ([`ParseErrorKind::EscapesNotUtf8`]).
    pub fn parse(input: &str) -> Result<Self, ParseError> {
        Ok(Self {
            pairs: parser::parse(input)?,
        })
    }

    /// Reads a join string from bytes, such as a file's.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`ParseErrorKind::InputNotUtf8`].
    pub fn parse_bytes(input: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(input).map_err(|error| {
            let valid_up_to = error.valid_up_to();
            ParseError::new(
                ParseErrorKind::InputNotUtf8 { valid_up_to },
                error::Place::Key,
                "",
                0,
            )
        })?;
        Self::parse(text)
    }

    /// Reads a join string from the arguments of a command line.
    ///
    /// 1. The arguments are joined with one blank and parsed, as go-discover's command does.
    ///    Whatever that accepts is the answer, so every command line of go-discover means the same
    ///    here.
    /// 2. Otherwise, given two arguments or more, an argument is *taken whole* as one pair if
    ///    - by itself it does not parse;
    ///    - it is `KEY=VALUE` (split at the first `=`) with a key that has neither blanks nor
    ///      double quotes;
    ///    - its value is not blank and starts with neither `"` nor `=`;
    ///    - and no word after a blank in its value looks like another key with its `=`.
    ///
    ///    Such an argument is read as `KEY="VALUE"`, with every character of the value as it
    ///    stands; the others stay, and all are joined and parsed once more.
    ///
    /// So the quotes that a shell takes off need not be doubled: `client_secret=abc==` and
    /// `'tag_value=a b'` are whole; `'tag_value=a b=c'` is two pairs, as it is for go-discover; a
    /// single argument is always the whole join string.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), for the last text tried.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Self, ParseError> {
        arguments::parse(arguments)
    }

    /// The provider's name; none if the key is absent or its value is empty (go-discover: `no
    /// provider`).
    pub fn provider(&self) -> Option<&str> {
        self.get(PROVIDER).filter(|name| !name.is_empty())
    }

    /// The value of exactly this key, without aliases; may be empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.get(key).map(String::as_str)
    }

    /// The value given for an option, under its name or an alias.
    ///
    /// # Errors
    ///
    /// When the option stands there twice, under two of its names, with different values.
    pub fn value<'a>(&'a self, spec: &'a KeySpec) -> Result<Option<Value<'a>>, ValueError> {
        let mut given = spec
            .names()
            .filter_map(|name| Some((name, self.get(name)?)));
        let Some((name, text)) = given.next() else {
            return Ok(None);
        };
        let value = Value::from_key(spec, name, text);
        match given.find(|&(_, other)| other != text) {
            Some((other, _)) => Err(value.contradicted_by(other)),
            None => Ok(Some(value)),
        }
    }

    /// Whether the key is there, with whatever value.
    pub fn contains(&self, key: &str) -> bool {
        self.pairs.contains_key(key)
    }

    /// The keys that are not in the table of a provider, in order. `provider` is always known.
    pub fn unknown_keys<'a>(&'a self, table: &'a [KeySpec]) -> impl Iterator<Item = &'a str> + 'a {
        self.iter()
            .map(|(key, _)| key)
            .filter(|&key| key != PROVIDER && key::find(table, key).is_none())
    }

    /// Keys and values: `provider` first, then by the bytes of the key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let provider = self.pairs.get_key_value(PROVIDER);
        let others = self.pairs.iter().filter(|(key, _)| *key != PROVIDER);
        provider
            .into_iter()
            .chain(others)
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair at all.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Sets a key and returns the value it had. Any text is allowed on both sides.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        self.pairs.insert(key.into(), value.into())
    }

    /// Sets a key, in a chain: `ConfigString::new().with("provider", "cloud").with("tag_name",
    /// "role")`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(key, value);
        self
    }

    /// Takes a key out and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.pairs.remove(key)
    }

    /// The join string with every value as `***`, save those whose key `is_safe` accepts.
    ///
    /// A key that nobody knows must not be safe: it may be a misspelt secret. [`key::is_safe`]
    /// judges by a table.
    pub fn masked<F: Fn(&str) -> bool>(&self, is_safe: F) -> Masked<'_, F> {
        Masked::new(self, is_safe)
    }
}

impl FromStr for ConfigString {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        Self::parse(input)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for ConfigString {
    /// A later pair replaces an earlier one of the same key.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut config = Self::new();
        config.extend(pairs);
        config
    }
}

impl<K: Into<String>, V: Into<String>> Extend<(K, V)> for ConfigString {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        self.pairs.extend(pairs);
    }
}

impl fmt::Display for ConfigString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            escape::write_text(f, key)?;
            f.write_str("=")?;
            escape::write_text(f, value)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigString {
    /// Keys only; every value is `***`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigString({})", self.masked(|_| false))
    }
}
