//! Answers with a hole: what is needed to tell an address, or to tell that there is none, is
//! missing.
//!
//! Leaving such a resource out would make a short list, so it is an error where it belongs to what
//! was asked for. Where it gives an address all the same it is a finding.

use cloud_autojoin_core::{DecodeError, Error, Finding};

use crate::keys::PROVIDER_NAME;

const HINT: &str =
    "it may be changing just now: try again; if it stays like this, repair or delete it";

/// The error that `operation` can't be done, since the answer leaves out `what`.
pub(super) fn incomplete(operation: String, what: &str) -> Error {
    DecodeError::new(PROVIDER_NAME, operation, what)
        .with_hint(HINT)
        .into()
}

/// Interfaces with holes that give an address all the same.
#[derive(Debug, Default)]
pub(super) struct Holes {
    first: Option<String>,
    others: usize,
}

impl Holes {
    /// Takes in an interface, and what is missing of it.
    pub(super) fn note(&mut self, interface: &str, what: &str) {
        match self.first {
            None => {
                self.first = Some(format!(
                    "the answer for network interface `{interface}` is incomplete, and an address of it may be missing: {what}"
                ))
            }
            Some(_) => self.others += 1,
        }
    }

    /// What to say of them.
    pub(super) fn finding(self) -> Option<Finding> {
        let mut message = self.first?;
        if self.others > 0 {
            message += &format!("; it is the same with {} more", self.others);
        }
        Some(Finding::new(message).with_hint(HINT))
    }
}
