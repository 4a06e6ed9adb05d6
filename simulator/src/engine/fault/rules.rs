//! The faults in force: which of them strikes a request, and how often they did.

use std::sync::{Mutex, PoisonError};

use super::{Fault, FaultAction};
use crate::engine::message::Operation;
use crate::engine::record::Door;

/// The rules in force, each with how many requests met it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<(Fault, usize)>>,
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault, usize)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule behind the others.
    pub(crate) fn add(&self, fault: Fault) {
        self.lock().push((fault, 0));
    }

    /// Takes all rules away.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What happens to this request: any number of delays, and at most one other action, the last in the list.
    pub(crate) fn strike(&self, door: Door, operation: Operation, target: &str) -> Vec<FaultAction> {
        let mut delays = Vec::new();
        let mut other = None;
        for (fault, met) in self.lock().iter_mut() {
            let is_delay = matches!(fault.action, FaultAction::Delay(_));
            // A rule behind one that strikes does not see the request: "503 once, then reset once" is two rules.
            if (other.is_some() && !is_delay) || !fault.meets(door, operation, target) {
                continue;
            }
            let number = *met;
            *met += 1;
            let end = fault.times.map_or(usize::MAX, |times| fault.skip.saturating_add(times));
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

    fn strikes(faults: &Faults, times: usize) -> Vec<String> {
        (0..times)
            .map(|_| {
                let actions = faults.strike(Door::Arm, Operation::ListScaleSets, "/subscriptions/s?api-version=1");
                actions.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
            })
            .collect()
    }

    #[test]
    fn a_rule_skips_then_strikes_so_often_then_lets_pass() {
        let faults = Faults::default();
        faults.add(Fault::status(503).skip(1).times(2));
        assert_eq!(strikes(&faults, 5), ["", "status 503", "status 503", "", ""]);
    }

    #[test]
    fn rules_come_one_after_another_and_delays_beside_them() {
        let faults = Faults::default();
        faults.add(Fault::status(503).times(1));
        faults.add(Fault::reset().times(1));
        faults.add(Fault::delay(Duration::from_millis(5)).times(1));
        assert_eq!(strikes(&faults, 3), ["delay 5ms+status 503", "reset", ""]);
    }

    #[test]
    fn a_rule_strikes_only_what_it_is_aimed_at() {
        let faults = Faults::default();
        faults.add(Fault::hang().door(Door::Authority));
        faults.add(Fault::hang().operation(Operation::GetScaleSet));
        faults.add(Fault::hang().path_contains("/resourceGroups/"));
        assert_eq!(strikes(&faults, 1), [""]);
        faults.add(Fault::cut_json().path_contains("api-version=1").operation(Operation::ListScaleSets).door(Door::Arm));
        assert_eq!(strikes(&faults, 1), ["cut JSON"]);
    }
}
