//! Holds the addresses in use, and judges each answer by the guards before it replaces them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cloud_autojoin_core::{Address, Moment};

use super::event::HeldReason;
use super::guard::{Guards, MaxShrink};

/// The addresses in use, and what the guards remember.
#[derive(Debug)]
pub(super) struct Gate {
    guards: Guards,
    in_use: Option<Arc<[Address]>>,
    /// The changed answer that has not been seen for long enough, and since when it has been seen.
    candidate: Option<(Vec<Address>, Moment)>,
    /// Which of those in use the answers lack, and since when without a break.
    missing: BTreeMap<Address, Moment>,
    /// How many were let go at once, and when: no older than the hold.
    let_go: VecDeque<(Moment, usize)>,
}

/// What the guards say to an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is what is in use.
    Unchanged,
    /// Nothing changes for now. Another look is worth it at this time, where there is one.
    Held(HeldReason, Option<Moment>),
    /// This is in use from now on.
    Changed(Step),
}

/// From what was in use to what is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub joined: Vec<Address>,
    pub left: Vec<Address>,
    /// What of the answer is still held back, and when another look is worth it.
    pub held: Option<(HeldReason, Option<Moment>)>,
}

impl Gate {
    /// Nothing in use yet, or the last good answer of an earlier run.
    pub(super) fn new(guards: Guards, in_use: Option<Arc<[Address]>>) -> Self {
        Self { guards, in_use, candidate: None, missing: BTreeMap::new(), let_go: VecDeque::new() }
    }

    /// What is in use.
    pub(super) fn in_use(&self) -> Option<&Arc<[Address]>> {
        self.in_use.as_ref()
    }

    /// Judges an answer, sorted and without duplicates, and takes over what the guards let through.
    pub(super) fn judge(&mut self, answer: &[Address], now: Moment) -> Verdict {
        let min = self.guards.min.max(1);
        if answer.len() < min {
            // Not to be trusted at all: neither does what it lacks count as missing, nor was anything seen unchanged.
            self.candidate = None;
            return Verdict::Held(HeldReason::BelowMin { found: answer.len(), min }, None);
        }
        let Some(in_use) = self.in_use.clone() else {
            self.in_use = Some(answer.into());
            return Verdict::Changed(Step { joined: answer.to_vec(), left: Vec::new(), held: None });
        };
        let joined = without(answer, &in_use);
        let gone = without(&in_use, answer);
        self.missing.retain(|address, _| gone.binary_search(address).is_ok());
        for address in &gone {
            self.missing.entry(address.clone()).or_insert(now);
        }
        if joined.is_empty() && gone.is_empty() {
            self.candidate = None;
            return Verdict::Unchanged;
        }
        if let Some(stable_at) = self.stable_at(answer, now).filter(|stable_at| *stable_at > now) {
            return Verdict::Held(HeldReason::NotYetStable { remaining: stable_at - now }, Some(stable_at));
        }
        let left = self.leaving(&gone, in_use.len(), now);
        for address in &left {
            self.missing.remove(address);
        }
        let held = self.shrink_held(in_use.len() - left.len() + joined.len(), now);
        if joined.is_empty() && left.is_empty() {
            return match held {
                Some((reason, again)) => Verdict::Held(reason, again),
                None => Verdict::Unchanged,
            };
        }
        let mut next = [without(&in_use, &left), joined.clone()].concat();
        next.sort();
        self.in_use = Some(next.into());
        Verdict::Changed(Step { joined, left, held })
    }

    /// From when on a changed answer counts; `None` where no guard asks for it.
    fn stable_at(&mut self, answer: &[Address], now: Moment) -> Option<Moment> {
        if self.guards.stable_for.is_zero() {
            return None;
        }
        let since = match &self.candidate {
            Some((candidate, since)) if candidate == answer => *since,
            _ => {
                self.candidate = Some((answer.to_vec(), now));
                now
            }
        };
        Some(since + self.guards.stable_for)
    }

    /// Which of those that are gone leave now; sorted.
    fn leaving(&mut self, gone: &[Address], in_use: usize, now: Moment) -> Vec<Address> {
        let Some(shrink) = self.guards.max_shrink else { return gone.to_vec() };
        while self.let_go.front().is_some_and(|(at, _)| now.duration_since(*at) >= shrink.hold) {
            self.let_go.pop_front();
        }
        let already = self.let_go.iter().map(|(_, count)| count).sum::<usize>();
        if gone.len() <= part(shrink, in_use + already).saturating_sub(already) {
            if !gone.is_empty() {
                self.let_go.push_back((now, gone.len()));
            }
            return gone.to_vec();
        }
        let mut overdue: Vec<(Moment, &Address)> = gone
            .iter()
            .filter_map(|address| Some((*self.missing.get(address)?, address)))
            .filter(|(since, _)| now.duration_since(*since) >= shrink.hold)
            .collect();
        overdue.sort();
        let mut leaving: Vec<&Address> = overdue.into_iter().take(part(shrink, in_use)).map(|(_, address)| address).collect();
        leaving.sort();
        leaving.into_iter().cloned().collect()
    }

    fn shrink_held(&self, of: usize, now: Moment) -> Option<(HeldReason, Option<Moment>)> {
        let hold = self.guards.max_shrink?.hold;
        let oldest = *self.missing.values().min()?;
        let next = oldest + hold;
        let next_in = next.saturating_duration_since(now);
        Some((HeldReason::ShrinksTooMuch { missing: self.missing.len(), of, next_in }, (next > now).then_some(next)))
    }
}

/// The share of `count` that may go in one step: at least one, or a list of two would never shrink.
fn part(shrink: MaxShrink, count: usize) -> usize {
    (count * usize::from(shrink.percent.min(100)) / 100).max(1)
}

/// What of `these`, in their order, is not among `those`, which are sorted.
fn without(these: &[Address], those: &[Address]) -> Vec<Address> {
    these.iter().filter(|address| those.binary_search(address).is_err()).cloned().collect()
}

#[cfg(test)]
mod tests;
