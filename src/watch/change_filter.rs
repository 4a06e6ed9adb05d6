//! Holds the addresses in use, and checks each result against the guards before it replaces them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::{Address, Instant};

use super::event::HeldReason;
use super::guard::{Guards, MaxShrink};

/// The addresses in use, and the state of the guards.
#[derive(Debug)]
pub(super) struct ChangeFilter {
    guards: Guards,
    in_use: Option<Addresses>,
    /// A changed result that isn't stable yet, and when it was first seen.
    candidate: Option<(Vec<Address>, Instant)>,
    /// The addresses in use that the results lack.
    missing: BTreeMap<Address, Missing>,
    /// When addresses were added, for those added within the hold. Addresses restored at the start
    /// or found by the first poll aren't among them.
    recent_arrivals: BTreeMap<Address, Instant>,
    /// How many addresses were removed, and when, within the hold.
    recent_departures: VecDeque<(Instant, usize)>,
}

/// The addresses in use, and which of them are in the newest accepted result.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    pub all: Arc<[Address]>,
    /// Those in the newest accepted result.
    pub current: Arc<[Address]>,
    /// The others, which only a guard keeps in use.
    pub retained: Arc<[Address]>,
}

impl Addresses {
    /// Nothing retained.
    fn of(all: Arc<[Address]>) -> Self {
        Self {
            current: Arc::clone(&all),
            all,
            retained: Arc::default(),
        }
    }

    /// `current` and `retained` are sorted and have no address in common.
    fn split(current: &[Address], retained: Vec<Address>) -> Self {
        if retained.is_empty() {
            return Self::of(current.into());
        }
        let mut all = [current, &retained].concat();
        all.sort();
        Self {
            all: all.into(),
            current: current.into(),
            retained: retained.into(),
        }
    }
}

/// An address in use that the results lack.
#[derive(Debug, Clone, Copy)]
struct Missing {
    /// Since when, without interruption.
    since: Instant,
    /// Whether it is retained for the whole hold.
    is_held: bool,
}

/// What the guards decide about a result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The result has the addresses in use.
    Unchanged,
    /// Nothing changes for now. The time is when to poll again, if that helps.
    Held(HeldReason, Option<Instant>),
    /// The addresses in use changed.
    Changed(Step),
}

/// A change of the addresses in use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub joined: Vec<Address>,
    pub left: Vec<Address>,
    /// The part that is held back, and when to poll again.
    pub held: Option<(HeldReason, Option<Instant>)>,
}

impl ChangeFilter {
    /// Starts without addresses, or with the last good result of an earlier run.
    pub(super) fn new(guards: Guards, in_use: Option<Arc<[Address]>>) -> Self {
        Self {
            guards,
            in_use: in_use.map(Addresses::of),
            candidate: None,
            missing: BTreeMap::new(),
            recent_arrivals: BTreeMap::new(),
            recent_departures: VecDeque::new(),
        }
    }

    /// The addresses in use.
    pub(super) fn in_use(&self) -> Option<&Addresses> {
        self.in_use.as_ref()
    }

    /// Applies a result, sorted and without duplicates, as far as the guards allow.
    pub(super) fn apply(&mut self, result: &[Address], now: Instant) -> Verdict {
        let min = self.guards.min.max(1);
        if result.len() < min {
            // It isn't trusted at all: what it lacks doesn't count as missing, and no candidate is
            // confirmed by it.
            self.candidate = None;
            return Verdict::Held(
                HeldReason::BelowMin {
                    found: result.len(),
                    min,
                },
                None,
            );
        }
        let Some(in_use) = self.in_use.as_ref().map(|in_use| Arc::clone(&in_use.all)) else {
            self.in_use = Some(Addresses::of(result.into()));
            return Verdict::Changed(Step {
                joined: result.to_vec(),
                left: Vec::new(),
                held: None,
            });
        };
        let joined = without(result, &in_use);
        let gone = without(&in_use, result);
        self.missing
            .retain(|address, _| gone.binary_search(address).is_ok());
        for address in &gone {
            self.missing.entry(address.clone()).or_insert(Missing {
                since: now,
                is_held: false,
            });
        }
        if joined.is_empty() && gone.is_empty() {
            self.candidate = None;
            if let Some(in_use) = self
                .in_use
                .as_mut()
                .filter(|in_use| !in_use.retained.is_empty())
            {
                *in_use = Addresses::of(Arc::clone(&in_use.all));
            }
            return Verdict::Unchanged;
        }
        if let Some(stable_at) = self
            .stable_at(result, now)
            .filter(|stable_at| *stable_at > now)
        {
            return Verdict::Held(
                HeldReason::NotYetStable {
                    remaining: stable_at - now,
                },
                Some(stable_at),
            );
        }
        let left = self.leaving(&gone, in_use.len(), now);
        for address in &left {
            self.missing.remove(address);
            self.recent_arrivals.remove(address);
        }
        if self.guards.max_shrink.is_some() {
            self.recent_arrivals
                .extend(joined.iter().map(|address| (address.clone(), now)));
        }
        let held = self.shrink_held(in_use.len() - left.len() + joined.len(), now);
        self.in_use = Some(Addresses::split(result, without(&gone, &left)));
        if joined.is_empty() && left.is_empty() {
            return match held {
                Some((reason, again)) => Verdict::Held(reason, again),
                None => Verdict::Unchanged,
            };
        }
        Verdict::Changed(Step { joined, left, held })
    }

    /// Applies a result that is unrelated to the addresses in use: only `min` is checked.
    pub(super) fn apply_replacement(&mut self, result: &[Address], now: Instant) -> Verdict {
        let guards = self.guards;
        self.guards = Guards {
            min: guards.min,
            stable_for: Duration::ZERO,
            max_shrink: None,
        };
        let verdict = self.apply(result, now);
        self.guards = guards;
        verdict
    }

    /// When a changed result becomes stable; `None` without that guard.
    fn stable_at(&mut self, result: &[Address], now: Instant) -> Option<Instant> {
        if self.guards.stable_for.is_zero() {
            return None;
        }
        let since = match &self.candidate {
            Some((candidate, since)) if candidate == result => *since,
            _ => {
                self.candidate = Some((result.to_vec(), now));
                now
            }
        };
        Some(since + self.guards.stable_for)
    }

    /// Which of the missing addresses are removed now; sorted.
    fn leaving(&mut self, gone: &[Address], in_use: usize, now: Instant) -> Vec<Address> {
        let Some(shrink) = self.guards.max_shrink else {
            return gone.to_vec();
        };
        let is_over = |since: Instant| now.duration_since(since) >= shrink.hold;
        while self
            .recent_departures
            .front()
            .is_some_and(|(at, _)| is_over(*at))
        {
            self.recent_departures.pop_front();
        }
        self.recent_arrivals.retain(|_, since| !is_over(*since));
        // Recent arrivals don't count: otherwise replacing a whole cluster would remove all of its
        // old members as soon as the new ones are found.
        let base = in_use - self.recent_arrivals.len();
        let already = self
            .recent_departures
            .iter()
            .map(|(_, count)| count)
            .sum::<usize>();
        let is_small = gone.len() <= share(shrink, base + already).saturating_sub(already);
        let (mut leaving, mut overdue) = (Vec::new(), Vec::new());
        for address in gone {
            match self.missing.get_mut(address) {
                // A retained address stays for the whole hold, even if the share grows meanwhile.
                Some(missing) if is_over(missing.since) => overdue.push((missing.since, address)),
                Some(missing) if missing.is_held || !is_small => missing.is_held = true,
                _ => leaving.push(address.clone()),
            }
        }
        if !leaving.is_empty() {
            self.recent_departures.push_back((now, leaving.len()));
        }
        overdue.sort();
        leaving.extend(
            overdue
                .into_iter()
                .take(share(shrink, base))
                .map(|(_, address)| address.clone()),
        );
        leaving.sort();
        leaving
    }

    fn shrink_held(&self, of: usize, now: Instant) -> Option<(HeldReason, Option<Instant>)> {
        let hold = self.guards.max_shrink?.hold;
        let oldest = self.missing.values().map(|missing| missing.since).min()?;
        let next = oldest + hold;
        let next_in = next.saturating_duration_since(now);
        Some((
            HeldReason::ShrinksTooMuch {
                missing: self.missing.len(),
                of,
                next_in,
            },
            (next > now).then_some(next),
        ))
    }
}

/// The part of `count` that may be removed in one step: at least one, or a list of two would never
/// shrink.
fn share(shrink: MaxShrink, count: usize) -> usize {
    (count * usize::from(shrink.percent.min(100)) / 100).max(1)
}

/// Those of `these` that aren't in `those`, which is sorted. Keeps the order.
fn without(these: &[Address], those: &[Address]) -> Vec<Address> {
    these
        .iter()
        .filter(|address| those.binary_search(address).is_err())
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
