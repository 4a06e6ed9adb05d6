//! What the log says of each answer: changes and what is held are told once, an answer that says the same only to those who listen closely.

use cloud_autojoin::Address;
use cloud_autojoin::watch::{Event, Held, Source};

/// Writes an event of the watch of that name into the log.
pub(crate) fn event(watch: &str, event: &Event) {
    match event {
        Event::Changed(change) => {
            let (addresses, joined, left) = (change.addresses.len(), list(&change.joined), list(&change.left));
            match change.source {
                Source::Fresh => tracing::info!(watch, addresses, joined, left, "the addresses changed"),
                Source::LastGood { age } => {
                    let age_s = age.map(|age| age.as_secs());
                    tracing::warn!(watch, addresses, joined, left, age_s, "using the last good answer of an earlier run until the cloud answers");
                }
                other => tracing::info!(watch, addresses, joined, left, "the addresses changed ({other:?})"),
            }
            if let Some(held) = &change.held {
                tell_held(watch, held);
            }
        }
        Event::Held(held) => tell_held(watch, held),
        Event::Failed(failure) => {
            let hint = failure.error.hint().unwrap_or_default();
            let (consecutive, retry_in_s) = (failure.consecutive, failure.retry_in.as_secs_f64());
            tracing::warn!(watch, hint = &*hint, consecutive, retry_in_s, "no answer: {}", crate::report::chain(&failure.error));
        }
        Event::Unchanged(discovery) => tracing::debug!(watch, addresses = discovery.addresses().len(), "unchanged"),
        other => tracing::debug!(watch, "{other:?}"),
    }
}

fn tell_held(watch: &str, held: &Held) {
    tracing::warn!(watch, would_be = list(&held.would_be), "an answer is held back: {}", held.reason);
}

/// Up to twenty addresses; a log line is no file.
fn list(addresses: &[Address]) -> String {
    let mut text = addresses.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if addresses.len() > 20 {
        text += &format!(" and {} more", addresses.len() - 20);
    }
    text
}
