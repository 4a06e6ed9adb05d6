//! The active faults: selects those of a request, and counts.

use std::sync::{Mutex, PoisonError};

use super::{Fault, FaultAction};
use crate::engine::service::{Endpoint, Operation};

/// The active rules, each with the number of matching requests.
#[derive(Debug)]
pub(crate) struct Faults<E, O> {
    rules: Mutex<Vec<(Fault<E, O>, usize)>>,
}

impl<E, O> Default for Faults<E, O> {
    fn default() -> Self {
        Self {
            rules: Mutex::default(),
        }
    }
}

impl<E: Endpoint, O: Operation> Faults<E, O> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault<E, O>, usize)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule after the others.
    pub(crate) fn add(&self, fault: Fault<E, O>) {
        self.lock().push((fault, 0));
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The effects on this request: any number of delays, and at most one other action, the last in
    /// the list.
    pub(crate) fn take(&self, endpoint: E, operation: &O, target: &str) -> Vec<FaultAction> {
        let mut delays = Vec::new();
        let mut other = None;
        for (fault, matched) in self.lock().iter_mut() {
            let is_delay = matches!(fault.action, FaultAction::Delay(_));
            // A rule after one that applies doesn't see the request: "503 once, then reset once" is
            // two rules.
            if (other.is_some() && !is_delay) || !fault.matches(endpoint, operation, target) {
                continue;
            }
            let number = *matched;
            *matched += 1;
            let end = fault
                .times
                .map_or(usize::MAX, |times| fault.skip.saturating_add(times));
            if number < fault.skip || number >= end {
                continue;
            }
            if is_delay {
                delays.push(fault.action.clone());
            } else {
                other = Some(fault.action.clone());
            }
        }
        delays.extend(other);
        delays
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::testing::{Endpoint, Operation};

    fn taken(faults: &Faults<Endpoint, Operation>, times: usize) -> Vec<String> {
        (0..times)
            .map(|_| {
                let actions =
                    faults.take(Endpoint::Api, &Operation::List, "/projects/p?api-version=1");
                actions
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("+")
            })
            .collect()
    }

    #[test]
    fn a_rule_skips_then_applies_so_often_then_lets_pass() {
        let faults = Faults::default();
        faults.add(Fault::status(503).skip(1).times(2));
        assert_eq!(taken(&faults, 5), ["", "status 503", "status 503", "", ""]);
    }

    #[test]
    fn rules_come_one_after_another_and_delays_beside_them() {
        let faults = Faults::default();
        faults.add(Fault::status(503).times(1));
        faults.add(Fault::reset().times(1));
        faults.add(Fault::delay(Duration::from_millis(5)).times(1));
        assert_eq!(taken(&faults, 3), ["delay 5ms+status 503", "reset", ""]);
    }

    #[test]
    fn a_rule_applies_only_to_what_it_is_aimed_at() {
        let faults = Faults::default();
        faults.add(Fault::hang().endpoint(Endpoint::Login));
        faults.add(Fault::hang().operation(Operation::Get));
        faults.add(Fault::hang().path_contains("/groups/"));
        assert_eq!(taken(&faults, 1), [""]);
        faults.add(
            Fault::cut_json()
                .path_contains("api-version=1")
                .operation(Operation::List)
                .endpoint(Endpoint::Api),
        );
        assert_eq!(taken(&faults, 1), ["cut JSON"]);
    }
}
