//! Prints help, and reports an invalid command line.
//!
//! An unexpected argument may be a misplaced secret, so it's repeated only if it looks like a word
//! or a flag.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::arguments::Arguments;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// Prints clap's message and returns the exit status.
pub(crate) fn report(mut error: clap::Error, words: &[OsString]) -> ExitStatus {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitStatus::Done,
            // A reader such as `head` may close the pipe early.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitStatus::Done,
            Err(error) => {
                Reporter::silent().error(&format!("cannot print the help: {error}"), None);
                ExitStatus::Failed
            }
        };
    }
    mask(&mut error);
    let (message, tip) = message_and_tip(&error.render().to_string());
    let help = format!("see `{} --help`", with_subcommand(words));
    if has_quiet_flag(words) {
        Reporter::silent().error(&message, Some(&help));
    } else {
        Reporter::verbose().error(
            &message,
            Some(&tip.map_or_else(|| help.clone(), |tip| format!("{tip}; {help}"))),
        );
    }
    ExitStatus::Usage
}

/// The first line of clap's message, and its tip if there is one; without the usage.
fn message_and_tip(text: &str) -> (String, Option<String>) {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| {
            paragraph
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let message = paragraphs
        .first()
        .map(|first| first.strip_prefix("error: ").unwrap_or(first).to_owned())
        .unwrap_or_default();
    let tip = paragraphs
        .iter()
        .find_map(|paragraph| paragraph.strip_prefix("tip: ").map(ToOwned::to_owned));
    (message, tip)
}

/// The command with the subcommand that `words` begin with, if any.
fn with_subcommand(words: &[OsString]) -> String {
    let first = words
        .iter()
        .skip(1)
        .find_map(|word| word.to_str().filter(|word| !word.starts_with('-')));
    let known = Arguments::command();
    match first.and_then(|name| known.find_subcommand(name)) {
        Some(subcommand) if subcommand.get_name() != "help" => {
            format!("discover {}", subcommand.get_name())
        }
        _ => "discover".to_owned(),
    }
}

/// Whether the words contain `-q`, for a command line that couldn't be parsed.
fn has_quiet_flag(words: &[OsString]) -> bool {
    words.iter().skip(1).any(|word| {
        word.to_str().is_some_and(|word| {
            matches!(
                word,
                "-q" | "--q" | "-quiet" | "--quiet" | "-q=true" | "-q=1"
            )
        })
    })
}

fn mask(error: &mut clap::Error) {
    // For other kinds the argument is clap's own text, as `--output <FORMAT>`.
    let argument = (error.kind() == ErrorKind::UnknownArgument).then_some(ContextKind::InvalidArg);
    for kind in [ContextKind::InvalidSubcommand, ContextKind::InvalidValue]
        .into_iter()
        .chain(argument)
    {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && !is_showable(text)
        {
            error.insert(kind, ContextValue::String("***".to_owned()));
            // The suggestion repeats the word.
            error.remove(ContextKind::Suggested);
        }
    }
}

fn is_showable(text: &str) -> bool {
    text.len() <= 24
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphabetic() || letter == '-' || letter == '_')
        || text.len() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(words: &[&str]) -> String {
        let mut error = Arguments::parse_words(
            std::iter::once("discover")
                .chain(words.iter().copied())
                .map(OsString::from),
        )
        .unwrap_err();
        mask(&mut error);
        message_and_tip(&error.render().to_string()).0
    }

    #[test]
    fn words_and_flags_are_repeated() {
        assert_eq!(
            message_of(&["adrs", "a=b"]),
            "unrecognized subcommand 'adrs'"
        );
        assert_eq!(
            message_of(&["addrs", "--ouput"]),
            "unexpected argument '--ouput' found"
        );
        assert_eq!(
            message_of(&["addrs", "--output", "xml"]),
            "invalid value 'xml' for '--output <FORMAT>' [possible values: text, lines, json]"
        );
        assert_eq!(
            message_of(&["addrs", "--timeout", "soon"]),
            "invalid value 'soon' for '--timeout <DURATION>': must be a duration such as 30s, 1m30s, 1.5h, above zero"
        );
        assert_eq!(
            message_of(&["-q=maybe"]),
            "invalid value 'maybe' for '--quiet[=<BOOL>]': must be true or false"
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        let canary = "Zx8Q~canary.cAnArY-0123456789";
        for words in [
            &[canary][..],
            &["client_secret=Zx8Q~canary.cAnArY-0123456789"],
            &["addrs", "--Zx8Q~canary.cAnArY-0123456789"],
            &["addrs", "--output", canary],
            &["addrs", "--timeout", canary],
            &["addrs", "--secret=Zx8Q~canary.cAnArY-0123456789"],
            &["providers", "azure", canary],
            &["-q=Zx8Q~canary.cAnArY-0123456789"],
        ] {
            let mut error = Arguments::parse_words(
                std::iter::once("discover")
                    .chain(words.iter().copied())
                    .map(OsString::from),
            )
            .unwrap_err();
            assert_eq!(error.exit_code(), 2);
            mask(&mut error);
            let text = error.render().to_string();
            assert!(!text.to_lowercase().contains("canary"), "{text}");
        }
    }
}
