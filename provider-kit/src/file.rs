//! Files whose paths a join string or the environment gives.

use std::io;
use std::path::Path;

use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::file::{MAX_SECRET_FILE, files_in, read_text};

/// The path of a small file, with the key or variable that gives it. Errors name both.
#[derive(Debug, Clone)]
pub struct ConfiguredFile {
    key: &'static str,
    /// The key, an alias of it, or a variable.
    given_as: &'static str,
    path: String,
}

impl ConfiguredFile {
    /// The file at `path`, which `key` gives.
    pub fn new(key: &'static str, path: impl Into<String>) -> Self {
        Self {
            key,
            given_as: key,
            path: path.into(),
        }
    }

    /// The file that `key` gives.
    pub fn from_options(options: &Options<'_>, key: &KeySpec) -> Option<Self> {
        Some(Self {
            given_as: options.given_as(key).unwrap_or(key.name),
            ..Self::new(key.name, options.text(key)?)
        })
    }

    /// The name of the key.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What gives the path: the key as it is written, or the variable.
    pub fn given_as(&self) -> &'static str {
        self.given_as
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub async fn read(&self) -> Result<String, ConfigProblem> {
        self.read_at(Path::new(&self.path)).await
    }

    /// The text of every file of the directory at the path, one after the other.
    ///
    /// # Errors
    ///
    /// The directory or one of its files can't be read.
    pub async fn read_directory(&self) -> Result<String, ConfigProblem> {
        let paths = files_in(&self.path).await;
        let mut all = String::new();
        for path in paths.map_err(|error| self.unreadable(Path::new(&self.path), &error))? {
            all.push_str(&self.read_at(&path).await?);
            all.push('\n');
        }
        Ok(all)
    }

    async fn read_at(&self, path: &Path) -> Result<String, ConfigProblem> {
        let text = read_text(path, MAX_SECRET_FILE).await;
        text.map_err(|error| self.unreadable(path, &error))
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> ConfigProblem {
        let (path, given_as) = (path.display(), self.given_as);
        let message = format!("cannot read `{path}` (`{given_as}`): {error}");
        ConfigProblem::of_key(self.key, message)
    }
}
