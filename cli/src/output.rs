//! Formats and writes standard output.

use std::io::{self, Write};

use cloud_autojoin::Address;
#[cfg(unix)]
use cloud_autojoin::cache::CachedResult;
use cloud_autojoin::sources::Union;
use serde::Serialize;

use crate::arguments::OutputFormat;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// Writes `text` to standard output; `what` names it in an error (`addresses`). A closed pipe or a
/// full disk is a failure: a reader that checks the exit code never accepts a partial list.
pub(crate) fn deliver(text: &str, what: &str, reporter: &Reporter) -> ExitStatus {
    match print(text) {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            reporter.error(&format!("cannot print the {what}: {error}"), None);
            ExitStatus::Failed
        }
    }
}

/// Writes help, a manual page or a script to standard output. A reader that closes the pipe, as
/// `head` does, is no failure.
pub(crate) fn print_page(text: &str, what: &str, reporter: &Reporter) -> ExitStatus {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Done,
        Err(error) => {
            reporter.error(&format!("cannot print the {what}: {error}"), None);
            ExitStatus::Failed
        }
        Ok(()) => ExitStatus::Done,
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The addresses in this format, with the final newline.
pub(crate) fn addresses(
    format: OutputFormat,
    provider: &str,
    subject: &str,
    addresses: &[Address],
) -> String {
    match format {
        OutputFormat::Json => json(&AddressesDocument {
            provider,
            subject,
            addresses: rows(addresses),
        }),
        format => plain(format, addresses),
    }
}

/// A result of the cache, as that of a call.
#[cfg(unix)]
pub(crate) fn cached(format: OutputFormat, result: &CachedResult) -> String {
    if format != OutputFormat::Json {
        return plain(format, &result.addresses);
    }
    let mut sources: Vec<AddressesDocument<'_>> = result
        .sources
        .iter()
        .map(|source| AddressesDocument {
            provider: &source.provider,
            subject: &source.subject,
            addresses: rows(&source.addresses),
        })
        .collect();
    match sources.pop() {
        Some(only) if sources.is_empty() => json(&only),
        last => json(&UnionDocument {
            addresses: rows(&result.addresses),
            sources: sources.into_iter().chain(last).collect(),
            failed: Vec::new(),
        }),
    }
}

/// The addresses of several sources; JSON also groups them by source.
pub(crate) fn union(format: OutputFormat, union: &Union) -> String {
    if format != OutputFormat::Json {
        return plain(format, &union.addresses);
    }
    let sources = union.discoveries.iter();
    let sources = sources.map(|discovery| AddressesDocument {
        provider: discovery.provider(),
        subject: discovery.subject(),
        addresses: rows(&discovery.addresses()),
    });
    let failed = union.failed.iter().map(|(source, error)| FailedSource {
        source,
        error: error.chain(),
    });
    json(&UnionDocument {
        addresses: rows(&union.addresses),
        sources: sources.collect(),
        failed: failed.collect(),
    })
}

fn plain(format: OutputFormat, addresses: &[Address]) -> String {
    let texts = addresses.iter().map(ToString::to_string);
    match format {
        OutputFormat::Lines => texts.map(|address| address + "\n").collect(),
        OutputFormat::Text | OutputFormat::Json => texts.collect::<Vec<_>>().join(" ") + "\n",
    }
}

fn rows(addresses: &[Address]) -> Vec<AddressRow> {
    addresses.iter().map(AddressRow::from).collect()
}

/// A value as one line of JSON, with the final newline.
pub(crate) fn json(value: &impl Serialize) -> String {
    // Maps with text keys and plain values always serialise; otherwise the reader gets the error.
    serde_json::to_string(value)
        .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
        + "\n"
}

#[derive(Serialize)]
struct AddressesDocument<'a> {
    provider: &'a str,
    subject: &'a str,
    addresses: Vec<AddressRow>,
}

#[derive(Serialize)]
struct UnionDocument<'a> {
    addresses: Vec<AddressRow>,
    sources: Vec<AddressesDocument<'a>>,
    failed: Vec<FailedSource<'a>>,
}

#[derive(Serialize)]
struct FailedSource<'a> {
    source: &'a str,
    error: String,
}

/// One address in JSON.
#[derive(Serialize)]
pub(crate) struct AddressRow {
    address: String,
    host: String,
    port: Option<u16>,
    instance: Option<String>,
    network_interface: Option<String>,
}

impl From<&Address> for AddressRow {
    fn from(address: &Address) -> Self {
        Self {
            address: address.to_string(),
            host: address.host.to_string(),
            port: address.port,
            instance: address.instance.clone(),
            network_interface: address.network_interface.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Address> {
        vec![
            Address::ip("10.0.0.4".parse().unwrap())
                .with_instance("vm1")
                .with_network_interface("nic1"),
            Address::name("a.example").with_port(8300),
        ]
    }

    #[test]
    fn text_is_one_line_with_single_blanks() {
        assert_eq!(
            addresses(OutputFormat::Text, "azure", "s", &two()),
            "10.0.0.4 a.example:8300\n"
        );
    }

    #[test]
    fn lines_has_one_address_a_line() {
        assert_eq!(
            addresses(OutputFormat::Lines, "azure", "s", &two()),
            "10.0.0.4\na.example:8300\n"
        );
    }

    #[test]
    fn json_has_the_source_of_each_address() {
        let printed: serde_json::Value =
            serde_json::from_str(&addresses(OutputFormat::Json, "azure", "s", &two())).unwrap();
        assert_eq!(
            printed,
            serde_json::json!({"provider": "azure", "subject": "s", "addresses": [
                {"address": "10.0.0.4", "host": "10.0.0.4", "port": null, "instance": "vm1", "network_interface": "nic1"},
                {"address": "a.example:8300", "host": "a.example", "port": 8300, "instance": null, "network_interface": null},
            ]})
        );
    }
}
