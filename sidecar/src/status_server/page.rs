//! The status page: the watches, what matched and what was excluded and why, its age, and failures.
//! One document without scripts or external resources.

use std::time::Duration;

use cloud_autojoin::Address;
use cloud_autojoin::watch::AddressSource;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde::Serialize;

use crate::status::{PartStatus, PartType, SidecarStatus, WatchStatus};

const TEMPLATE: &str = include_str!("page.html");

/// The maximum number of rows in a table.
const ROWS: usize = 500;

#[derive(Serialize)]
struct Page {
    ready: bool,
    version: &'static str,
    problems: Vec<String>,
    watches: Vec<WatchRow>,
}

#[derive(Serialize)]
struct WatchRow {
    name: String,
    subject: String,
    provider: &'static str,
    identity: String,
    next: String,
    used: Option<UsedRow>,
    held: Option<HeldRow>,
    failures: u32,
    error: Option<ErrorRow>,
    last_good_error: Option<String>,
    out: Vec<OutRow>,
    out_total: usize,
    findings: Vec<String>,
    parts: Vec<PartRow>,
}

#[derive(Serialize)]
struct UsedRow {
    addresses: Vec<AddressRow>,
    age: String,
    changed: String,
    last_good: bool,
}

#[derive(Serialize)]
struct AddressRow {
    address: String,
    instance: String,
    network_interface: String,
}

#[derive(Serialize)]
struct HeldRow {
    reason: String,
    would_be: String,
}

#[derive(Serialize)]
struct ErrorRow {
    text: String,
    hint: Option<String>,
    ago: String,
}

#[derive(Serialize)]
struct OutRow {
    kind: &'static str,
    name: String,
    why: String,
}

#[derive(Serialize)]
struct PartRow {
    part_type: &'static str,
    kind: &'static str,
    target: String,
    failing: bool,
    failure: Option<ErrorRow>,
    good: Option<String>,
    note: String,
}

/// The current page.
///
/// # Errors
///
/// The template uses an undefined value, which a test would find.
pub(super) fn render(status: &SidecarStatus) -> Result<String, Error> {
    let page = Page {
        ready: status.is_ready(),
        version: env!("CARGO_PKG_VERSION"),
        problems: status.reloads().problems,
        watches: status
            .watches()
            .iter()
            .map(|watch| watch_row(watch))
            .collect(),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.render_named_str("page.html", TEMPLATE, Serde(page))
}

fn watch_row(watch: &WatchStatus) -> WatchRow {
    let status = watch.polls.read();
    let next = if status.is_polling {
        "polling now".to_owned()
    } else {
        format!("polls again in {}", seconds(status.next_attempt_in))
    };
    let (mut out, mut out_total, mut findings) = (Vec::new(), 0, Vec::new());
    if let Some(discovery) = &status.discovery {
        out_total = discovery.excluded().values().sum();
        let excluded = discovery
            .nodes()
            .iter()
            .filter(|node| !node.is_match())
            .take(ROWS);
        out.extend(excluded.map(|node| {
            OutRow {
                kind: node.kind,
                name: node.name.clone(),
                why: node
                    .excluded
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; "),
            }
        }));
        findings.extend(
            discovery
                .findings()
                .iter()
                .map(|finding| match &finding.hint {
                    Some(hint) => format!("{} (hint: {hint})", finding.message),
                    None => finding.message.clone(),
                }),
        );
    }
    let used = status.in_use.map(|used| UsedRow {
        addresses: used.addresses.iter().take(ROWS).map(address_row).collect(),
        age: used
            .age
            .map_or_else(|| "at an unknown time".to_owned(), ago),
        changed: ago(used.changed_ago),
        last_good: used.source != AddressSource::Fresh,
    });
    let held = status.held.map(|held| HeldRow {
        reason: held.reason.to_string(),
        would_be: held
            .would_be
            .iter()
            .take(ROWS)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    });
    WatchRow {
        name: watch.name.clone(),
        subject: status.subject,
        provider: status.provider,
        identity: watch.identity.clone(),
        next,
        used,
        held,
        failures: status.consecutive_failures,
        error: status.last_error.map(|error| ErrorRow {
            text: error.text,
            hint: error.hint,
            ago: ago(error.ago),
        }),
        last_good_error: status.last_good_error,
        out,
        out_total,
        findings,
        parts: watch.parts.iter().map(|part| part_row(part)).collect(),
    }
}

fn address_row(address: &Address) -> AddressRow {
    AddressRow {
        address: address.to_string(),
        instance: address.instance.clone().unwrap_or_default(),
        network_interface: address.network_interface.clone().unwrap_or_default(),
    }
}

fn part_row(part: &PartStatus) -> PartRow {
    let status = part.status();
    PartRow {
        part_type: match part.part_type {
            PartType::File => "file",
            PartType::Agent => "agent",
            PartType::OnChange => "action",
        },
        kind: part.kind,
        target: part.target.clone(),
        failing: status.failing,
        failure: status.last_failure.map(|(failure, when)| ErrorRow {
            text: failure.to_string(),
            hint: failure.hint().map(str::to_owned),
            ago: ago(when),
        }),
        good: status.succeeded_ago.map(ago),
        note: status.note,
    }
}

fn ago(duration: Duration) -> String {
    format!("{} ago", seconds(duration))
}

/// In the two largest units that apply.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
