//! `discover check`: checks join strings offline.
//!
//! `check/report.rs` checks one string, `check/text.rs` formats the report as text; the JSON output
//! is the report itself. `check/role.rs` prints roles instead.

use std::ffi::OsString;
use std::time::Duration;

use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::{Call, Clock, Context, Registry, Result};
use tokio::io::AsyncReadExt;

mod offline;
mod report;
mod role;
mod text;

use report::CheckReport;

use crate::arguments::{Check, CheckFormat};
use crate::output;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// The time limit for reading files. Nothing else waits.
const READING: Duration = Duration::from_secs(60);

/// Runs the subcommand.
pub(crate) async fn run(arguments: &Check, reporter: &Reporter) -> ExitStatus {
    if arguments.role {
        return role::run(arguments, reporter).await;
    }
    let format = arguments.output.unwrap_or(CheckFormat::Text);
    if format == CheckFormat::Terraform {
        reporter.error(
            "`--output terraform` applies to roles only",
            Some("add `--role`"),
        );
        return ExitStatus::Usage;
    }
    let reports = match check_all(arguments).await {
        Ok(reports) => reports,
        Err(error) => {
            reporter.failure(&error);
            return ExitStatus::Failed;
        }
    };
    let text = match format {
        CheckFormat::Json => reports.iter().map(output::json).collect(),
        CheckFormat::Text | CheckFormat::Terraform => text::of(&reports),
    };
    let is_fine = reports
        .iter()
        .all(|report| report.is_fine(arguments.strict, format == CheckFormat::Json));
    match output::print_page(&text, "report", reporter) {
        ExitStatus::Done if !is_fine => ExitStatus::Failed,
        status => status,
    }
}

async fn check_all(arguments: &Check) -> Result<Vec<CheckReport>> {
    let registry = Registry::compiled_in();
    let context = offline::context()?;
    let mut reports = Vec::new();
    if are_words_of_one(&arguments.strings) {
        return Ok(vec![check(&arguments.strings, &registry, &context).await]);
    }
    for string in &arguments.strings {
        if string == "-" {
            for line in lines_of_standard_input().await {
                reports.push(CheckReport::of(&line, &registry, &context));
            }
        } else {
            reports.push(check(std::slice::from_ref(string), &registry, &context).await);
        }
    }
    Ok(reports)
}

/// Whether the arguments are the words of one join string, and not several join strings: each of
/// those names a provider or is a file.
fn are_words_of_one(strings: &[OsString]) -> bool {
    let is_whole = |string: &&OsString| {
        let text = string.to_string_lossy();
        text.starts_with('@')
            || text
                .split_whitespace()
                .any(|word| word.starts_with("provider="))
    };
    !strings.iter().any(|string| string == "-") && strings.iter().filter(is_whole).count() <= 1
}

/// Checks the join string that `words` form.
async fn check(words: &[OsString], registry: &Registry, context: &Context) -> CheckReport {
    let call = Call::new(&Clock::system(), READING);
    let mut given: Vec<JoinArgument> = Vec::with_capacity(words.len());
    for word in words {
        match join_string::read_argument(word, &call).await {
            Ok(text) => given.push(text),
            Err(error) => return CheckReport::unreadable(word, &error),
        }
    }
    CheckReport::of_words(&given, registry, context)
}

/// The lines of standard input, each a verbatim join string: a carriage return or a `#` is part of
/// it.
async fn lines_of_standard_input() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    // A read error counts as the end of the input, as when a terminal hangs up.
    let _ = tokio::io::stdin().read_to_end(&mut bytes).await;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}
