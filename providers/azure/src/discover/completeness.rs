//! Responses that lack a deciding field: an error where a machine would be missing, a finding where
//! an address might be.

use cloud_autojoin_core::{DecodeError, Discovery, Error, Exclusion, Finding};

use crate::keys::PROVIDER_NAME;

const INCOMPLETE: &str =
    "it may be changing just now: try again; if it stays like this, repair or delete it";

/// The error that `operation` is impossible, since the response lacks `what`. Leaving such a
/// resource out would make a partial list.
pub(super) fn incomplete(operation: String, what: &str) -> Error {
    DecodeError::new(PROVIDER_NAME, operation, what)
        .with_hint(INCOMPLETE)
        .into()
}

/// The finding about interfaces that match, though the response lacks whether they have another
/// address.
pub(super) fn incomplete_nodes(discovery: &Discovery) -> Option<Finding> {
    let mut incomplete = discovery.nodes().iter().filter_map(|node| {
        let what = node.excluded.iter().find_map(|reason| match reason {
            Exclusion::Incomplete { what } => Some(what),
            _ => None,
        });
        what.map(|what| (&node.name, what))
    });
    let (name, what) = incomplete.next()?;
    let mut message = format!(
        "the response for network interface `{name}` is incomplete, and an address of it may be missing: {what}"
    );
    match incomplete.count() {
        0 => {}
        others => message += &format!("; it is the same with {others} more"),
    }
    Some(Finding::new(message).with_hint(INCOMPLETE))
}
