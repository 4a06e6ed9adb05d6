//! Reads a join string given as arguments: words, and files named by `@FILE`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use cloud_autojoin_core::config::{Values, key};
use cloud_autojoin_core::file::{self, FileContents, FileKind};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, ConfigString, Error, ProviderSpec, Result,
};

use crate::registry::{Registry, UnknownKey};

mod location;

pub use location::{line_of_error, locate, located, with_line};

/// The largest file that is read: a larger one is a wrong path (a device, a log).
const MAX_BYTES: u64 = 1 << 20;

/// One argument of a join string, with the file it was read from.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinArgument {
    /// The text; that of a file is on one line.
    pub text: String,
    /// The file it was read from, for an `@FILE`.
    pub file: Option<JoinFile>,
    /// The lines of the file that the text is made of, with their numbers.
    lines: Vec<(usize, String)>,
}

/// A file that holds a join string.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinFile {
    /// Its path as given.
    pub path: PathBuf,
    /// Whether users other than its owner and group may read it; `None` where the operating system
    /// has no such permissions.
    pub readable_by_all: Option<bool>,
}

/// Reads the join string given by `words`, within the deadline of `call`. An `@FILE` is replaced by
/// its contents. Returns the arguments as well, for [`locate`].
///
/// # Errors
///
/// [`Error::Config`] when a file can't be read or the join string doesn't parse.
pub async fn read(
    words: &[OsString],
    registry: &Registry,
    call: &Call,
) -> Result<(ConfigString, Vec<JoinArgument>)> {
    read_from(words, FileKind::Any, registry, call).await
}

/// Like [`read`], but an `@FILE` must be of this kind: a file that is read repeatedly can't be a
/// pipe.
///
/// # Errors
///
/// As [`read`].
pub async fn read_from(
    words: &[OsString],
    kind: FileKind,
    registry: &Registry,
    call: &Call,
) -> Result<(ConfigString, Vec<JoinArgument>)> {
    parse(read_arguments(words, kind, call).await?, registry)
}

/// Like [`read_from`], for one join string or several: arguments (or files) that each begin with
/// `provider=` and aren't all single words. Words beside them add to the one before.
///
/// # Errors
///
/// As [`read`], for the first join string that can't be read.
pub async fn read_all(
    words: &[OsString],
    kind: FileKind,
    registry: &Registry,
    call: &Call,
) -> Result<Vec<(ConfigString, Vec<JoinArgument>)>> {
    let given = read_arguments(words, kind, call).await?;
    split(given)
        .into_iter()
        .map(|given| parse(given, registry))
        .collect()
}

/// Like [`read_all`] with regular files, on this thread: for a program that has no runtime yet.
///
/// # Errors
///
/// As [`read`]; also for an `@FILE` that isn't a regular file, which is not opened.
pub fn read_all_blocking(
    words: &[OsString],
    registry: &Registry,
) -> Result<Vec<(ConfigString, Vec<JoinArgument>)>> {
    let read = |word: &OsString| match argument_of(word)? {
        Word::Text(argument) => Ok(argument),
        // Opening a named pipe would disturb its writer.
        Word::File(path) => argument_of_file(
            path,
            match std::fs::metadata(path) {
                Ok(found) if !found.is_file() => Err(io::ErrorKind::InvalidInput.into()),
                _ => file::read_blocking(path, FileKind::Regular, MAX_BYTES),
            },
        ),
    };
    split(words.iter().map(read).collect::<Result<_>>()?)
        .into_iter()
        .map(|given| parse(given, registry))
        .collect()
}

/// The arguments of each join string. Single words alone are the pieces of one string, in which
/// `provider` twice is an error, as in go-discover.
fn split(given: Vec<JoinArgument>) -> Vec<Vec<JoinArgument>> {
    let begins = |given: &JoinArgument| given.text.trim_start().starts_with("provider=");
    let has_pairs = |given: &JoinArgument| given.text.trim().contains(char::is_whitespace);
    let count = given.iter().filter(|given| begins(given)).count();
    if count < 2 || !given.iter().any(|given| begins(given) && has_pairs(given)) {
        return vec![given];
    }
    let mut strings: Vec<Vec<JoinArgument>> = Vec::new();
    for given in given {
        // Words before the first provider add to it.
        let has_provider = strings
            .last()
            .is_some_and(|string| string.iter().any(begins));
        match strings.last_mut() {
            Some(string) if !(begins(&given) && has_provider) => string.push(given),
            _ => strings.push(vec![given]),
        }
    }
    strings
}

async fn read_arguments(
    words: &[OsString],
    kind: FileKind,
    call: &Call,
) -> Result<Vec<JoinArgument>> {
    let mut given = Vec::with_capacity(words.len());
    for word in words {
        given.push(read_argument_from(word, kind, call).await?);
    }
    Ok(given)
}

fn parse(
    given: Vec<JoinArgument>,
    registry: &Registry,
) -> Result<(ConfigString, Vec<JoinArgument>)> {
    match registry.parse_arguments(given.iter().map(|given| given.text.clone())) {
        Ok(config) => Ok((config, given)),
        Err(error) => Err(match line_of_error(&given) {
            Some(line) => with_line(error, &line),
            None => error,
        }),
    }
}

/// Reads one argument: the word itself, or the file that it names.
///
/// # Errors
///
/// [`Error::Config`] when the word isn't UTF-8 or the file can't be read.
pub async fn read_argument(word: &OsStr, call: &Call) -> Result<JoinArgument> {
    read_argument_from(word, FileKind::Any, call).await
}

async fn read_argument_from(word: &OsStr, kind: FileKind, call: &Call) -> Result<JoinArgument> {
    match argument_of(word)? {
        Word::Text(argument) => Ok(argument),
        Word::File(path) => argument_of_file(
            path,
            file::read(path, kind, MAX_BYTES, call.remaining()).await,
        ),
    }
}

/// An argument before its file is read.
enum Word<'a> {
    Text(JoinArgument),
    File(&'a Path),
}

fn argument_of(word: &OsStr) -> Result<Word<'_>> {
    let text = word
        .to_str()
        .ok_or_else(|| problem("the join string is not UTF-8", "write it in UTF-8"))?;
    let Some(path) = text.strip_prefix('@') else {
        return Ok(Word::Text(JoinArgument {
            text: text.to_owned(),
            file: None,
            lines: Vec::new(),
        }));
    };
    if path.is_empty() {
        return Err(problem(
            "there is no file name after `@`",
            "write `@FILE`, as @/etc/discover/consul",
        ));
    }
    Ok(Word::File(Path::new(path)))
}

fn argument_of_file(path: &Path, contents: io::Result<FileContents>) -> Result<JoinArgument> {
    let shown = path.display();
    let contents = contents.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => problem(
            format!("{shown} is too large for a join string: more than {MAX_BYTES} bytes"),
            "name the file that holds the join string alone",
        ),
        _ => problem(
            format!("cannot read the join string from {shown}: {error}"),
            format!("check that {shown} exists and that this user may read it"),
        ),
    })?;
    let readable_by_all = readable_by_all(&contents.metadata);
    let text = String::from_utf8(contents.bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        problem(
            format!("the join string in {shown} is not UTF-8 (after {at} bytes)"),
            "save the file as UTF-8",
        )
    })?;
    let lines = lines_without_comments(&text);
    if lines.is_empty() {
        return Err(problem(
            format!("there is no join string in {shown}"),
            "write one into it, as provider=NAME KEY=VALUE ...",
        ));
    }
    let text = lines
        .iter()
        .map(|(_, line)| line.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    Ok(JoinArgument {
        text,
        file: Some(JoinFile {
            path: path.to_owned(),
            readable_by_all,
        }),
        lines,
    })
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

/// The lines of a file that hold a join string, with their numbers. A line end separates words, and
/// a `#` at the start of a word outside of quotes begins a comment. A byte order mark, which would
/// become part of the first key, is removed.
fn lines_without_comments(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut is_quoted = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut end = line.len();
        let (mut before, mut is_escaped) = (' ', false);
        for (at, letter) in line.char_indices() {
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                '#' if !is_quoted && before.is_whitespace() => {
                    end = at;
                    break;
                }
                _ => {}
            }
            before = letter;
        }
        let line = line[..end].trim();
        if !line.is_empty() {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}

/// The normalised string with secrets masked: the values of secret and unknown keys, and keys that
/// may be a part of a secret.
pub fn masked(config: &ConfigString, spec: &ProviderSpec, registry: &Registry) -> String {
    let mut config = config.clone();
    let hidden: Vec<_> = registry
        .unknown_keys(&config)
        .unwrap_or_default()
        .into_iter()
        .filter(|key| !key.is_showable())
        .collect();
    for unknown in &hidden {
        config.remove(&unknown.key);
    }
    let masked = config.masked(|name| {
        let is_url = key::find(spec.keys, name)
            .is_some_and(|key| matches!(key.values, Values::Url | Values::Endpoint));
        // A URL may hold a password or a signature, whatever it is meant for.
        key::is_safe(spec.keys, name)
            && !(is_url && config.get(name).is_some_and(|url| url.contains(['@', '?'])))
    });
    format!("{masked}{}", " ***=***".repeat(hidden.len()))
}

/// The keys that the provider doesn't know, as problems.
///
/// # Errors
///
/// The string names no known provider.
pub fn unknown_keys(registry: &Registry, config: &ConfigString) -> Result<Vec<ConfigProblem>> {
    let provider = registry.provider_of(config)?.name;
    let problem = |unknown: UnknownKey| {
        let problem = ConfigProblem::new(unknown.to_string());
        match unknown.nearest {
            Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
            None => problem.with_hint(format!("`discover providers {provider}` lists the keys")),
        }
    };
    Ok(registry
        .unknown_keys(config)?
        .into_iter()
        .map(problem)
        .collect())
}

fn problem(message: impl Into<String>, hint: impl Into<String>) -> Error {
    ConfigError::new(None, ConfigProblem::new(message).with_hint(hint)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_join_strings_are_distinguished_from_the_words_of_one() {
        let groups = |words: &[&str]| {
            let argument = |word: &&str| JoinArgument {
                text: (*word).to_owned(),
                file: None,
                lines: Vec::new(),
            };
            let strings = split(words.iter().map(argument).collect());
            strings
                .into_iter()
                .map(|string| {
                    string
                        .into_iter()
                        .map(|given| given.text)
                        .collect::<Vec<_>>()
                        .join(" | ")
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            groups(&["provider=a x=y", "provider=b"]),
            ["provider=a x=y", "provider=b"]
        );
        assert_eq!(
            groups(&["provider=a", "x=y", " provider=b z=w", "v=u"]),
            ["provider=a | x=y", " provider=b z=w | v=u"]
        );
        assert_eq!(
            groups(&["x=y", "provider=a", "provider=b z=w"]),
            ["x=y | provider=a", "provider=b z=w"]
        );
        for one in [
            &["provider=a", "provider=a"][..],
            &["provider=a x=y", "z=w"],
            &["x=y", "provider=a"],
            &["x=\"provider=a b\"", "provider=a x=y"],
            &[],
        ] {
            assert_eq!(groups(one), [one.join(" | ")], "{one:?}");
        }
    }

    #[test]
    fn a_file_is_read_as_one_line_without_comments() {
        for (file, line) in [
            ("provider=azure\n", "provider=azure"),
            ("\u{feff}provider=azure", "provider=azure"),
            (
                "# seeds\r\nprovider=azure\r\n  # more\r\n\r\n  tag_name=a  \r\n",
                "provider=azure tag_name=a",
            ),
            ("a=b # a comment\nc=d#e\tf=g\t#h", "a=b c=d#e\tf=g"),
            ("a=\"b # c\" # d", "a=\"b # c\""),
            ("a=\"b \\\" # c\" # d", "a=\"b \\\" # c\""),
            ("a=\"b\n# c\" # d", "a=\"b # c\""),
            ("# nothing\n\n", ""),
            ("", ""),
        ] {
            let lines: Vec<String> = lines_without_comments(file)
                .into_iter()
                .map(|(_, line)| line)
                .collect();
            assert_eq!(lines.join(" "), line, "{file:?}");
        }
    }
}
