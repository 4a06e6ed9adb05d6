//! What does an interval cost a fleet? Many watches ask one simulated subscription behind Azure's documented limits, over hours of virtual time.
//!
//! Prints the tables of `fleet.md`, which says what was chosen from them: minutes of processor time for all, seconds for those whose number of watches is given.
//! `cargo bench -p cloud-autojoin --bench fleet [-- 100]`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at the first surprise")]

#[path = "fleet/sidecars.rs"]
mod sidecars;
#[path = "fleet/subscription.rs"]
mod subscription;

use std::time::Duration;

use cloud_autojoin::watch::Pace;
use sidecars::{Fleet, part_done};

const MINUTE: Duration = Duration::from_secs(60);

fn fleet(watches: u64, interval: u64) -> Fleet {
    let mut pace = Pace::default();
    pace.interval = Duration::from_secs(interval);
    Fleet { watches, pace, says_retry_after: true, before_and_after: (30 * MINUTE, 60 * MINUTE) }
}

fn print_head(first: &str) {
    println!("\n| {first} | half joined | all joined | 429 in the first 30 min | requests/h | 429/h | change seen by half | by all |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
}

fn print_row(name: &str, fleet: Fleet) {
    let outcome = fleet.run();
    let seconds =
        |times: &[Duration], part| part_done(times, fleet.watches, part).map_or_else(|| "never".to_owned(), |time| format!("{:.0} s", time.as_secs_f64()));
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} |",
        seconds(&outcome.joined, 0.5),
        seconds(&outcome.joined, 1.0),
        outcome.before.throttled,
        outcome.after.requests,
        outcome.after.throttled,
        seconds(&outcome.seen, 0.5),
        seconds(&outcome.seen, 1.0),
    );
}

fn main() {
    // `cargo test --benches` and IDEs call benches with flags of their own; a small fleet shows that it still works.
    let only: Option<u64> = if std::env::args().any(|argument| argument == "--test") { Some(1) } else { std::env::args().find_map(|text| text.parse().ok()) };
    for watches in only.map_or_else(|| vec![10, 100, 500], |watches| vec![watches]) {
        print_head(&format!("interval, {watches} watches"));
        for interval in [15, 30, 60, 120, 300] {
            print_row(&format!("{interval} s"), fleet(watches, interval));
        }
    }
    if only.is_none() {
        print_head("500 watches every 30 s");
        print_row("no `Retry-After`", Fleet { says_retry_after: false, ..fleet(500, 30) });
        let mut splayed = fleet(500, 30);
        splayed.pace.splay = MINUTE;
        print_row("`splay` of 60 s", splayed);
    }
}
