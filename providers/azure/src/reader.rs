//! Reading keys one by one, from the join string or else the environment, with every problem kept.
//!
//! What the values mean together is the business of `builder.rs`.

use cloud_autojoin_core::config::{Value, ValueError};
use cloud_autojoin_core::{ConfigProblem, ConfigString, Env};

use crate::key::AzureKey;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// Nothing, neither in the string nor in a variable.
    Absent,
    /// Something that was refused; the problem is written down already.
    Refused,
    /// A value, and the name it was given under: the key as written, or the variable.
    Value(T, &'static str),
}

impl<T> Given<T> {
    /// Whether the operator wrote something, be it right or wrong.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The value, if it is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value, _) => Some(value),
            Self::Absent | Self::Refused => None,
        }
    }

    /// The name it was given under.
    pub(crate) fn given_as(&self) -> Option<&'static str> {
        match self {
            Self::Value(_, name) => Some(name),
            Self::Absent | Self::Refused => None,
        }
    }
}

/// Reads keys and collects problems.
pub(crate) struct Reader<'a> {
    config: &'a ConfigString,
    env: &'a Env,
    problems: Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(config: &'a ConfigString, env: &'a Env) -> Self {
        Self { config, env, problems: Vec::new() }
    }

    /// Reads one key by `parse`: the join string first, then the first variable that is set and not empty.
    ///
    /// A key that is in the string with an empty value does not fall back to the environment. It counts
    /// as absent where go-discover reads it so, since strings are shared; else it is a problem.
    pub(crate) fn read<T>(&mut self, key: AzureKey, parse: impl Fn(&Value<'_>) -> Result<T, ValueError>) -> Given<T> {
        let spec = key.entry();
        let (value, name) = match self.config.value(spec) {
            Ok(Some(value)) if value.raw().is_empty() && key.may_be_empty() => return Given::Absent,
            Ok(Some(value)) => (value, spec.names().find(|name| self.config.contains(name)).unwrap_or(spec.name)),
            Ok(None) => match spec.env.iter().find_map(|variable| Some((variable, self.env.filled(variable)?))) {
                Some((variable, text)) => (Value::from_variable(spec, variable, text), *variable),
                None => return Given::Absent,
            },
            Err(error) => return self.refuse(&error),
        };
        match parse(&value) {
            Ok(parsed) => Given::Value(parsed, name),
            Err(error) => self.refuse(&error),
        }
    }

    /// Reads any text but the empty one.
    pub(crate) fn text(&mut self, key: AzureKey) -> Given<String> {
        self.read(key, |value| value.text().map(str::to_owned))
    }

    /// Reads one of the words that the table accepts for the key; `of` names the value for each of them.
    pub(crate) fn word<T: Default>(&mut self, key: AzureKey, words: &'static [&'static str], of: fn(&str) -> Option<T>) -> Given<T> {
        self.read(key, |value| value.one_of(words).map(|word| of(word).unwrap_or_default()))
    }

    /// Every member of a family of keys (`tag.NAME`), in order: key, member, value.
    pub(crate) fn family(&mut self, key: AzureKey) -> Vec<(String, String, String)> {
        let spec = key.entry();
        let mut members = Vec::new();
        for (written, text) in self.config.iter() {
            let Some(member) = spec.member(written) else { continue };
            match Value::from_key(spec, written, text).text() {
                Ok(text) => members.push((written.to_owned(), member.to_owned(), text.to_owned())),
                Err(error) => _ = self.refuse::<()>(&error),
            }
        }
        members
    }

    /// Whether the string has a member of a family of keys, with whatever value.
    pub(crate) fn has_member(&self, key: AzureKey) -> bool {
        self.config.iter().any(|(written, _)| key.entry().member(written).is_some())
    }

    /// Writes down a problem.
    pub(crate) fn problem(&mut self, problem: ConfigProblem) {
        self.problems.push(problem);
    }

    /// Writes down that `key` is missing although `beside` is given.
    pub(crate) fn missing(&mut self, key: AzureKey, beside: &str) {
        let spec = key.entry();
        let problem = ConfigProblem::of_key(
            spec.name,
            match spec.names().find(|name| self.config.get(name) == Some("")) {
                Some(name) => format!("`{name}` is empty: give it a value or leave it out"),
                None => format!("`{}` is missing (`{beside}` is given)", spec.name),
            },
        );
        self.problem(match spec.env.first() {
            Some(variable) => problem.with_hint(format!("add `{}=...`, or set `{variable}`", spec.name)),
            None => problem.with_hint(format!("add `{}=...`", spec.name)),
        });
    }

    /// Everything that was wrong, in the order in which it was read.
    pub(crate) fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }

    fn refuse<T>(&mut self, error: &ValueError) -> Given<T> {
        self.problem(ConfigProblem::of_key(error.option(), error.to_string()));
        Given::Refused
    }
}
