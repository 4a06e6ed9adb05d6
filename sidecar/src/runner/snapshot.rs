//! The addresses that the tasks of a watch share.

use std::sync::Arc;

use cloud_autojoin::Address;
use cloud_autojoin::watch::{AddressSource, Change, InUse};

/// The addresses to use now.
#[derive(Debug)]
pub(crate) struct AddressSnapshot {
    /// Counts the changes.
    pub(super) generation: u64,
    /// All of them.
    pub(super) addresses: Arc<[Address]>,
    /// Those in the newest result.
    pub(super) current: Arc<[Address]>,
    /// Those that only a guard keeps in use.
    pub(super) retained: Arc<[Address]>,
    /// Those before the first change of this run, which actions compare with.
    pub(super) before: Arc<[Address]>,
    /// Whether the cloud confirmed them in this run.
    pub(super) fresh: bool,
}

impl AddressSnapshot {
    /// The snapshot after a change.
    pub(crate) fn of(change: &Change, earlier: Option<&Self>) -> Self {
        let before = earlier.map_or_else(
            || {
                let mut before: Vec<Address> = change
                    .addresses
                    .iter()
                    .filter(|address| !change.joined.contains(address))
                    .chain(&change.left)
                    .cloned()
                    .collect();
                before.sort();
                before.into()
            },
            |earlier| Arc::clone(&earlier.before),
        );
        Self {
            generation: earlier.map_or(0, |earlier| earlier.generation) + 1,
            addresses: Arc::clone(&change.addresses),
            current: Arc::clone(&change.current),
            retained: Arc::clone(&change.retained),
            before,
            fresh: change.source == AddressSource::Fresh,
        }
    }

    /// The snapshot after a result that doesn't change the addresses, if it differs: in which of
    /// them are current, or in that they are fresh.
    pub(super) fn confirmed(&self, in_use: &InUse, is_confirmed: bool) -> Option<Self> {
        let fresh = self.fresh || is_confirmed;
        let is_same = fresh == self.fresh
            && self.current == in_use.current
            && self.retained == in_use.retained;
        (!is_same).then(|| Self {
            generation: self.generation,
            addresses: Arc::clone(&self.addresses),
            current: Arc::clone(&in_use.current),
            retained: Arc::clone(&in_use.retained),
            before: Arc::clone(&self.before),
            fresh,
        })
    }
}
