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
    /// The lines of the file that the text is made of, with their numbers.
    lines: Vec<(usize, String)>,
}

/// A file that holds a join string.
pub(crate) struct File {
    /// Its path as written.
    pub(crate) path: PathBuf,
    /// Whether users of this machine other than its owner and group may read it; unknown where the system has no such thing.
    pub(crate) readable_by_all: Option<bool>,
}

/// Reads the join string that `words` stand for, within the time of `call`. The contents of an `@FILE` take its place among the words.
/// The texts that it was read from come with it, for [`locate`].
///
/// # Errors
///
/// `Error::Config` when a file cannot be read, and when the whole does not parse.
pub(crate) async fn read(words: &[OsString], registry: &Registry, call: &Call) -> Result<(ConfigString, Vec<Given>), Error> {
    read_from(words, FileKind::Any, registry, call).await
}

/// The same, where an `@FILE` must be of this kind: one that is read again and again can't be a
/// pipe.
///
/// # Errors
///
/// As [`read`].
pub(crate) async fn read_from(words: &[OsString], kind: FileKind, registry: &Registry, call: &Call) -> Result<(ConfigString, Vec<Given>), Error> {
    let mut given = Vec::with_capacity(words.len());
    for word in words {
        given.push(one_from(word, kind, call).await?);
    }
    match registry.parse_arguments(given.iter().map(|given| given.text.clone())) {
        Ok(config) => Ok((config, given)),
        Err(error) => Err(match line_of_error(&given) {
            Some(line) => in_line(error, &line),
            None => error,
        }),
    }
}

/// The file and line in which a join string stops being one, as `FILE:LINE`; none if that is among
/// the words of the command line.
pub(crate) fn line_of_error(given: &[Given]) -> Option<String> {
    let error = ConfigString::from_arguments(given.iter().map(|given| given.text.clone())).err()?;
    // The first beginning of the whole that fails in the same way.
    let mut line = None;
    for_each_beginning(given, |texts, place| {
        let is_found = place.is_some() && ConfigString::from_arguments(texts.to_vec()).err().as_ref() == Some(&error);
        line = if is_found { place } else { None };
        is_found
    });
    line
}

/// The file and line that a key has its value from, as `FILE:LINE`; none if that is among the words
/// of the command line.
fn line_of_key(given: &[Given], key: &str) -> Option<String> {
    let (mut line, mut value) = (None, None);
    for_each_beginning(given, |texts, place| {
        let Ok(config) = ConfigString::from_arguments(texts.to_vec()) else { return false };
        let present = config.get(key).map(ToOwned::to_owned);
        if present != value {
            (line, value) = (place, present);
        }
        false
    });
    line
}

/// Calls `visit` with each beginning of the whole, a line of a file or a word longer than the one
/// before, and the place where that ends (none for words). Ends when `visit` returns true.
fn for_each_beginning(given: &[Given], mut visit: impl FnMut(&[String], Option<String>) -> bool) {
    let mut texts: Vec<String> = Vec::new();
    for given in given {
        let Some(file) = &given.file else {
            texts.push(given.text.clone());
            if visit(&texts, None) {
                return;
            }
            continue;
        };
        let mut text = String::new();
        for (number, line) in &given.lines {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(line);
            texts.push(text.clone());
            if visit(&texts, Some(format!("{}:{number}", file.path.display()))) {
                return;
            }
            texts.pop();
        }
        texts.push(text);
    }
}

/// The error with `FILE:LINE` in front of each problem with a key that an `@FILE` gives.
pub(crate) fn locate(error: Error, config: &ConfigString, given: &[Given], registry: &Registry) -> Error {
    let (Error::Config(refusal), Ok(spec)) = (&error, registry.provider_of(config)) else { return error };
    let problems = refusal.problems().iter().cloned().map(|problem| located(problem, config, given, spec)).collect();
    ConfigError::from_problems(refusal.provider(), problems).map_or(error, Into::into)
}

/// The problem with `FILE:LINE` in front if it is with a key that an `@FILE` gives.
pub(crate) fn located(mut problem: ConfigProblem, config: &ConfigString, given: &[Given], spec: &ProviderSpec) -> ConfigProblem {
    // A problem has the name of the option, a string may have another name of it.
    let is_about = |name: &&str| key::find(spec.keys, name).map(|key| key.name) == problem.key.as_deref();
    let written = config.iter().map(|(name, _)| name).find(is_about);
    if let Some(line) = written.and_then(|name| line_of_key(given, name)) {
        problem.message = format!("{line}: {}", problem.message);
    }
    problem
}

/// The error with the place in front of each of its messages.
pub(crate) fn in_line(error: Error, line: &str) -> Error {
    let Error::Config(config) = &error else { return error };
    let problems = config.problems().iter().cloned().map(|mut problem| {
        problem.message = format!("{line}: {}", problem.message);
        problem
    });
    ConfigError::from_problems(None, problems.collect()).map_or(error, Into::into)
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
        return Ok(Given { text: text.to_owned(), file: None, lines: Vec::new() });
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
    let lines = lines_without_comments(&text);
    if lines.is_empty() {
        return Err(problem(format!("there is no join string in {shown}"), "write one into it, as provider=azure ..."));
    }
    let text = lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join(" ");
    Ok(Given { text, file: Some(File { path: path.to_owned(), readable_by_all }), lines })
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

/// The lines of a file that hold a join string, with their numbers. A line end is a blank, and a `#`
/// that begins a word outside of quotes begins a comment. An editor's byte order mark, which would
/// become part of the first key, is left out.
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
            ("a=b # a comment\nc=d#e\tf=g\t#h", "a=b c=d#e\tf=g"),
            ("a=\"b # c\" # d", "a=\"b # c\""),
            ("a=\"b \\\" # c\" # d", "a=\"b \\\" # c\""),
            ("a=\"b\n# c\" # d", "a=\"b # c\""),
            ("# nothing\n\n", ""),
            ("", ""),
        ] {
            let lines: Vec<String> = lines_without_comments(file).into_iter().map(|(_, line)| line).collect();
            assert_eq!(lines.join(" "), line, "{file:?}");
        }
    }
}
