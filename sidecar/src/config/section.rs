//! Reads a table of the configuration key by key and collects all its problems.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use cloud_autojoin::config::key::nearest_name;
use cloud_autojoin::config::value::Value as KeyValue;
use cloud_autojoin::config::{KeySpec, Values};
use cloud_autojoin::{ConfigProblem, Error};
use toml::{Table, Value};

use super::source::{Origin, join};

/// Problems and warnings in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    origin: Option<Origin>,
    errors: Vec<ConfigProblem>,
    warnings: Vec<String>,
}

impl Problems {
    /// None yet, of a configuration from there.
    pub(crate) fn of(origin: Option<Origin>) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// Adds a problem of a part (`watch 2, file 1`; the empty one is the whole), of the key or
    /// table at `path`.
    pub(crate) fn add(
        &mut self,
        part: &str,
        path: &str,
        message: impl Display,
        hint: Option<String>,
    ) {
        let problem = ConfigProblem::new(self.located(part, path, message));
        self.errors.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, part: &str, path: &str, message: impl Display) {
        let warning = self.located(part, path, message);
        self.warnings.push(warning);
    }

    fn located(&self, part: &str, path: &str, message: impl Display) -> String {
        let prefix = self
            .origin
            .as_ref()
            .map_or_else(String::new, |origin| origin.prefix(path));
        if part.is_empty() {
            format!("{prefix}{message}")
        } else {
            format!("{prefix}{part}: {message}")
        }
    }

    /// The warnings, or all problems.
    pub(crate) fn into_result(self) -> Result<Vec<String>, Vec<ConfigProblem>> {
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            Err(self.errors)
        }
    }
}

/// A table of the configuration, and its path: `watch.0.file.1`.
pub(crate) struct Node {
    pub(super) table: Table,
    pub(super) path: String,
}

/// One table. Each key is read once; [`Section::finish`] reports unknown keys.
pub(crate) struct Section<'p> {
    part: String,
    node: Node,
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

const DURATION: KeySpec = KeySpec::new("duration", "").values(Values::Duration);

impl<'p> Section<'p> {
    /// The table of this part.
    pub(crate) fn new(part: impl Into<String>, node: Node, problems: &'p mut Problems) -> Self {
        Self {
            part: part.into(),
            node,
            known: Vec::new(),
            problems,
        }
    }

    /// Names the part from now on.
    pub(crate) fn rename(&mut self, part: impl Into<String>) {
        self.part = part.into();
    }

    /// Adds a problem of the whole table.
    pub(crate) fn problem(&mut self, message: impl Display, hint: Option<String>) {
        self.problems
            .add(&self.part, &self.node.path, message, hint);
    }

    /// Adds a problem of a key.
    pub(crate) fn problem_at(&mut self, key: &str, message: impl Display, hint: Option<String>) {
        self.problems
            .add(&self.part, &join(&self.node.path, key), message, hint);
    }

    /// Adds each problem of an error about the value of a key.
    pub(crate) fn error_at(&mut self, key: &str, error: &Error) {
        match error {
            Error::Config(error) => {
                for problem in error.problems() {
                    self.problem_at(key, &problem.message, problem.hint.clone());
                }
            }
            other => self.problem_at(key, other, other.hint().map(Into::into)),
        }
    }

    /// Warns of a key.
    pub(crate) fn warn_at(&mut self, key: &str, message: impl Display) {
        self.problems
            .warn(&self.part, &join(&self.node.path, key), message);
    }

    /// The name of the part.
    pub(crate) fn part(&self) -> &str {
        &self.part
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.node.table.remove(key)
    }

    fn wrong(&mut self, key: &str, wanted: &str) {
        // The value is not repeated: it may be a secret that lost its place.
        self.problem_at(key, format!("`{key}` must be {wanted}"), None);
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.wrong(key, "a text");
                None
            }
        }
    }

    /// The same, which must be there.
    pub(crate) fn required_text(&mut self, key: &'static str) -> Option<String> {
        if !self.node.table.contains_key(key) {
            self.problem(format!("`{key}` is missing"), None);
        }
        self.text(key)
    }

    /// A path.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// Texts; one alone is a list of one.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let texts = match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(list) => list
                .into_iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let texts =
            texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| !text.is_empty()));
        if texts.is_none() {
            self.wrong(key, "a text or a list of texts");
        }
        texts
    }

    /// The same, which must be there.
    pub(crate) fn required_texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        if !self.node.table.contains_key(key) {
            self.problem(format!("`{key}` is missing"), None);
        }
        self.texts(key)
    }

    /// Names with a text each.
    pub(crate) fn map(&mut self, key: &'static str) -> Vec<(String, String)> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Table(table)) if table.values().all(Value::is_str) => table
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                .collect(),
            Some(_) => {
                self.wrong(key, "a table of texts");
                Vec::new()
            }
        }
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(value) => Some(value),
            _ => {
                self.wrong(key, "true or false");
                None
            }
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number<N: TryFrom<i64> + Display + Copy + PartialOrd>(
        &mut self,
        key: &'static str,
        least: N,
        most: N,
    ) -> Option<N> {
        let value = self.take(key)?;
        let number = value
            .as_integer()
            .and_then(|number| N::try_from(number).ok())
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong(key, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    /// A duration such as `30s`; zero is allowed if `zero`.
    pub(crate) fn duration(&mut self, key: &'static str, zero: bool) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = value
            .as_str()
            .and_then(|text| KeyValue::from_key(&DURATION, key, text).duration().ok())
            .filter(|duration| zero || !duration.is_zero());
        if duration.is_none() {
            self.wrong(
                key,
                &format!(
                    "{}{}",
                    Values::Duration,
                    if zero { "" } else { ", above zero" }
                ),
            );
        }
        duration
    }

    /// Tables; one alone is a list of one.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Node> {
        let path = join(&self.node.path, key);
        let tables = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Table(table)) => return vec![Node { table, path }],
            Some(Value::Array(list)) => list
                .into_iter()
                .map(|value| {
                    if let Value::Table(table) = value {
                        Some(table)
                    } else {
                        None
                    }
                })
                .collect(),
            Some(_) => None,
        };
        let Some(tables): Option<Vec<Table>> = tables else {
            self.wrong(key, "a table, written as `[[...]]`");
            return Vec::new();
        };
        tables
            .into_iter()
            .enumerate()
            .map(|(index, table)| Node {
                table,
                path: join(&path, &index.to_string()),
            })
            .collect()
    }

    /// Reports unknown keys.
    pub(crate) fn finish(mut self) {
        for key in std::mem::take(&mut self.node.table).keys() {
            let near = nearest_name(key, self.known.iter().copied());
            let shown = near.is_some()
                || (key.len() <= 24
                    && key
                        .chars()
                        .all(|letter| letter.is_ascii_alphabetic() || letter == '_'));
            let message = if shown {
                format!("unknown key `{key}`")
            } else {
                "unknown key".to_owned()
            };
            let hint = near.map_or_else(
                || format!("known here: {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.problem_at(key, message, Some(hint));
        }
    }
}
