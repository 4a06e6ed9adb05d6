//! Logs the events of a watch: changes at once, a lasting condition once and then less and less
//! often, an unchanged result at debug level only.

use std::mem::discriminant;
use std::sync::Arc;

use cloud_autojoin::watch::{AddressSource, Change, Event, Held, HeldReason, PollFailure};
use cloud_autojoin::{Address, Discovery, Finding};

/// Logs the events of one watch.
#[derive(Debug)]
pub(crate) struct EventLogger {
    watch: Arc<str>,
    /// The last logged result that is held back.
    held: Option<(HeldReason, Arc<[Address]>)>,
    /// The findings of the last result.
    findings: Vec<Finding>,
}

impl EventLogger {
    /// A logger for the watch of that name.
    pub(crate) fn new(watch: impl Into<Arc<str>>) -> Self {
        Self {
            watch: watch.into(),
            held: None,
            findings: Vec::new(),
        }
    }

    /// Logs an event.
    pub(crate) fn log(&mut self, event: &Event) {
        match event {
            Event::Changed(change) => {
                self.changed(change);
                if let Some(discovery) = &change.discovery {
                    self.found(discovery);
                }
                self.held = None;
                if let Some(held) = &change.held {
                    self.held_back(held);
                }
            }
            Event::Held(held) => self.held_back(held),
            Event::Failed(failure) => self.failed(failure),
            Event::Unchanged(discovery) => {
                self.held = None;
                tracing::debug!(
                    watch = &*self.watch,
                    addresses = discovery.addresses().len(),
                    "unchanged"
                );
                self.found(discovery);
            }
            other => tracing::debug!(watch = &*self.watch, "{other:?}"),
        }
    }

    fn changed(&self, change: &Change) {
        let (watch, addresses) = (&*self.watch, change.addresses.len());
        let list = |addresses: &[Address]| (!addresses.is_empty()).then(|| list(addresses));
        let (joined, left) = (list(&change.joined), list(&change.left));
        match change.source {
            AddressSource::LastGood {
                age,
                is_stale: true,
            } => {
                let age_s = age.map(|age| age.as_secs());
                let why = "older than `restore_max_age`, or of unknown age";
                tracing::error!(
                    watch,
                    addresses,
                    age_s,
                    "using the last good result of an earlier run, which is {why}"
                );
            }
            AddressSource::LastGood { age, .. } => {
                let age_s = age.map(|age| age.as_secs());
                tracing::warn!(
                    watch,
                    addresses,
                    age_s,
                    "using the last good result of an earlier run"
                );
            }
            _ if joined.is_none() && left.is_none() => {
                tracing::info!(
                    watch,
                    addresses,
                    "the addresses equal those of the earlier run"
                );
            }
            _ => tracing::info!(watch, addresses, joined, left, "the addresses changed"),
        }
    }

    /// Warns of the findings of a result, once while they stay the same.
    fn found(&mut self, discovery: &Discovery) {
        for finding in discovery
            .findings()
            .iter()
            .filter(|finding| !self.findings.contains(finding))
        {
            tracing::warn!(
                watch = &*self.watch,
                hint = finding.hint.as_deref(),
                "{}",
                finding.message
            );
        }
        self.findings = discovery.findings().to_vec();
    }

    fn held_back(&mut self, held: &Held) {
        let (watch, would_be) = (&*self.watch, list(&held.would_be));
        let is_known = self.held.as_ref().is_some_and(|(reason, would_be)| {
            discriminant(reason) == discriminant(&held.reason) && *would_be == held.would_be
        });
        if is_known {
            tracing::debug!(
                watch,
                would_be,
                "a result is still held back: {}",
                held.reason
            );
        } else {
            tracing::warn!(watch, would_be, "a result is held back: {}", held.reason);
            self.held = Some((held.reason, Arc::clone(&held.would_be)));
        }
    }

    /// Logs the first, second, fourth, eighth consecutive failure and so on: an outage of hours
    /// doesn't fill the disk, and the end of the log still names the cause.
    fn failed(&self, failure: &PollFailure) {
        let hint = failure.error.hint();
        let hint = hint.as_deref();
        let (watch, consecutive, retry_in_s) = (
            &*self.watch,
            failure.consecutive,
            failure.retry_in.as_secs_f64(),
        );
        let text = failure.error.chain();
        if consecutive.is_power_of_two() {
            tracing::warn!(
                watch,
                hint,
                consecutive,
                retry_in_s,
                "the poll failed: {text}"
            );
        } else {
            tracing::debug!(
                watch,
                hint,
                consecutive,
                retry_in_s,
                "the poll still fails: {text}"
            );
        }
    }
}

/// Up to twenty addresses.
fn list(addresses: &[Address]) -> String {
    let mut text = addresses
        .iter()
        .take(20)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    if addresses.len() > 20 {
        text += &format!(" and {} more", addresses.len() - 20);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;
    use std::sync::Mutex;

    use cloud_autojoin::Detail;

    use super::*;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_gaps_of_a_result_are_logged_once() {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt().with_writer({
            let lines = lines.clone();
            move || lines.clone()
        });
        let mut incomplete = Discovery::new("azure", "tag", Detail::Addresses);
        incomplete.add_finding(Finding::new("the response is incomplete").with_hint("try again"));
        let (incomplete, whole) = (
            Arc::new(incomplete),
            Arc::new(Discovery::new("azure", "tag", Detail::Addresses)),
        );
        tracing::subscriber::with_default(log.with_ansi(false).finish(), || {
            let mut logger = EventLogger::new("servers");
            for discovery in [&incomplete, &incomplete, &whole, &incomplete] {
                logger.log(&Event::Unchanged(Arc::clone(discovery)));
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text.matches("WARN").count(),
            2,
            "once, and again when it is back: {text}"
        );
        assert!(
            text.contains(r#"the response is incomplete watch="servers" hint="try again""#),
            "{text}"
        );
    }
}
