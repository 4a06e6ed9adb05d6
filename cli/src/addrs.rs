//! `discover addrs`: asks every cloud once and prints the addresses.

use cloud_autojoin::sources::{self, Union};
use cloud_autojoin::{Detail, Discovery, Result};

use crate::arguments::Addrs;
use crate::cache::Settings;
use crate::question::{Asked, report_failed, warn_of_failed};
use crate::report::Reporter;
use crate::status::Status;
use crate::{output, question};

#[cfg(unix)]
mod cached;

#[cfg(unix)]
pub(crate) use cached::fresh;

/// Runs the subcommand. `cache` says which results of earlier calls may be used.
pub(crate) async fn run(
    arguments: &Addrs,
    cache: Option<&Settings>,
    reporter: &Reporter,
) -> Status {
    #[cfg(unix)]
    if let Some(settings) = cache {
        return cached::run(arguments, settings, reporter).await;
    }
    #[cfg(not(unix))]
    let _ = cache;
    let asked = question::ask(&arguments.question, Detail::Addresses, reporter).await;
    report(asked, arguments, reporter)
}

/// Prints the addresses, or why there are none.
fn report(mut asked: Vec<Asked>, arguments: &Addrs, reporter: &Reporter) -> Status {
    let text = if asked[0].is_only {
        one(asked.remove(0), arguments, reporter)
    } else {
        let sources = asked.into_iter().map(|asked| asked.source).collect();
        match sources::union(sources, arguments.question.require()) {
            Ok(union) => Ok(several(&union, arguments, reporter)),
            Err(error) => return report_failed(&error, reporter),
        }
    };
    match text {
        Ok(text) => output::deliver(&text, "addresses", reporter),
        Err(error) => {
            reporter.failure(&error);
            Status::of(&error)
        }
    }
}

fn one(asked: Asked, arguments: &Addrs, reporter: &Reporter) -> Result<String> {
    let discovery = asked.source.answer?;
    let (provider, subject) = (discovery.provider(), discovery.subject().to_owned());
    // Where nothing was found they are part of the error.
    if discovery.matched() > 0 {
        report_findings(&discovery, reporter);
    }
    let addresses = discovery.require_addresses()?;
    Ok(output::addresses(
        arguments.output,
        provider,
        &subject,
        &addresses,
    ))
}

fn several(union: &Union, arguments: &Addrs, reporter: &Reporter) -> String {
    union
        .discoveries
        .iter()
        .for_each(|discovery| report_findings(discovery, reporter));
    warn_of_failed(&union.failed, reporter);
    output::union(arguments.output, union)
}

fn report_findings(discovery: &Discovery, reporter: &Reporter) {
    discovery
        .findings()
        .iter()
        .for_each(|finding| reporter.finding(finding));
}
