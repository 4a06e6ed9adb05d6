//! The status page: what is watched, who is in and out and why, how old that is, what went wrong. One document, no script, nothing from elsewhere.

use std::time::Duration;

use cloud_autojoin::Address;
use cloud_autojoin::watch::Source;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde::Serialize;

use crate::board::{Board, PartBoard, PartSort, WatchBoard};

const TEMPLATE: &str = include_str!("page.html");

/// More rows than this tell nobody anything.
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
    sort: &'static str,
    kind: &'static str,
    target: String,
    failing: bool,
    failure: Option<ErrorRow>,
    good: Option<String>,
    note: String,
}

/// The page as it is now.
///
/// # Errors
///
/// The template asks for what is not there, which a test would have seen.
pub(super) fn render(board: &Board) -> Result<String, Error> {
    let page = Page {
        ready: board.is_ready(),
        version: env!("CARGO_PKG_VERSION"),
        problems: board.reloads().problems,
        watches: board.watches().iter().map(|watch| watch_row(watch)).collect(),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.render_named_str("page.html", TEMPLATE, Serde(page))
}

fn watch_row(watch: &WatchBoard) -> WatchRow {
    let status = watch.status.read();
    let next = if status.asking { "asking now".to_owned() } else { format!("asks again in {}", seconds(status.next_attempt_in)) };
    let (mut out, mut out_total, mut findings) = (Vec::new(), 0, Vec::new());
    if let Some(discovery) = &status.discovery {
        out_total = discovery.excluded().values().sum();
        let excluded = discovery.nodes().iter().filter(|node| !node.is_match()).take(ROWS);
        out.extend(excluded.map(|node| OutRow {
            kind: node.kind,
            name: node.name.clone(),
            why: node.excluded.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }));
        findings.extend(discovery.findings().iter().map(|finding| match &finding.hint {
            Some(hint) => format!("{} (hint: {hint})", finding.message),
            None => finding.message.clone(),
        }));
    }
    let used = status.in_use.map(|used| UsedRow {
        addresses: used.addresses.iter().take(ROWS).map(address_row).collect(),
        age: used.age.map_or_else(|| "at an unknown time".to_owned(), ago),
        changed: ago(used.changed_ago),
        last_good: used.source != Source::Fresh,
    });
    let held = status.held.map(|held| HeldRow {
        reason: held.reason.to_string(),
        would_be: held.would_be.iter().take(ROWS).map(ToString::to_string).collect::<Vec<_>>().join(" "),
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
        error: status.last_error.map(|error| ErrorRow { text: error.text, hint: error.hint, ago: ago(error.ago) }),
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

fn part_row(part: &PartBoard) -> PartRow {
    let status = part.status();
    PartRow {
        sort: match part.sort {
            PartSort::File => "file",
            PartSort::Agent => "agent",
            PartSort::OnChange => "action",
        },
        kind: part.kind,
        target: part.target.clone(),
        failing: status.failing,
        failure: status.last_failure.map(|(failure, when)| ErrorRow { text: failure.to_string(), hint: failure.hint().map(str::to_owned), ago: ago(when) }),
        good: status.good_ago.map(ago),
        note: status.note,
    }
}

fn ago(duration: Duration) -> String {
    format!("{} ago", seconds(duration))
}

/// In the two largest units that say something.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
