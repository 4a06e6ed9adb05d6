//! `discover check`: judges join strings offline.
//!
//! `check/judgement.rs` finds out what is right and wrong with one, `check/text.rs` tells people;
//! programs get JSON, one object a string. `check/role.rs` prints roles instead.

use std::ffi::OsString;
use std::time::Duration;

use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::{Call, Clock, Context, Registry, Result};
use tokio::io::AsyncReadExt;

mod judgement;
mod offline;
mod role;
mod text;

use judgement::Judgement;

use crate::arguments::{Check, CheckFormat};
use crate::output;
use crate::report::Reporter;
use crate::status::Status;

/// How long reading files may take. Nothing else waits.
const READING: Duration = Duration::from_secs(60);

/// Runs the subcommand.
pub(crate) async fn run(arguments: &Check, reporter: &Reporter) -> Status {
    if arguments.role {
        return role::run(arguments, reporter).await;
    }
    let format = arguments.output.unwrap_or(CheckFormat::Text);
    if format == CheckFormat::Terraform {
        reporter.error("`--output terraform` is for roles", Some("add `--role`"));
        return Status::Usage;
    }
    let judgements = match judge_all(arguments).await {
        Ok(judgements) => judgements,
        Err(error) => {
            reporter.failure(&error);
            return Status::Failed;
        }
    };
    let text = match format {
        CheckFormat::Json => judgements.iter().map(output::json).collect(),
        CheckFormat::Text | CheckFormat::Terraform => text::of(&judgements),
    };
    let is_fine = judgements
        .iter()
        .all(|judgement| judgement.is_fine(arguments.strict, format == CheckFormat::Json));
    match output::print_page(&text, "judgement", reporter) {
        Status::Done if !is_fine => Status::Failed,
        status => status,
    }
}

async fn judge_all(arguments: &Check) -> Result<Vec<Judgement>> {
    let registry = Registry::compiled_in();
    let context = offline::context()?;
    let mut judgements = Vec::new();
    if are_words_of_one(&arguments.strings) {
        return Ok(vec![judge(&arguments.strings, &registry, &context).await]);
    }
    for string in &arguments.strings {
        if string == "-" {
            for line in lines_of_standard_input().await {
                judgements.push(Judgement::of(&line, &registry, &context));
            }
        } else {
            judgements.push(judge(std::slice::from_ref(string), &registry, &context).await);
        }
    }
    Ok(judgements)
}

/// Whether the arguments are one join string in pieces, as a shell leaves it, and not several whole
/// ones: each of those names a provider or is a file.
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

/// Judges the join string that `words` make.
async fn judge(words: &[OsString], registry: &Registry, context: &Context) -> Judgement {
    let call = Call::new(&Clock::system(), READING);
    let mut given: Vec<JoinArgument> = Vec::with_capacity(words.len());
    for word in words {
        match join_string::read_argument(word, &call).await {
            Ok(text) => given.push(text),
            Err(error) => return Judgement::unreadable(word, &error),
        }
    }
    Judgement::of_words(&given, registry, context)
}

/// The lines of standard input, each a join string as it stands: a carriage return is part of it,
/// and so is a `#`.
async fn lines_of_standard_input() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    // What cannot be read is judged as far as it came: a terminal that hangs up is an end of file.
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
