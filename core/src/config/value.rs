//! Converts the text of an option to a typed value: booleans, durations, lists, GUIDs, URLs.
//!
//! A [`Value`] knows its option and origin, so each [`ValueError`] names both and the accepted
//! values. The message contains the value unless the option is secret. `duration.rs` parses Go's
//! durations.

mod duration;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::escape::write_quoted;
use super::key::{KeySpec, Values};

/// The text given for one option.
#[derive(Clone)]
pub struct Value<'a> {
    spec: &'a KeySpec,
    source: Origin<'a>,
    text: Cow<'a, str>,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin<'a> {
    Key(Cow<'a, str>),
    Variable(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// A value from a join string, under the spelling of the key that was used there.
    pub fn from_key(spec: &'a KeySpec, key: &'a str, text: &'a str) -> Self {
        Self {
            spec,
            source: Origin::Key(Cow::Borrowed(key)),
            text: Cow::Borrowed(text),
        }
    }

    /// A value from an environment variable.
    pub fn from_variable(spec: &'a KeySpec, variable: &'a str, text: String) -> Self {
        Self {
            spec,
            source: Origin::Variable(Cow::Borrowed(variable)),
            text: Cow::Owned(text),
        }
    }

    /// The option.
    pub fn spec(&self) -> &'a KeySpec {
        self.spec
    }

    /// The text as given, unchecked. May be empty.
    pub fn raw(&self) -> &str {
        &self.text
    }

    /// Any text but the empty one.
    ///
    /// # Errors
    ///
    /// When the text is empty.
    pub fn text(&self) -> Result<&str, ValueError> {
        if self.text.is_empty() {
            return Err(self.error(Problem::Empty));
        }
        Ok(&self.text)
    }

    /// A boolean in Go's spellings: `1 t T TRUE true True`, `0 f F FALSE false False`.
    ///
    /// # Errors
    ///
    /// For any other text.
    pub fn boolean(&self) -> Result<bool, ValueError> {
        parse_boolean(self.text()?).ok_or_else(|| self.refused(Values::Boolean))
    }

    /// A duration as Go writes it: `300ms`, `1m30s`, `1.5h`, `0`. Units are `ns us ms s m h`.
    ///
    /// # Errors
    ///
    /// For any other text, for negative durations, and beyond Go's range (about 292 years).
    pub fn duration(&self) -> Result<Duration, ValueError> {
        duration::parse(self.text()?).ok_or_else(|| self.refused(Values::Duration))
    }

    /// A whole number from `min` to `max`.
    ///
    /// # Errors
    ///
    /// For any other text and outside of the bounds.
    pub fn number(&self, min: u64, max: u64) -> Result<u64, ValueError> {
        let text = self.text()?;
        text.parse()
            .ok()
            // `parse` would accept `+1`.
            .filter(|number| {
                text.starts_with(|first: char| first.is_ascii_digit())
                    && (min..=max).contains(number)
            })
            .ok_or_else(|| self.refused(Values::Number { min, max }))
    }

    /// A comma-separated list, each item trimmed.
    ///
    /// # Errors
    ///
    /// When the text or an item is empty.
    pub fn list(&self) -> Result<Vec<&str>, ValueError> {
        let items: Vec<&str> = self.text()?.split(',').map(str::trim).collect();
        if items.contains(&"") {
            return Err(self.refused(Values::List));
        }
        Ok(items)
    }

    /// One of the words, in the given spelling, matched case-insensitively.
    ///
    /// # Errors
    ///
    /// For any other text.
    pub fn one_of(&self, words: &'static [&'static str]) -> Result<&'static str, ValueError> {
        word(words, self.text()?).ok_or_else(|| self.refused(Values::OneOf(words)))
    }

    /// A comma-separated list of the words, matched case-insensitively, without duplicates.
    ///
    /// # Errors
    ///
    /// When the text is empty or an item is none of the words.
    pub fn list_of(&self, words: &'static [&'static str]) -> Result<Vec<&'static str>, ValueError> {
        let mut chosen = Vec::new();
        for item in self.text()?.split(',') {
            let word =
                word(words, item.trim()).ok_or_else(|| self.refused(Values::ListOf(words)))?;
            if !chosen.contains(&word) {
                chosen.push(word);
            }
        }
        Ok(chosen)
    }

    /// A GUID, `8-4-4-4-12` hexadecimal digits, in lower case; or the word that the option also
    /// accepts.
    ///
    /// # Errors
    ///
    /// For any other text; braces and the form without hyphens are not accepted.
    pub fn guid(&self) -> Result<String, ValueError> {
        let text = self.text()?;
        if let Values::GuidOr(word) = self.spec.values
            && text == word
        {
            return Ok(word.to_owned());
        }
        let is_guid = text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
            && text
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        if !is_guid {
            let accepted = if matches!(self.spec.values, Values::GuidOr(_)) {
                self.spec.values
            } else {
                Values::Guid
            };
            return Err(self.refused(accepted));
        }
        Ok(text.to_ascii_lowercase())
    }

    /// A URL of http or https with a host and without user name or password.
    ///
    /// # Errors
    ///
    /// For any other text.
    pub fn url(&self) -> Result<Url, ValueError> {
        self.any_url(Values::Url)
    }

    /// A URL that secrets may be sent to: https, or http to a loopback address or `localhost`.
    ///
    /// # Errors
    ///
    /// As [`url`](Self::url), and for http to another machine.
    pub fn endpoint(&self) -> Result<Url, ValueError> {
        let url = self.any_url(Values::Endpoint)?;
        if url.scheme() != "https" && !is_this_machine(&url) {
            return Err(self.error(Problem::PlainHttp));
        }
        Ok(url)
    }

    fn any_url(&self, accepted: Values) -> Result<Url, ValueError> {
        let refused = || self.refused(accepted);
        let url = Url::parse(self.text()?).map_err(|_| refused())?;
        let accepted = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none();
        accepted.then_some(url).ok_or_else(refused)
    }

    /// Checks the text against the values that the option accepts.
    ///
    /// # Errors
    ///
    /// As the method for the kind of value.
    pub fn check(&self) -> Result<(), ValueError> {
        match self.spec.values {
            Values::Text => self.text().map(drop),
            Values::Boolean => self.boolean().map(drop),
            Values::Duration => self.duration().map(drop),
            Values::Number { min, max } => self.number(min, max).map(drop),
            Values::List => self.list().map(drop),
            Values::OneOf(words) => self.one_of(words).map(drop),
            Values::ListOf(words) => self.list_of(words).map(drop),
            Values::Guid | Values::GuidOr(_) => self.guid().map(drop),
            Values::Url => self.url().map(drop),
            Values::Endpoint => self.endpoint().map(drop),
        }
    }

    /// The error that the option is also given as `other` with a different value.
    pub(super) fn contradicted_by(&self, other: &str) -> ValueError {
        self.error(Problem::GivenTwice {
            other: other.to_owned(),
        })
    }

    fn refused(&self, accepted: Values) -> ValueError {
        // A URL with an `@` may contain a password, whatever the option is for.
        let is_url = matches!(accepted, Values::Url | Values::Endpoint);
        let hide = self.spec.secret || (is_url && self.text.contains('@'));
        self.error(Problem::Refused {
            shown: (!hide).then(|| shown(&self.text)),
            accepted,
        })
    }

    fn error(&self, problem: Problem) -> ValueError {
        ValueError {
            option: self.spec.name,
            source: match &self.source {
                Origin::Key(key) => Origin::Key(Cow::Owned(key.clone().into_owned())),
                Origin::Variable(variable) => {
                    Origin::Variable(Cow::Owned(variable.clone().into_owned()))
                }
            },
            problem,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A value that its option doesn't accept. Safe to print: it never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    option: &'static str,
    source: Origin<'static>,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    Refused {
        shown: Option<String>,
        accepted: Values,
    },
    PlainHttp,
    GivenTwice {
        other: String,
    },
}

impl ValueError {
    /// The option's name in its table.
    pub fn option(&self) -> &'static str {
        self.option
    }

    /// The key or the environment variable that has the value.
    pub fn given_as(&self) -> &str {
        match &self.source {
            Origin::Key(name) | Origin::Variable(name) => name,
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Origin::Key(key) => write!(f, "`{key}` ")?,
            Origin::Variable(variable) => write!(f, "environment variable `{variable}` ")?,
        }
        match &self.problem {
            Problem::Empty => f.write_str("is empty: give it a value or omit it"),
            Problem::Refused { shown, accepted } => {
                write!(f, "must be {accepted}")?;
                shown.iter().try_for_each(|shown| write!(f, ", not {shown}"))
            }
            Problem::PlainHttp => f.write_str("must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there"),
            Problem::GivenTwice { other } => {
                write!(f, "and `{other}` are two names of one option and have different values: keep one")
            }
        }
    }
}

impl std::error::Error for ValueError {}

/// One of the twelve spellings of Go's `strconv.ParseBool`.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn word(words: &'static [&'static str], text: &str) -> Option<&'static str> {
    words
        .iter()
        .copied()
        .find(|word| word.eq_ignore_ascii_case(text))
}

/// A value in a message: quoted, with control characters escaped, and truncated.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    let start: String = text.chars().take(LONGEST).collect();
    // Writing to a `String` does not fail.
    let _ = write_quoted(&mut shown, &start);
    if start.len() < text.len() {
        let _ = shown.write_str("...");
    }
    shown
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
