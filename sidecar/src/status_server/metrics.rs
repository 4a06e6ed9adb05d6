//! `/metrics` in the OpenMetrics text format, built from the status at each scrape: a watch that a
//! reload removed is absent from the next one.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::status::{PartType, SidecarStatus};

/// The content type of the response.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    /// Its name; counters are scraped with `_total` at the end.
    pub(crate) name: &'static str,
    /// `counter` or `gauge`.
    pub(crate) metric_type: &'static str,
    /// Its labels.
    pub(crate) labels: &'static [&'static str],
    /// Its meaning.
    pub(crate) help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        metric_type: "counter",
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        metric_type: "gauge",
        labels,
        help,
    }
}

const FILE: &[&str] = &["watch", "kind", "path", "outcome"];
const AGENT: &[&str] = &["watch", "kind", "agent", "outcome"];
const ON_CHANGE: &[&str] = &["watch", "action", "outcome"];

/// Every metric.
pub(crate) const METRICS: &[Metric] = &[
    gauge(
        "discover_ready",
        &[],
        "1 once every watch has had addresses and every file has been written",
    ),
    gauge(
        "discover_build_info",
        &["version"],
        "1; the running version",
    ),
    counter(
        "discover_reloads",
        &["outcome"],
        "configuration reloads: `succeeded`, or `failed` because it is invalid",
    ),
    counter("discover_watch_polls", &["watch"], "polls of the cloud"),
    counter(
        "discover_watch_poll_results",
        &["watch", "outcome"],
        "results of the polls: `good`, `empty`, `failed`; `held` counts good ones that a guard held back",
    ),
    counter(
        "discover_watch_requests",
        &["watch"],
        "HTTP requests sent, retries included",
    ),
    counter(
        "discover_watch_throttled_requests",
        &["watch"],
        "requests that the cloud rejected with 429",
    ),
    counter(
        "discover_watch_changes",
        &["watch"],
        "changes of the addresses in use",
    ),
    gauge("discover_watch_addresses", &["watch"], "addresses in use"),
    gauge(
        "discover_watch_result_age_seconds",
        &["watch"],
        "time since the cloud last confirmed the addresses in use, across restarts; absent while unknown",
    ),
    gauge(
        "discover_watch_consecutive_failures",
        &["watch"],
        "consecutive polls without a usable result",
    ),
    gauge(
        "discover_watch_held",
        &["watch"],
        "1 while a guard holds a result back",
    ),
    counter(
        "discover_file_writes",
        FILE,
        "files brought up to date: `replaced`, `unchanged`, `failed`",
    ),
    counter(
        "discover_agent_calls",
        AGENT,
        "checks of a running agent: `joined` peers, `unchanged`, `failed`",
    ),
    counter(
        "discover_on_change_runs",
        ON_CHANGE,
        "commands and signals: `done`, `failed`",
    ),
    gauge(
        "discover_output_failing",
        &["watch", "kind", "target"],
        "1 while the newest attempt of a file, agent or action has failed",
    ),
];

/// A gauge of any number.
type Number = Gauge<f64, AtomicU64>;

type Labels = Vec<(&'static str, String)>;

/// The metrics of one scrape.
struct Scrape {
    registry: Registry,
    counters: Vec<(&'static str, Family<Labels, Counter>)>,
    gauges: Vec<(&'static str, Family<Labels, Number>)>,
}

impl Scrape {
    fn new() -> Self {
        let mut scrape = Self {
            registry: Registry::default(),
            counters: Vec::new(),
            gauges: Vec::new(),
        };
        for metric in METRICS {
            if metric.metric_type == "counter" {
                let family = Family::default();
                scrape
                    .registry
                    .register(metric.name, metric.help, family.clone());
                scrape.counters.push((metric.name, family));
            } else {
                let family = Family::default();
                scrape
                    .registry
                    .register(metric.name, metric.help, family.clone());
                scrape.gauges.push((metric.name, family));
            }
        }
        scrape
    }

    fn count(&self, name: &str, labels: &[(&'static str, &str)], value: u64) {
        let family = self.counters.iter().find(|(known, _)| *known == name);
        debug_assert!(is_in_table(name, labels), "{name} isn't in the table");
        if let Some((_, family)) = family {
            family.get_or_create(&owned(labels)).inc_by(value);
        }
    }

    fn set(&self, name: &str, labels: &[(&'static str, &str)], value: f64) {
        let family = self.gauges.iter().find(|(known, _)| *known == name);
        debug_assert!(is_in_table(name, labels), "{name} isn't in the table");
        if let Some((_, family)) = family {
            family.get_or_create(&owned(labels)).set(value);
        }
    }
}

fn is_in_table(name: &str, labels: &[(&'static str, &str)]) -> bool {
    METRICS.iter().any(|metric| {
        metric.name == name
            && metric
                .labels
                .iter()
                .eq(labels.iter().map(|(label, _)| label))
    })
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

fn boolean(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// The current metrics.
///
/// # Errors
///
/// The encoder failed, which it doesn't in memory.
pub(super) fn render(status: &SidecarStatus) -> Result<String, fmt::Error> {
    let scrape = Scrape::new();
    scrape.set("discover_ready", &[], boolean(status.is_ready()));
    scrape.set(
        "discover_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    let reloads = status.reloads();
    for (outcome, count) in [("succeeded", reloads.succeeded), ("failed", reloads.failed)] {
        scrape.count("discover_reloads", &[("outcome", outcome)], count);
    }
    for watch in status.watches() {
        let (status, name) = (watch.polls.read(), [("watch", watch.name.as_str())]);
        let counts = status.counts;
        scrape.count("discover_watch_polls", &name, counts.polls);
        for (outcome, count) in [
            ("good", counts.good),
            ("empty", counts.empty),
            ("failed", counts.failed),
            ("held", counts.held),
        ] {
            scrape.count(
                "discover_watch_poll_results",
                &[name[0], ("outcome", outcome)],
                count,
            );
        }
        scrape.count("discover_watch_requests", &name, counts.requests);
        scrape.count("discover_watch_throttled_requests", &name, counts.throttled);
        scrape.count("discover_watch_changes", &name, counts.changes);
        scrape.set(
            "discover_watch_addresses",
            &name,
            status
                .in_use
                .as_ref()
                .map_or(0, |used| used.addresses.len()) as f64,
        );
        if let Some(age) = status.in_use.as_ref().and_then(|used| used.age) {
            scrape.set(
                "discover_watch_result_age_seconds",
                &name,
                age.as_secs_f64(),
            );
        }
        scrape.set(
            "discover_watch_consecutive_failures",
            &name,
            f64::from(status.consecutive_failures),
        );
        scrape.set("discover_watch_held", &name, boolean(status.held.is_some()));
        for part in &watch.parts {
            let (state, kind, target) = (part.status(), ("kind", part.kind), part.target.as_str());
            scrape.set(
                "discover_output_failing",
                &[name[0], kind, ("target", target)],
                boolean(state.failing),
            );
            let counts = state.counts;
            let (metric, place, outcomes): (_, &[_], &[_]) = match part.part_type {
                PartType::File => (
                    "discover_file_writes",
                    &[kind, ("path", target)],
                    &[
                        ("replaced", counts.done),
                        ("unchanged", counts.unchanged),
                        ("failed", counts.failed),
                    ],
                ),
                PartType::Agent => (
                    "discover_agent_calls",
                    &[kind, ("agent", target)],
                    &[
                        ("joined", counts.done),
                        ("unchanged", counts.unchanged),
                        ("failed", counts.failed),
                    ],
                ),
                PartType::OnChange => (
                    "discover_on_change_runs",
                    &[("action", target)],
                    &[("done", counts.done), ("failed", counts.failed)],
                ),
            };
            for (outcome, count) in outcomes {
                let labels: Vec<_> = name
                    .iter()
                    .chain(place)
                    .copied()
                    .chain([("outcome", *outcome)])
                    .collect();
                scrape.count(metric, &labels, *count);
            }
        }
    }
    let mut text = String::new();
    encode(&mut text, &scrape.registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the README.
    fn table() -> String {
        let mut text = "| metric | labels | meaning |\n|---|---|---|\n".to_owned();
        for metric in METRICS {
            let suffix = if metric.metric_type == "counter" {
                "_total"
            } else {
                ""
            };
            let labels = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect::<Vec<_>>()
                .join(", ");
            text += &format!(
                "| `{}{suffix}` | {labels} | {} |\n",
                metric.name, metric.help
            );
        }
        text
    }

    #[test]
    fn the_documents_have_this_table() {
        assert!(
            include_str!("../../README.md").contains(&table()),
            "put this table into README.md:\n{}",
            table()
        );
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for Metric {
            name,
            metric_type,
            help,
            ..
        } in METRICS
        {
            assert!(
                name.starts_with("discover_")
                    && name
                        .chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_'),
                "{name}"
            );
            assert!(
                ["counter", "gauge"].contains(metric_type)
                    && !name.ends_with("_total")
                    && !help.ends_with('.'),
                "{name}"
            );
        }
    }
}
