//! `discover check`: judges join strings offline.
//!
//! `check/judgement.rs` finds out what is right and wrong with one, `check/text.rs` tells people; programs get JSON, one object a string. `check/role.rs` prints roles instead.

use std::ffi::OsString;
use std::time::Duration;

use cloud_autojoin::{Call, Clock, Context, Registry, Result};
use tokio::io::AsyncReadExt;

mod judgement;
mod offline;
mod role;
mod text;

use judgement::Judgement;

use crate::arguments::{Check, CheckFormat};
use crate::join_string::{self, Given};
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
        CheckFormat::Text | CheckFormat::Terraform => text::of(&judgements, arguments.strings.len()),
    };
    let is_fine = judgements.iter().all(|judgement| judgement.is_fine(arguments.strict, format == CheckFormat::Json));
    match output::print_page(&text, "judgement", reporter) {
        Status::Done if !is_fine => Status::Failed,
        status => status,
    }
}

async fn judge_all(arguments: &Check) -> Result<Vec<Judgement>> {
    let registry = Registry::compiled_in();
    let context = offline::context()?;
    let mut judgements = Vec::new();
    for string in &arguments.strings {
        if string == "-" {
            for line in lines_of_standard_input().await {
                judgements.push(Judgement::of(&line, None, &registry, &context));
            }
        } else {
            judgements.push(judge(string, &registry, &context).await);
        }
    }
    Ok(judgements)
}

async fn judge(string: &OsString, registry: &Registry, context: &Context) -> Judgement {
    match join_string::one(string, &Call::new(&Clock::system(), READING)).await {
        Ok(Given { text, file }) => Judgement::of(text.as_bytes(), file.as_ref(), registry, context),
        Err(error) => Judgement::unreadable(string, &error),
    }
}

/// The lines of standard input, each a join string as it stands: a carriage return is part of it, and so is a `#`.
async fn lines_of_standard_input() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    // What cannot be read is judged as far as it came: a terminal that hangs up is an end of file.
    let _ = tokio::io::stdin().read_to_end(&mut bytes).await;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}
