//! The cost of a poll interval for a fleet: many watches poll one simulated subscription with
//! Azure's documented limits, over hours of virtual time.
//!
//! Prints the tables of `fleet.md`, which explains the defaults chosen from them. `--write` updates
//! `fleet.md` and the extract in `README.md`. All take half a minute of CPU time:
//! `cargo bench -p cloud-autojoin --bench fleet [-- 100 | --write]`. Fleets with and without a
//! shared result, up to 100,000 hosts, take ten minutes of CPU time and 2 GB of memory:
//! `cargo bench -p cloud-autojoin --features shared --bench fleet -- shared [100 | --write]`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and stops at the first surprise"
)]

#[path = "fleet/sidecars.rs"]
mod sidecars;
#[path = "fleet/subscription.rs"]
mod subscription;

use std::time::Duration;

use cloud_autojoin::watch::Pace;
use sidecars::{Fleet, part_done};

const MINUTE: Duration = Duration::from_secs(60);

fn fleet(watches: u64, interval: u64) -> Fleet {
    let mut fleet = Fleet::new(watches, (30 * MINUTE, 60 * MINUTE));
    fleet.pace.interval = Duration::from_secs(interval);
    fleet
}

#[cfg(feature = "shared")]
const BOOTING: &str = "| hosts | shared | half have addresses | all | requests a minute to the cloud | refused | replacement seen by half | by all | requests/s to the store |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n";

/// A row of the table of booting fleets.
#[cfg(feature = "shared")]
fn booting_row(watches: u64, is_shared: bool) -> String {
    let (before, after) = (10 * MINUTE, 5 * MINUTE);
    let minutes = (before + after).as_secs_f64() / 60.0;
    let outcome = Fleet::booting(watches, is_shared, (before, after)).run();
    let seconds = |times: &[Duration], part| {
        part_done(times, watches, part).map_or_else(
            || "never".to_owned(),
            |time| format!("{:.0} s", time.as_secs_f64()),
        )
    };
    let requests = outcome.before.requests + outcome.after.requests;
    format!(
        "| {} | {} | {} | {} | {:.0} | {} | {} | {} | {:.0} |\n",
        thousands(watches),
        if is_shared { "yes" } else { "no" },
        seconds(&outcome.joined, 0.5),
        seconds(&outcome.joined, 1.0),
        requests as f64 / minutes,
        thousands(outcome.before.throttled + outcome.after.throttled),
        seconds(&outcome.seen, 0.5),
        seconds(&outcome.seen, 1.0),
        outcome.store_requests as f64 / minutes / 60.0,
    )
}

/// `fleet -- shared [WATCHES] [--write]`: fleets that boot within a minute.
#[cfg(feature = "shared")]
fn print_booting(only: Option<u64>) {
    let mut table = format!("\n{BOOTING}");
    for watches in only.map_or_else(|| vec![100, 1000, 10_000, 100_000], |only| vec![only]) {
        for is_shared in [false, true] {
            let row = booting_row(watches, is_shared);
            print!("{row}");
            table.push_str(&row);
        }
    }
    if only.is_none() && std::env::args().any(|argument| argument == "--write") {
        write("benches/fleet.md", "booting", &format!("{table}\n"));
    }
}

const INTERVALS: [u64; 5] = [15, 30, 60, 120, 300];

const HEAD: &str = "| half have addresses | all | 429 in the first 30 min | requests/h | 429/h | change seen by half | by all |\n|---|---:|---:|---:|---:|---:|---:|---:|\n";

/// The results of a fleet, as a row shows them.
struct Row {
    joined: [String; 2],
    throttled_at_first: u64,
    requests: u64,
    throttled: u64,
    seen: [String; 2],
}

impl Row {
    fn of(fleet: Fleet) -> Self {
        let outcome = fleet.run();
        let seconds = |times: &[Duration]| {
            [0.5, 1.0].map(|part| {
                part_done(times, fleet.watches, part).map_or_else(
                    || "never".to_owned(),
                    |time| format!("{:.0} s", time.as_secs_f64()),
                )
            })
        };
        Self {
            joined: seconds(&outcome.joined),
            throttled_at_first: outcome.before.throttled,
            requests: outcome.after.requests,
            throttled: outcome.after.throttled,
            seen: seconds(&outcome.seen),
        }
    }

    fn line(&self, name: &str) -> String {
        let Self {
            joined,
            throttled_at_first,
            requests,
            throttled,
            seen,
        } = self;
        format!(
            "| {name} | {} | {} | {throttled_at_first} | {requests} | {throttled} | {} | {} |\n",
            joined[0], joined[1], seen[0], seen[1]
        )
    }
}

/// A number with a comma before each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts `text` between the markers of `name` in a file of this repository.
fn write(file: &str, name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let before = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = before.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    std::fs::write(
        &path,
        format!("{head}<!-- {name} -->\n{text}<!-- end -->{tail}"),
    )
    .unwrap();
}

fn main() {
    // `cargo test --benches` and IDEs call benches with flags of their own; a small fleet shows
    // that it still works.
    let only: Option<u64> = if std::env::args().any(|argument| argument == "--test") {
        Some(1)
    } else {
        std::env::args().find_map(|text| text.parse().ok())
    };
    #[cfg(feature = "shared")]
    if std::env::args().any(|argument| argument == "shared") {
        return print_booting(only);
    }
    let sizes = only.map_or_else(|| vec![10, 100, 500], |watches| vec![watches]);
    let fleets: Vec<Vec<Row>> = sizes
        .iter()
        .map(|watches| {
            INTERVALS
                .iter()
                .map(|interval| Row::of(fleet(*watches, *interval)))
                .collect()
        })
        .collect();
    let mut tables = String::new();
    for (watches, rows) in sizes.iter().zip(&fleets) {
        tables.push_str(&format!("\n| interval, {watches} watches {HEAD}"));
        tables.extend(
            INTERVALS
                .iter()
                .zip(rows)
                .map(|(interval, row)| row.line(&format!("{interval} s"))),
        );
    }
    if only.is_none() {
        tables.push_str(&format!("\n| 500 watches every 30 s {HEAD}"));
        tables.push_str(
            &Row::of(Fleet {
                says_retry_after: false,
                ..fleet(500, 30)
            })
            .line("no `Retry-After`"),
        );
        let mut splayed = fleet(500, 30);
        splayed.pace.splay = MINUTE;
        tables.push_str(&Row::of(splayed).line("`splay` of 60 s"));
    }
    print!("{tables}");
    if only.is_none() && std::env::args().any(|argument| argument == "--write") {
        let today = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        write(
            "benches/fleet.md",
            "fleet",
            &format!(
                "\n{}; virtual time and fixed seeds, so the figures don't depend on the machine.\n{tables}\n",
                &today[..10]
            ),
        );
        let mut short =
            "\n| `--interval` | 10 sidecars | 100 sidecars | 500 sidecars |\n|---|---|---|---|\n"
                .to_owned();
        for (index, interval) in INTERVALS
            .iter()
            .enumerate()
            .filter(|(_, interval)| **interval != 120)
        {
            let cells: Vec<String> = fleets
                .iter()
                .map(|rows| {
                    format!(
                        "{}; {}",
                        thousands(rows[index].requests),
                        rows[index].seen[1]
                    )
                })
                .collect();
            let default = if Duration::from_secs(*interval) == Pace::default().interval {
                " (default)"
            } else {
                ""
            };
            short.push_str(&format!(
                "| {interval} s{default} | {} |\n",
                cells.join(" | ")
            ));
        }
        write("README.md", "interval", &format!("{short}\n"));
    }
}
