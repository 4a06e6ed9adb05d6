//! What the log says of each answer: changes at once, what lasts once and then more and more seldom, an answer that says the same only to those who listen closely.

use std::mem::discriminant;
use std::sync::Arc;

use cloud_autojoin::Address;
use cloud_autojoin::watch::{Change, Event, Failure, Held, HeldReason, Source};

/// Writes the events of one watch into the log.
#[derive(Debug)]
pub(crate) struct Teller {
    watch: Arc<str>,
    /// What was told last of an answer that is held back.
    held: Option<(HeldReason, Arc<[Address]>)>,
}

impl Teller {
    /// For the watch of that name.
    pub(crate) fn new(watch: impl Into<Arc<str>>) -> Self {
        Self { watch: watch.into(), held: None }
    }

    /// Tells of an event.
    pub(crate) fn tell(&mut self, event: &Event) {
        match event {
            Event::Changed(change) => {
                self.changed(change);
                self.held = None;
                if let Some(held) = &change.held {
                    self.held_back(held);
                }
            }
            Event::Held(held) => self.held_back(held),
            Event::Failed(failure) => self.failed(failure),
            Event::Unchanged(discovery) => {
                self.held = None;
                tracing::debug!(watch = &*self.watch, addresses = discovery.addresses().len(), "unchanged");
            }
            other => tracing::debug!(watch = &*self.watch, "{other:?}"),
        }
    }

    fn changed(&self, change: &Change) {
        let (watch, addresses) = (&*self.watch, change.addresses.len());
        let list = |addresses: &[Address]| (!addresses.is_empty()).then(|| list(addresses));
        let (joined, left) = (list(&change.joined), list(&change.left));
        match change.source {
            Source::LastGood { age, is_stale: true } => {
                let age_s = age.map(|age| age.as_secs());
                let why = "older than `restore_max_age`, or of unknown age";
                tracing::error!(watch, addresses, age_s, "using the last good answer of an earlier run, which is {why}");
            }
            Source::LastGood { age, .. } => {
                let age_s = age.map(|age| age.as_secs());
                tracing::warn!(watch, addresses, age_s, "using the last good answer of an earlier run");
            }
            _ if joined.is_none() && left.is_none() => {
                tracing::info!(watch, addresses, "the addresses are those of the earlier run");
            }
            _ => tracing::info!(watch, addresses, joined, left, "the addresses changed"),
        }
    }

    fn held_back(&mut self, held: &Held) {
        let (watch, would_be) = (&*self.watch, list(&held.would_be));
        let is_known = self.held.as_ref().is_some_and(|(reason, would_be)| discriminant(reason) == discriminant(&held.reason) && *would_be == held.would_be);
        if is_known {
            tracing::debug!(watch, would_be, "an answer is still held back: {}", held.reason);
        } else {
            tracing::warn!(watch, would_be, "an answer is held back: {}", held.reason);
            self.held = Some((held.reason, Arc::clone(&held.would_be)));
        }
    }

    /// The first, second, fourth, eighth failure in a row and so on: an outage of hours fills no disk, and its end of the log still says what is wrong.
    fn failed(&self, failure: &Failure) {
        let hint = failure.error.hint();
        let hint = hint.as_deref();
        let (watch, consecutive, retry_in_s) = (&*self.watch, failure.consecutive, failure.retry_in.as_secs_f64());
        let text = failure.error.chain();
        if consecutive.is_power_of_two() {
            tracing::warn!(watch, hint, consecutive, retry_in_s, "no answer: {text}");
        } else {
            tracing::debug!(watch, hint, consecutive, retry_in_s, "still no answer: {text}");
        }
    }
}

/// Up to twenty addresses; a log line is no file.
fn list(addresses: &[Address]) -> String {
    let mut text = addresses.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if addresses.len() > 20 {
        text += &format!(" and {} more", addresses.len() - 20);
    }
    text
}
