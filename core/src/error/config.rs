//! Errors of the join string and the environment, found before anything was sent.

use std::borrow::Cow;
use std::fmt;

/// All problems of a join string.
#[derive(Debug)]
pub struct ConfigError {
    provider: Option<String>,
    problems: Vec<ConfigProblem>,
}

/// One problem of a join string.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The key, if the problem is about one.
    pub key: Option<String>,
    /// The message; names the key in backticks and never contains a secret.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ConfigProblem {
    /// A problem with one key.
    pub fn of_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            message: message.into(),
            hint: None,
        }
    }

    /// A problem with the string as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            key: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl ConfigError {
    /// The error for `problems`, in display order; `None` if there are none.
    pub fn from_problems(provider: Option<&str>, problems: Vec<ConfigProblem>) -> Option<Self> {
        (!problems.is_empty()).then(|| Self {
            provider: provider.map(str::to_owned),
            problems,
        })
    }

    /// The error for one problem.
    pub fn new(provider: Option<&str>, problem: ConfigProblem) -> Self {
        Self {
            provider: provider.map(str::to_owned),
            problems: vec![problem],
        }
    }

    /// The provider of the string, if it could be read.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// All problems; at least one.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// The hints of all problems that have one.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        let hints: Vec<&str> = self
            .problems
            .iter()
            .filter_map(|problem| problem.hint.as_deref())
            .collect();
        match hints.as_slice() {
            [] => None,
            [one] => Some(Cow::Borrowed(one)),
            several => Some(Cow::Owned(several.join("; "))),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
