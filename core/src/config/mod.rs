//! Join strings: `provider=NAME tag_name=role ...`, parsed exactly as go-discover parses them.
//!
//! [`ConfigString`] is a parsed join string. `parser.rs` implements the grammar, `escape.rs`
//! quoting, [`error`] syntax errors, `arguments.rs` arguments that lost their quotes. [`key`]
//! describes the options of a provider, and [`value`] converts their text to typed values.

mod arguments;
pub mod error;
mod escape;
pub mod key;
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
/// Keys are case-sensitive and unrestricted, and values are plain text, which the provider
/// interprets ([`ConfigString::value`]). The order is `provider` first, then keys by their bytes.
///
/// `Display` writes a join string that parses back to an equal value. It equals go-discover's
/// output where that parses back; empty keys and values, and text with leading or trailing white
/// space, are quoted. **It shows secrets.** `Debug` shows keys only; use [`masked`](Self::masked)
/// for output.
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
    /// An empty string, to be filled by [`with`](Self::with) or [`insert`](Self::insert).
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses a join string by go-discover's grammar (v1.4.0).
    ///
    /// Pairs are `key=value`, separated by U+0020 only; spaces around `=` are allowed. Text in
    /// double quotes is a Go string literal. Empty input, or only white space, is an empty map.
    ///
    /// # Errors
    ///
    /// The first problem, in go-discover's words. Unlike go-discover, escapes that give bytes which
    /// aren't UTF-8 are rejected ([`ParseErrorKind::EscapesNotUtf8`]).
    pub fn parse(input: &str) -> Result<Self, ParseError> {
        Ok(Self {
            pairs: parser::parse(input)?,
        })
    }

    /// Parses a join string from bytes, such as those of a file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`ParseErrorKind::InputNotUtf8`].
    pub fn parse_bytes(input: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(input).map_err(|error| {
            let valid_up_to = error.valid_up_to();
            ParseError::new(
                ParseErrorKind::InputNotUtf8 { valid_up_to },
                error::PairPart::Key,
                "",
                0,
            )
        })?;
        Self::parse(text)
    }

    /// Parses a join string from command-line arguments.
    ///
    /// 1. The arguments are joined with spaces and parsed, as go-discover's command does. If that
    ///    succeeds it is the result, so every command line of go-discover means the same here.
    /// 2. Otherwise, given two arguments or more, an argument is *taken whole* as one pair if
    ///    - by itself it does not parse;
    ///    - it is `KEY=VALUE` (split at the first `=`) with a key that has neither spaces nor
    ///      double quotes;
    ///    - its value is not blank and starts with neither `"` nor `=`;
    ///    - and no word after a space in its value looks like another key with its `=`.
    ///
    ///    Such an argument is read as `KEY="VALUE"`, with the value taken literally; the others are
    ///    unchanged, and all are joined and parsed again.
    ///
    /// So quotes that a shell removes need not be doubled: `client_secret=abc==` and
    /// `'tag_value=a b'` are single pairs; `'tag_value=a b=c'` is two pairs, as in go-discover; a
    /// single argument is always the whole join string.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), for the last text that was parsed.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Self, ParseError> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        Self::parse(&arguments.join(" "))
            .or_else(|error| arguments::parse_quoted(&arguments, error))
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
    /// When the option is given under two of its names with different values.
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

    /// Whether the key is present, with any value.
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

    /// Whether there are no pairs.
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

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.pairs.remove(key)
    }

    /// The join string with every value as `***`, except those whose key `is_safe` accepts.
    ///
    /// An unknown key must not be safe: it may be a misspelled secret. [`key::is_safe`] decides by
    /// a key table.
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
