//! The settings of the cache: flags, then environment variables, then a file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_autojoin::cache::CachePolicy;
use cloud_autojoin::config::key::nearest_name;
use cloud_autojoin::file::{FileKind, read_blocking};
use cloud_autojoin::{ConfigError, ConfigProblem, Env, Result};
use toml::{Table, Value};

use crate::arguments::{Addrs, duration_or_zero};

/// The configuration file, unless `DISCOVER_CONFIG` names another.
const CONFIG_FILE: &str = "/etc/discover/config.toml";

/// The largest configuration file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The directory of the superuser's results.
const ROOT_DIRECTORY: &str = "/var/cache/discover";

const MAX_AGE: &str = "max_age";
const STALE_IF_ERROR: &str = "stale_if_error";
const CACHE_DIRECTORY: &str = "cache_directory";
const KEYS: [&str; 3] = [MAX_AGE, STALE_IF_ERROR, CACHE_DIRECTORY];

/// Which results may be used, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) policy: CachePolicy,
    pub(crate) directory: PathBuf,
}

impl Settings {
    /// The settings of a call; `None` if no result may be used.
    pub(crate) fn of(arguments: &Addrs) -> Result<Option<Self>> {
        Self::read(arguments, &Env::Process)
    }

    fn read(arguments: &Addrs, env: &Env) -> Result<Option<Self>> {
        let file = ConfigFile::read(env)?;
        let duration = |flag: Option<Duration>, key| match flag {
            Some(flag) => Ok(flag),
            None => file.duration(env, key).map(Option::unwrap_or_default),
        };
        let policy = CachePolicy::new(
            duration(arguments.max_age.map(|age| age.0), MAX_AGE)?,
            duration(arguments.stale_if_error.map(|age| age.0), STALE_IF_ERROR)?,
        );
        if policy.is_off() {
            return Ok(None);
        }
        Ok(Some(Self {
            policy,
            directory: file.directory(arguments.cache_directory.as_deref(), env)?,
        }))
    }
}

/// The directory that `discover addrs` would use.
pub(super) fn directory(flag: Option<&Path>) -> Result<PathBuf> {
    ConfigFile::read(&Env::Process)?.directory(flag, &Env::Process)
}

/// The configuration file. It is checked as a whole, so that a mistake in it is found at once.
#[derive(Debug)]
struct ConfigFile {
    path: PathBuf,
    table: Table,
}

impl ConfigFile {
    fn read(env: &Env) -> Result<Self> {
        let named = env.filled("DISCOVER_CONFIG").map(PathBuf::from);
        let is_optional = named.is_none();
        let path = named.unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
        let bytes = match read_blocking(&path, FileKind::Regular, MAX_BYTES) {
            Ok(contents) => contents.bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_optional => Vec::new(),
            Err(error) => {
                return Err(problem(
                    format!("cannot read {}: {error}", path.display()),
                    "check that it exists and that this user may read it",
                ));
            }
        };
        let wrong = |why: String, near: Option<&str>| {
            problem(
                format!("{}: {why}", path.display()),
                near.map_or_else(
                    || format!("it may have the keys {}", KEYS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                ),
            )
        };
        let table = String::from_utf8(bytes)
            .map_err(|_| wrong("not UTF-8".to_owned(), None))?
            .parse::<Table>()
            .map_err(|error| wrong(error.message().to_owned(), None))?;
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let near = nearest_name(unknown, KEYS);
            return Err(wrong(format!("unknown key `{unknown}`"), near));
        }
        let file = Self { path, table };
        file.duration(&Env::empty(), MAX_AGE)?;
        file.duration(&Env::empty(), STALE_IF_ERROR)?;
        file.text(CACHE_DIRECTORY)?;
        Ok(file)
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(problem(
                format!("{}: `{key}` must be a string", self.path.display()),
                "write it in quotes, as max_age = \"30s\"",
            )),
        }
    }

    /// A duration of the environment, or of this file.
    fn duration(&self, env: &Env, key: &str) -> Result<Option<Duration>> {
        let variable = variable(key);
        let (name, text) = match env.filled(&variable) {
            Some(text) => (format!("`{variable}`"), text),
            None => match self.text(key)? {
                Some(text) => (format!("{}: `{key}`", self.path.display()), text.to_owned()),
                None => return Ok(None),
            },
        };
        duration_or_zero(&text)
            .map(|duration| Some(duration.0))
            .map_err(|why| problem(format!("{name} {why}"), "write a duration as 30s or 24h"))
    }

    /// The directory of the results.
    fn directory(&self, flag: Option<&Path>, env: &Env) -> Result<PathBuf> {
        if let Some(flag) = flag {
            return Ok(flag.to_owned());
        }
        if let Some(variable) = env.filled(&variable(CACHE_DIRECTORY)) {
            return Ok(variable.into());
        }
        if let Some(text) = self.text(CACHE_DIRECTORY)? {
            return Ok(text.into());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(ROOT_DIRECTORY.into());
        }
        let of_user = env.filled("XDG_CACHE_HOME").map(PathBuf::from);
        let of_home = || Some(PathBuf::from(env.filled("HOME")?).join(".cache"));
        match of_user.or_else(of_home) {
            Some(directory) => Ok(directory.join("discover")),
            None => Err(problem(
                "there is no directory for results: `HOME` isn't set",
                "choose one with `--cache-directory` or `DISCOVER_CACHE_DIRECTORY`",
            )),
        }
    }
}

fn variable(key: &str) -> String {
    format!("DISCOVER_{}", key.to_ascii_uppercase())
}

fn problem(message: impl Into<String>, hint: impl Into<String>) -> cloud_autojoin::Error {
    ConfigError::new(None, ConfigProblem::new(message).with_hint(hint)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Action, Arguments};

    fn settings(flags: &[&str], env: &[(&str, &str)]) -> Result<Option<Settings>> {
        let words = ["discover", "addrs"].iter().chain(flags).chain(&["a=b"]);
        let arguments = Arguments::parse_words(words.map(Into::into)).unwrap();
        let Action::Addrs(addrs) = arguments.action else {
            panic!("not addrs")
        };
        let env = env
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::read(&addrs, &env.collect())
    }

    #[test]
    fn a_flag_comes_before_a_variable_and_a_variable_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(
            &file,
            "max_age = \"1s\"\nstale_if_error = \"2h\"\ncache_directory = \"/of/file\"\n",
        )
        .unwrap();
        let config = ("DISCOVER_CONFIG", file.to_str().unwrap());
        let of = |flags: &[&str], env: &[(&str, &str)]| {
            let found = settings(flags, &[&[config], env].concat()).unwrap();
            found.map(|found| {
                (
                    found.policy.max_age.as_secs(),
                    found.policy.stale_if_error.as_secs(),
                    found.directory.to_str().unwrap().to_owned(),
                )
            })
        };
        assert_eq!(of(&[], &[]), Some((1, 7200, "/of/file".to_owned())));
        let variables = [
            ("DISCOVER_MAX_AGE", "3s"),
            ("DISCOVER_CACHE_DIRECTORY", "/of/env"),
        ];
        assert_eq!(of(&[], &variables), Some((3, 7200, "/of/env".to_owned())));
        let flags = [
            "--max-age",
            "4s",
            "--stale-if-error=0s",
            "--cache-directory=/of/flag",
        ];
        assert_eq!(of(&flags, &variables), Some((4, 0, "/of/flag".to_owned())));
        assert_eq!(
            of(&["--max-age=0s", "--stale-if-error=0s"], &variables),
            None
        );
    }

    #[test]
    fn without_settings_it_is_off_and_a_mistake_is_an_error() {
        assert_eq!(settings(&[], &[]).unwrap(), None);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let config = ("DISCOVER_CONFIG", file.to_str().unwrap());
        let error = |text: &str, env: &[(&str, &str)]| {
            std::fs::write(&file, text).unwrap();
            let error = settings(&[], &[&[config], env].concat()).unwrap_err();
            error.chain().replace(config.1, "FILE")
        };
        assert_eq!(
            error("max_ages = \"1s\"", &[]),
            "FILE: unknown key `max_ages`"
        );
        assert_eq!(error("shared = \"x\"", &[]), "FILE: unknown key `shared`");
        assert_eq!(
            error("max_age = 30", &[]),
            "FILE: `max_age` must be a string"
        );
        assert!(error("max_age = \"soon\"", &[]).starts_with("FILE: `max_age` must be"));
        assert!(error("max_age", &[]).starts_with("FILE: "));
        assert!(
            error("", &[("DISCOVER_STALE_IF_ERROR", "soon")])
                .starts_with("`DISCOVER_STALE_IF_ERROR` must be")
        );
        let missing = settings(&[], &[("DISCOVER_CONFIG", "/nowhere/config.toml")]);
        assert!(
            missing
                .unwrap_err()
                .chain()
                .starts_with("cannot read /nowhere/config.toml")
        );
    }
}
