//! `discover addrs`: asks the cloud once and prints the addresses.

use cloud_autojoin::{Detail, Result};

use crate::arguments::Addrs;
use crate::report::Reporter;
use crate::status::Status;
use crate::{output, question};

/// Runs the subcommand.
pub(crate) async fn run(arguments: &Addrs, reporter: &Reporter) -> Status {
    match addresses(arguments, reporter).await {
        Ok(text) => output::deliver(&text, "addresses", reporter),
        Err(error) => {
            reporter.failure(&error);
            Status::of(&error)
        }
    }
}

async fn addresses(arguments: &Addrs, reporter: &Reporter) -> Result<String> {
    let discovery = question::ask(&arguments.question, Detail::Addresses, reporter).await.answer?;
    let (provider, subject) = (discovery.provider(), discovery.subject().to_owned());
    // Where nothing was found they are part of the error.
    if discovery.matched() > 0 {
        discovery.findings().iter().for_each(|finding| reporter.finding(finding));
    }
    let addresses = discovery.require_addresses()?;
    Ok(output::addresses(arguments.output, provider, &subject, &addresses))
}
