//! `discover addrs`: runs one discovery for each join string and prints the addresses.

use cloud_autojoin::sources::{self, Union};
use cloud_autojoin::{Detail, Discovery, Result};

use crate::arguments::Addrs;
use crate::cache::Settings;
use crate::query::{QueryResult, report_failed, warn_of_failed};
use crate::report::Reporter;
use crate::status::ExitStatus;
use crate::{output, query};

#[cfg(unix)]
mod cached;

#[cfg(unix)]
pub(crate) use cached::fresh;

/// Runs the subcommand. `cache` has which results of earlier calls may be used.
pub(crate) async fn run(
    arguments: &Addrs,
    cache: Option<&Settings>,
    reporter: &Reporter,
) -> ExitStatus {
    #[cfg(unix)]
    if let Some(settings) = cache {
        return cached::run(arguments, settings, reporter).await;
    }
    #[cfg(unix)]
    if arguments.shared.url.is_some() {
        let results = query::run_shared(&arguments.query, &arguments.shared, reporter).await;
        return report(results, arguments, reporter);
    }
    #[cfg(not(unix))]
    let _ = cache;
    let results = query::run(&arguments.query, Detail::Minimal, reporter).await;
    report(results, arguments, reporter)
}

/// Prints the addresses, or why there are none.
fn report(mut results: Vec<QueryResult>, arguments: &Addrs, reporter: &Reporter) -> ExitStatus {
    let text = if results[0].is_only {
        one(results.remove(0), arguments, reporter)
    } else {
        let sources = results.into_iter().map(|result| result.source).collect();
        match sources::union(sources, arguments.query.require()) {
            Ok(union) => Ok(several(&union, arguments, reporter)),
            Err(error) => return report_failed(&error, reporter),
        }
    };
    match text {
        Ok(text) => output::deliver(&text, "addresses", reporter),
        Err(error) => {
            reporter.failure(&error);
            ExitStatus::of(&error)
        }
    }
}

fn one(result: QueryResult, arguments: &Addrs, reporter: &Reporter) -> Result<String> {
    let discovery = result.source.result?;
    let (provider, subject) = (discovery.provider(), discovery.subject().to_owned());
    // Without a match the findings are part of the error.
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
