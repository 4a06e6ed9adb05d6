//! The join string of a command line: words, and files named by `@FILE`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use cloud_autojoin::config::{Values, key};
use cloud_autojoin::file::{self, FileKind};
use cloud_autojoin::{Call, ConfigError, ConfigProblem, ConfigString, Error, ProviderSpec, Registry};

/// More than this is no join string but a wrong path (a device, a log).
const LONGEST: u64 = 1 << 20;

/// A text of the command line, and where it stood.
pub(crate) struct Given {
    /// The text; that of a file is on one line.
    pub(crate) text: String,
    /// The file it was in.
    pub(crate) file: Option<File>,
}

/// A file that holds a join string.
pub(crate) struct File {
    /// Its path as written.
    pub(crate) path: PathBuf,
    /// Whether users of this machine other than its owner and group may read it; unknown where the system has no such thing.
    pub(crate) readable_by_all: Option<bool>,
}

/// Reads the join string that `words` stand for, within the time of `call`. The contents of an `@FILE` take its place among the words.
///
/// # Errors
///
/// `Error::Config` when a file cannot be read, and when the whole does not parse.
pub(crate) async fn read(words: &[OsString], registry: &Registry, call: &Call) -> Result<ConfigString, Error> {
    read_from(words, FileKind::Any, registry, call).await
}

/// The same, where an `@FILE` must be of this kind: one that is read again and again can't be a
/// pipe.
///
/// # Errors
///
/// As [`read`].
pub(crate) async fn read_from(words: &[OsString], kind: FileKind, registry: &Registry, call: &Call) -> Result<ConfigString, Error> {
    let mut texts = Vec::with_capacity(words.len());
    for word in words {
        texts.push(one_from(word, kind, call).await?.text);
    }
    registry.parse_arguments(texts)
}

/// Reads one word: itself, or the file that it names.
///
/// # Errors
///
/// `Error::Config` when it, or the file, cannot be read.
pub(crate) async fn one(word: &OsStr, call: &Call) -> Result<Given, Error> {
    one_from(word, FileKind::Any, call).await
}

async fn one_from(word: &OsStr, kind: FileKind, call: &Call) -> Result<Given, Error> {
    let text = word.to_str().ok_or_else(|| problem("the join string is not UTF-8", "write it in UTF-8"))?;
    let Some(path) = text.strip_prefix('@') else {
        return Ok(Given { text: text.to_owned(), file: None });
    };
    if path.is_empty() {
        return Err(problem("there is no file name after `@`", "write `@FILE`, as @/etc/discover/consul"));
    }
    let path = Path::new(path);
    let shown = path.display();
    let contents = file::read(path, kind, LONGEST, call.remaining()).await.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            problem(format!("{shown} is too large for a join string: more than {LONGEST} bytes"), "name the file that holds the join string alone")
        }
        _ => problem(format!("cannot read the join string from {shown}: {error}"), format!("check that {shown} exists and that this user may read it")),
    })?;
    let readable_by_all = readable_by_all(&contents.metadata);
    let text = String::from_utf8(contents.bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        problem(format!("the join string in {shown} is not UTF-8 (after {at} bytes)"), "save the file as UTF-8")
    })?;
    let line = on_one_line(&text);
    if line.is_empty() {
        return Err(problem(format!("there is no join string in {shown}"), "write one into it, as provider=azure ..."));
    }
    Ok(Given { text: line, file: Some(File { path: path.to_owned(), readable_by_all }) })
}

#[cfg(unix)]
fn readable_by_all(metadata: &std::fs::Metadata) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_: &std::fs::Metadata) -> Option<bool> {
    None
}

/// The join string of a file: line ends are blanks, lines that start with `#` are left out, and so is an editor's byte order mark, which would become part of the first key.
fn on_one_line(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect::<Vec<_>>().join(" ")
}

/// The string normalised, to be shown: every secret is masked, every value of a key that is not known, and every key that may be a piece of a secret.
pub(crate) fn shown(config: &ConfigString, spec: &ProviderSpec, registry: &Registry) -> String {
    let mut config = config.clone();
    let hidden: Vec<_> = registry.unknown_keys(&config).unwrap_or_default().into_iter().filter(|key| !key.is_showable()).collect();
    for unknown in &hidden {
        config.remove(&unknown.key);
    }
    let masked = config.masked(|name| {
        let is_url = key::find(spec.keys, name).is_some_and(|key| matches!(key.values, Values::Url | Values::Endpoint));
        // A URL may hold a password or a signature, whatever it is meant for.
        key::is_safe(spec.keys, name) && !(is_url && config.get(name).is_some_and(|url| url.contains(['@', '?'])))
    });
    format!("{masked}{}", " ***=***".repeat(hidden.len()))
}

fn problem(message: impl Into<String>, hint: impl Into<String>) -> Error {
    ConfigError::new(None, ConfigProblem::new(message).with_hint(hint)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_one_line_without_comments() {
        for (file, line) in [
            ("provider=azure\n", "provider=azure"),
            ("\u{feff}provider=azure", "provider=azure"),
            ("# seeds\r\nprovider=azure\r\n  # more\r\n\r\n  tag_name=a  \r\n", "provider=azure tag_name=a"),
            ("a=b # not a comment", "a=b # not a comment"),
            ("# nothing\n\n", ""),
            ("", ""),
        ] {
            assert_eq!(on_one_line(file), line, "{file:?}");
        }
    }
}
