//! Prints help, and reports an invalid command line.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::{Arguments, CommandError, print_failure};

/// The exit code of invalid usage.
const USAGE: u8 = 2;

/// Prints the help, or the error in the format of all other failures.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A reader may close the pipe early, as `head` does.
        let _ = write!(std::io::stdout(), "{}", error.render());
        return ExitCode::SUCCESS;
    }
    print_failure(&failure(
        &error.render().to_string(),
        std::env::args().nth(1).as_deref(),
    ));
    ExitCode::from(USAGE)
}

/// The failure that clap's text reports, without the usage that follows it.
fn failure(text: &str, first_argument: Option<&str>) -> CommandError {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let message = paragraphs.first().map(String::as_str).unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let tip = paragraphs
        .iter()
        .find_map(|paragraph| paragraph.strip_prefix("tip: "))
        .map(|tip| format!("{tip}; "))
        .unwrap_or_default();
    let known = Arguments::command();
    let subcommand = first_argument
        .and_then(|name| known.find_subcommand(name))
        .map(|found| format!(" {}", found.get_name()));
    CommandError::from(message).with_hint(format!(
        "{tip}`discover-sim{} --help` lists the options",
        subcommand.unwrap_or_default()
    ))
}
