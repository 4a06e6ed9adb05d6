//! A table of the configuration that is taken apart key by key, so that everything that is wrong with it is said at once.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use cloud_autojoin::ConfigProblem;
use cloud_autojoin::config::key::nearest_name;
use cloud_autojoin::config::value::Value as KeyValue;
use cloud_autojoin::config::{KeySpec, Values};
use toml::{Table, Value};

/// All that is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    /// Adds a problem at a place (`watch 2, file 1`; the empty one is the whole).
    pub(crate) fn add(&mut self, place: &str, message: impl Display, hint: Option<String>) {
        let text = if place.is_empty() { message.to_string() } else { format!("{place}: {message}") };
        let problem = ConfigProblem::new(text);
        self.0.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub(crate) fn into_vec(self) -> Vec<ConfigProblem> {
        self.0
    }
}

/// One table. Each key is asked for once; [`Section::finish`] complains of those that nobody asked for.
pub(crate) struct Section<'p> {
    place: String,
    table: Table,
    asked: Vec<&'static str>,
    problems: &'p mut Problems,
}

const DURATION: KeySpec = KeySpec::new("duration", "").values(Values::Duration);

impl<'p> Section<'p> {
    /// The table at this place.
    pub(crate) fn new(place: impl Into<String>, table: Table, problems: &'p mut Problems) -> Self {
        Self { place: place.into(), table, asked: Vec::new(), problems }
    }

    /// Says where it stands from now on.
    pub(crate) fn rename(&mut self, place: impl Into<String>) {
        self.place = place.into();
    }

    /// Adds a problem here.
    pub(crate) fn problem(&mut self, message: impl Display, hint: Option<String>) {
        self.problems.add(&self.place, message, hint);
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    fn wrong(&mut self, key: &str, wanted: &str) {
        // The value is not repeated: it may be a secret that lost its place.
        self.problem(format!("`{key}` must be {wanted}"), None);
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
        if !self.table.contains_key(key) {
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
            Value::Array(list) => list.into_iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let texts = texts.filter(|texts| !texts.is_empty() && texts.iter().all(|text| !text.is_empty()));
        if texts.is_none() {
            self.wrong(key, "a text or a list of texts");
        }
        texts
    }

    /// The same, which must be there.
    pub(crate) fn required_texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        if !self.table.contains_key(key) {
            self.problem(format!("`{key}` is missing"), None);
        }
        self.texts(key)
    }

    /// Names with a text each.
    pub(crate) fn map(&mut self, key: &'static str) -> Vec<(String, String)> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Table(table)) if table.values().all(Value::is_str) => {
                table.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
            }
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
    pub(crate) fn number<N: TryFrom<i64> + Display + Copy + PartialOrd>(&mut self, key: &'static str, least: N, most: N) -> Option<N> {
        let value = self.take(key)?;
        let number = value.as_integer().and_then(|number| N::try_from(number).ok()).filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong(key, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    /// A duration, `30s`; not zero unless `zero`.
    pub(crate) fn duration(&mut self, key: &'static str, zero: bool) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = value.as_str().and_then(|text| KeyValue::from_key(&DURATION, key, text).duration().ok()).filter(|duration| zero || !duration.is_zero());
        if duration.is_none() {
            self.wrong(key, &format!("{}{}", Values::Duration, if zero { "" } else { ", above zero" }));
        }
        duration
    }

    /// Tables; one alone is a list of one.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Table> {
        let tables = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Table(table)) => Some(vec![table]),
            Some(Value::Array(list)) => list.into_iter().map(|value| if let Value::Table(table) = value { Some(table) } else { None }).collect(),
            Some(_) => None,
        };
        if tables.is_none() {
            self.wrong(key, "a table, written as `[[...]]`");
        }
        tables.unwrap_or_default()
    }

    /// Complains of what is left.
    pub(crate) fn finish(mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            let near = nearest_name(key, self.asked.iter().copied());
            let shown = near.is_some() || (key.len() <= 24 && key.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_'));
            let message = if shown { format!("unknown key `{key}`") } else { "unknown key".to_owned() };
            let hint = near.map_or_else(|| format!("known here: {}", self.asked.join(", ")), |near| format!("did you mean `{near}`?"));
            self.problem(message, Some(hint));
        }
    }
}
