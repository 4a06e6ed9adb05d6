//! What is printed when a command line asks for help, or makes no sense.
//!
//! A word that makes no sense may be a secret that lost its place, so it is repeated only when it reads like a word or a flag.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::report::Reporter;
use crate::status::Status;

/// Prints what clap says and tells how the command ends.
pub(crate) fn report(mut error: clap::Error, words: &[OsString]) -> Status {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => Status::Done,
            // A reader such as `head` has read what it wanted.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Status::Done,
            Err(error) => {
                Reporter::silent().error(&format!("cannot print the help: {error}"), None);
                Status::Failed
            }
        };
    }
    mask(&mut error);
    if asks_for_quiet(words) {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        Reporter::silent().error(line.strip_prefix("error: ").unwrap_or(line), Some("`discover --help` says what may be written"));
    } else {
        // Nobody is left to tell when standard error is gone.
        let _ = error.print();
    }
    Status::Usage
}

/// Whether the words have a `-q`. The command line as a whole was not understood, so this looks at the words alone.
fn asks_for_quiet(words: &[OsString]) -> bool {
    words.iter().skip(1).any(|word| word.to_str().is_some_and(|word| matches!(word, "-q" | "--q" | "-quiet" | "--quiet" | "-q=true" | "-q=1")))
}

fn mask(error: &mut clap::Error) {
    // Of other kinds the argument is clap's own text, as `--output <FORMAT>`.
    let argument = (error.kind() == ErrorKind::UnknownArgument).then_some(ContextKind::InvalidArg);
    for kind in [ContextKind::InvalidSubcommand, ContextKind::InvalidValue].into_iter().chain(argument) {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && !is_showable(text)
        {
            error.insert(kind, ContextValue::String("***".to_owned()));
            // Its advice repeats the word.
            error.remove(ContextKind::Suggested);
        }
    }
}

fn is_showable(text: &str) -> bool {
    text.len() <= 24 && text.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '-' || letter == '_') || text.len() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;

    fn said(words: &[&str]) -> String {
        let mut error = Arguments::parse_words(std::iter::once("discover").chain(words.iter().copied()).map(OsString::from)).unwrap_err();
        mask(&mut error);
        error.render().to_string().lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn words_and_flags_are_repeated() {
        assert_eq!(said(&["adrs", "a=b"]), "error: unrecognized subcommand 'adrs'");
        assert_eq!(said(&["addrs", "--ouput"]), "error: unexpected argument '--ouput' found");
        assert_eq!(said(&["addrs", "--output", "xml"]), "error: invalid value 'xml' for '--output <FORMAT>'");
        assert_eq!(
            said(&["addrs", "--timeout", "soon"]),
            "error: invalid value 'soon' for '--timeout <DURATION>': must be a duration such as 30s, 1m30s, 1.5h, above zero"
        );
        assert_eq!(said(&["-q=maybe"]), "error: invalid value 'maybe' for '--quiet[=<BOOL>]': must be true or false");
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
            let mut error = Arguments::parse_words(std::iter::once("discover").chain(words.iter().copied()).map(OsString::from)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            mask(&mut error);
            let text = error.render().to_string();
            assert!(!text.to_lowercase().contains("canary"), "{text}");
        }
    }
}
