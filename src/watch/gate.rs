//! Holds the addresses in use, and judges each answer by the guards before it replaces them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{Address, Moment};

use super::event::HeldReason;
use super::guard::{Guards, MaxShrink};

/// The addresses in use, and what the guards remember.
#[derive(Debug)]
pub(super) struct Gate {
    guards: Guards,
    in_use: Option<Addresses>,
    /// The changed answer that has not been seen for long enough, and since when it has been seen.
    candidate: Option<(Vec<Address>, Moment)>,
    /// Which of those in use the answers lack.
    missing: BTreeMap<Address, Missing>,
    /// When those came into use that have not been in use for the hold yet. What was in use at the
    /// start, or came with the first answer, is not among them.
    newcomers: BTreeMap<Address, Moment>,
    /// How many were let go at once, and when: no older than the hold.
    let_go: VecDeque<(Moment, usize)>,
}

/// The addresses in use: all of them, and which of them the newest accepted answer has.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    pub all: Arc<[Address]>,
    /// Those in the newest accepted answer.
    pub current: Arc<[Address]>,
    /// The others, which only a guard keeps in use.
    pub retained: Arc<[Address]>,
}

impl Addresses {
    /// Nothing retained.
    fn of(all: Arc<[Address]>) -> Self {
        Self { current: Arc::clone(&all), all, retained: Arc::default() }
    }

    /// `current` and `retained` are sorted and have no address in common.
    fn split(current: &[Address], retained: Vec<Address>) -> Self {
        if retained.is_empty() {
            return Self::of(current.into());
        }
        let mut all = [current, &retained].concat();
        all.sort();
        Self { all: all.into(), current: current.into(), retained: retained.into() }
    }
}

/// An address in use that the answers lack.
#[derive(Debug, Clone, Copy)]
struct Missing {
    /// Since when, without a break.
    since: Moment,
    /// Whether it was decided that it stays for the hold.
    is_held: bool,
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
        Self { guards, in_use: in_use.map(Addresses::of), candidate: None, missing: BTreeMap::new(), newcomers: BTreeMap::new(), let_go: VecDeque::new() }
    }

    /// What is in use.
    pub(super) fn in_use(&self) -> Option<&Addresses> {
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
        let Some(in_use) = self.in_use.as_ref().map(|in_use| Arc::clone(&in_use.all)) else {
            self.in_use = Some(Addresses::of(answer.into()));
            return Verdict::Changed(Step { joined: answer.to_vec(), left: Vec::new(), held: None });
        };
        let joined = without(answer, &in_use);
        let gone = without(&in_use, answer);
        self.missing.retain(|address, _| gone.binary_search(address).is_ok());
        for address in &gone {
            self.missing.entry(address.clone()).or_insert(Missing { since: now, is_held: false });
        }
        if joined.is_empty() && gone.is_empty() {
            self.candidate = None;
            if let Some(in_use) = self.in_use.as_mut().filter(|in_use| !in_use.retained.is_empty()) {
                *in_use = Addresses::of(Arc::clone(&in_use.all));
            }
            return Verdict::Unchanged;
        }
        if let Some(stable_at) = self.stable_at(answer, now).filter(|stable_at| *stable_at > now) {
            return Verdict::Held(HeldReason::NotYetStable { remaining: stable_at - now }, Some(stable_at));
        }
        let left = self.leaving(&gone, in_use.len(), now);
        for address in &left {
            self.missing.remove(address);
            self.newcomers.remove(address);
        }
        if self.guards.max_shrink.is_some() {
            self.newcomers.extend(joined.iter().map(|address| (address.clone(), now)));
        }
        let held = self.shrink_held(in_use.len() - left.len() + joined.len(), now);
        self.in_use = Some(Addresses::split(answer, without(&gone, &left)));
        if joined.is_empty() && left.is_empty() {
            return match held {
                Some((reason, again)) => Verdict::Held(reason, again),
                None => Verdict::Unchanged,
            };
        }
        Verdict::Changed(Step { joined, left, held })
    }

    /// Judges an answer that has nothing to do with what is in use: only the least number counts.
    pub(super) fn judge_replacement(&mut self, answer: &[Address], now: Moment) -> Verdict {
        let guards = self.guards;
        self.guards = Guards { min: guards.min, stable_for: Duration::ZERO, max_shrink: None };
        let verdict = self.judge(answer, now);
        self.guards = guards;
        verdict
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
        let is_over = |since: Moment| now.duration_since(since) >= shrink.hold;
        while self.let_go.front().is_some_and(|(at, _)| is_over(*at)) {
            self.let_go.pop_front();
        }
        self.newcomers.retain(|_, since| !is_over(*since));
        // Newcomers don't count: with them in the base, a cluster that is replaced as a whole would
        // lose all of its old members as soon as the new ones are there.
        let base = in_use - self.newcomers.len();
        let already = self.let_go.iter().map(|(_, count)| count).sum::<usize>();
        let is_small = gone.len() <= share(shrink, base + already).saturating_sub(already);
        let (mut leaving, mut overdue) = (Vec::new(), Vec::new());
        for address in gone {
            match self.missing.get_mut(address) {
                // What was once held stays for the whole hold, also when the share grows meanwhile.
                Some(missing) if is_over(missing.since) => overdue.push((missing.since, address)),
                Some(missing) if missing.is_held || !is_small => missing.is_held = true,
                _ => leaving.push(address.clone()),
            }
        }
        if !leaving.is_empty() {
            self.let_go.push_back((now, leaving.len()));
        }
        overdue.sort();
        leaving.extend(overdue.into_iter().take(share(shrink, base)).map(|(_, address)| address.clone()));
        leaving.sort();
        leaving
    }

    fn shrink_held(&self, of: usize, now: Moment) -> Option<(HeldReason, Option<Moment>)> {
        let hold = self.guards.max_shrink?.hold;
        let oldest = self.missing.values().map(|missing| missing.since).min()?;
        let next = oldest + hold;
        let next_in = next.saturating_duration_since(now);
        Some((HeldReason::ShrinksTooMuch { missing: self.missing.len(), of, next_in }, (next > now).then_some(next)))
    }
}

/// The share of `count` that may go in one step: at least one, or a list of two would never shrink.
fn share(shrink: MaxShrink, count: usize) -> usize {
    (count * usize::from(shrink.percent.min(100)) / 100).max(1)
}

/// What of `these`, in their order, is not among `those`, which are sorted.
fn without(these: &[Address], those: &[Address]) -> Vec<Address> {
    these.iter().filter(|address| those.binary_search(address).is_err()).cloned().collect()
}

#[cfg(test)]
mod tests;
