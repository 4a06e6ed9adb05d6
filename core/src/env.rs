//! Environment variables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The source of environment variables.
#[derive(Clone)]
#[non_exhaustive]
pub enum Env {
    /// The variables of this process.
    Process,
    /// Only these variables.
    Memory(Arc<BTreeMap<String, String>>),
    /// Those of another source; the names of those that are read are recorded.
    Recorded(EnvRecord),
}

/// The names of the environment variables that were read, whether they are set or not. A result
/// depends on them, as a response depends on the headers that its `Vary` names.
#[derive(Clone)]
pub struct EnvRecord {
    source: Box<Env>,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl EnvRecord {
    /// Records what is read of `source` through [`Env::Recorded`].
    pub fn new(source: Env) -> Self {
        Self {
            source: Box::new(source),
            names: Arc::default(),
        }
    }

    /// Where the variables come from.
    pub fn source(&self) -> &Env {
        &self.source
    }

    /// The names read so far, sorted.
    pub fn names(&self) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }

    fn var(&self, name: &str) -> Option<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        drop(names);
        self.source.var(name)
    }
}

impl fmt::Debug for EnvRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvRecord").finish_non_exhaustive()
    }
}

impl Env {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::Memory(Arc::default())
    }

    /// The value of a variable; one that is not UTF-8 counts as absent, an empty one is `Some("")`.
    pub fn var(&self, name: &str) -> Option<String> {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the process environment"
            )]
            Self::Process => std::env::var(name).ok(),
            Self::Memory(variables) => variables.get(name).cloned(),
            Self::Recorded(record) => record.var(name),
        }
    }

    /// Records that a result depends on these variables: a program that is run reads them.
    pub fn note<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if let Self::Recorded(record) = self {
            names.into_iter().for_each(|name| _ = record.var(name));
        }
    }

    /// The value of a variable that is set and not empty.
    pub fn filled(&self, name: &str) -> Option<String> {
        self.var(name).filter(|value| !value.is_empty())
    }

    /// The value of the first of these variables that is set and not empty.
    pub fn first_filled(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.filled(name))
    }

    /// The home directory of the user.
    pub fn home(&self) -> Option<String> {
        self.first_filled(&["HOME", "USERPROFILE"])
    }

    /// `path` with the home directory in place of a leading `~`, as a shell expands it; unchanged
    /// if there is no home directory.
    pub fn expand_home(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match (path.strip_prefix("~"), self.home()) {
            (Ok(below), Some(home)) => Path::new(&home).join(below),
            _ => path.to_owned(),
        }
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Env {
    fn from(variables: [(K, V); N]) -> Self {
        Self::Memory(Arc::new(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self::Memory(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "Env::Process",
            Self::Memory(_) => "Env::Memory",
            Self::Recorded(_) => "Env::Recorded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_directory() {
        let env = Env::from([("HOME", "/home/a")]);
        for (path, expanded) in [
            ("~/.oci/config", "/home/a/.oci/config"),
            ("~", "/home/a"),
            ("~b/config", "~b/config"),
            ("/etc/~/config", "/etc/~/config"),
        ] {
            assert_eq!(env.expand_home(path), Path::new(expanded));
        }
        assert_eq!(Env::empty().expand_home("~/a"), Path::new("~/a"));
    }
}
