#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn addresses(numbers: impl IntoIterator<Item = u8>) -> Vec<Address> {
    numbers
        .into_iter()
        .map(|number| Address::ip([10, 0, 0, number].into()))
        .collect()
}

fn guards(min: usize, stable_for: Duration, max_shrink: Option<MaxShrink>) -> Guards {
    Guards {
        min,
        stable_for,
        max_shrink,
    }
}

/// A filter with `count` addresses in use, and the time at which they were seen.
fn filter(count: u8, guards: Guards) -> (ChangeFilter, Instant) {
    (
        ChangeFilter::new(guards, Some(addresses(1..=count).into())),
        Instant::now(),
    )
}

fn step(joined: impl IntoIterator<Item = u8>, left: impl IntoIterator<Item = u8>) -> Verdict {
    Verdict::Changed(Step {
        joined: addresses(joined),
        left: addresses(left),
        held: None,
    })
}

fn shrinks(
    missing: usize,
    of: usize,
    next_in: Duration,
    again: Option<Instant>,
) -> (HeldReason, Option<Instant>) {
    (
        HeldReason::ShrinksTooMuch {
            missing,
            of,
            next_in,
        },
        again,
    )
}

fn in_use(filter: &ChangeFilter) -> Vec<Address> {
    filter.in_use().unwrap().all.to_vec()
}

#[test]
fn the_first_result_counts_at_once_if_it_is_large_enough() {
    let mut filter = ChangeFilter::new(guards(2, MINUTE, None), None);
    let now = Instant::now();
    assert_eq!(
        filter.apply(&addresses([1]), now),
        Verdict::Held(HeldReason::BelowMin { found: 1, min: 2 }, None)
    );
    assert!(filter.in_use().is_none());
    assert_eq!(filter.apply(&addresses([1, 2]), now), step([1, 2], []));
    assert_eq!(filter.apply(&addresses([1, 2]), now), Verdict::Unchanged);
}

#[test]
fn a_result_without_addresses_replaces_nothing_whatever_the_guards() {
    let (mut filter, now) = filter(3, guards(0, Duration::ZERO, None));
    assert_eq!(
        filter.apply(&[], now),
        Verdict::Held(HeldReason::BelowMin { found: 0, min: 1 }, None)
    );
    assert_eq!(in_use(&filter), addresses(1..=3));
}

#[test]
fn one_replaced_instance_is_one_step() {
    let (mut filter, now) = filter(3, Guards::default());
    assert_eq!(filter.apply(&addresses([1, 2, 4]), now), step([4], [3]));
    assert_eq!(in_use(&filter), addresses([1, 2, 4]));
}

#[test]
fn a_change_counts_when_it_was_seen_unchanged_for_long_enough() {
    let (mut filter, start) = filter(3, guards(1, MINUTE, None));
    let not_yet = |remaining, at| Verdict::Held(HeldReason::NotYetStable { remaining }, Some(at));
    assert_eq!(
        filter.apply(&addresses(1..=4), start),
        not_yet(MINUTE, start + MINUTE)
    );
    assert_eq!(
        filter.apply(&addresses(1..=4), start + MINUTE / 2),
        not_yet(MINUTE / 2, start + MINUTE)
    );
    // Another change: from the beginning.
    assert_eq!(
        filter.apply(&addresses(1..=5), start + MINUTE),
        not_yet(MINUTE, start + 2 * MINUTE)
    );
    assert_eq!(
        filter.apply(&addresses(1..=5), start + 2 * MINUTE),
        step([4, 5], [])
    );
}

#[test]
fn a_change_that_went_away_in_between_is_seen_anew() {
    for between in [addresses(1..=3), addresses([1])] {
        let (mut filter, start) = filter(3, guards(2, MINUTE, None));
        filter.apply(&addresses(1..=4), start);
        filter.apply(&between, start + MINUTE / 2);
        assert!(
            matches!(
                filter.apply(&addresses(1..=4), start + MINUTE),
                Verdict::Held(HeldReason::NotYetStable { .. }, _)
            ),
            "{between:?}"
        );
    }
}

#[test]
fn a_half_empty_result_loses_nothing_and_passes_when_the_whole_one_is_back() {
    let (mut filter, start) = filter(10, Guards::default());
    let (reason, again) = shrinks(5, 10, 5 * MINUTE, Some(start + 5 * MINUTE));
    assert_eq!(
        filter.apply(&addresses(1..=5), start),
        Verdict::Held(reason, again)
    );
    assert_eq!(in_use(&filter), addresses(1..=10));
    assert_eq!(
        filter.apply(&addresses(1..=10), start + MINUTE),
        Verdict::Unchanged
    );
    // The next one is held for the whole time again.
    assert!(
        matches!(filter.apply(&addresses(1..=5), start + 5 * MINUTE), Verdict::Held(HeldReason::ShrinksTooMuch { next_in, .. }, _) if next_in == 5 * MINUTE)
    );
}

#[test]
fn a_large_shrink_that_stays_is_taken_in_steps_after_the_hold() {
    let (mut filter, start) = filter(10, Guards::default());
    let left = addresses([1, 2]);
    filter.apply(&left, start);
    let mut now = start + 5 * MINUTE;
    let (mut sizes, mut held) = (Vec::new(), Vec::new());
    while let Verdict::Changed(step) = filter.apply(&left, now) {
        sizes.push(in_use(&filter).len());
        held.extend(step.held);
        now += MINUTE;
    }
    assert_eq!(sizes, [6, 4, 3, 2]);
    assert_eq!(
        held,
        [
            shrinks(4, 6, Duration::ZERO, None),
            shrinks(2, 4, Duration::ZERO, None),
            shrinks(1, 3, Duration::ZERO, None)
        ]
    );
    assert_eq!(filter.apply(&left, now), Verdict::Unchanged);
    assert_eq!(in_use(&filter), left);
}

#[test]
fn new_addresses_are_used_at_once_while_departures_are_held() {
    let (mut filter, start) = filter(3, Guards::default());
    let held = Some(shrinks(3, 6, 5 * MINUTE, Some(start + 5 * MINUTE)));
    assert_eq!(
        filter.apply(&addresses(4..=6), start),
        Verdict::Changed(Step {
            joined: addresses(4..=6),
            left: vec![],
            held
        })
    );
    assert_eq!(in_use(&filter), addresses(1..=6));
}

#[test]
fn newcomers_do_not_let_more_of_the_old_ones_go() {
    let (mut filter, start) = filter(3, Guards::default());
    filter.apply(&addresses([3, 11, 12]), start);
    for minute in 1..5 {
        let (reason, again) = shrinks(2, 5, MINUTE * (5 - minute), Some(start + 5 * MINUTE));
        assert_eq!(
            filter.apply(&addresses([3, 11, 12]), start + MINUTE * minute),
            Verdict::Held(reason, again)
        );
    }
    // Whatever joins meanwhile, what was held stays for the whole hold.
    let many = [addresses([3]), addresses(11..=40)].concat();
    assert_eq!(filter.apply(&many, start + 299 * MINUTE / 60), {
        let held = Some(shrinks(2, 33, MINUTE / 60, Some(start + 5 * MINUTE)));
        Verdict::Changed(Step {
            joined: addresses(13..=40),
            left: vec![],
            held,
        })
    });
    assert_eq!(filter.apply(&many, start + 5 * MINUTE), step([], [1, 2]));
}

#[test]
fn addresses_that_have_just_joined_are_no_reason_to_drop_the_old_ones() {
    let (mut filter, start) = filter(3, Guards::default());
    assert_eq!(
        filter.apply(&addresses([1, 2, 3, 11, 12]), start),
        step([11, 12], [])
    );
    let (reason, again) = shrinks(2, 5, 5 * MINUTE, Some(start + 6 * MINUTE));
    assert_eq!(
        filter.apply(&addresses([3, 11, 12]), start + MINUTE),
        Verdict::Held(reason, again)
    );
    // One that joined long ago counts.
    let (mut filter, _) = self::filter(3, Guards::default());
    filter.apply(&addresses([1, 2, 3, 11, 12]), start);
    assert_eq!(
        filter.apply(&addresses([3, 11, 12]), start + 5 * MINUTE),
        step([], [1, 2])
    );
}

#[test]
fn what_is_held_is_not_let_go_early_when_some_of_it_comes_back() {
    let (mut filter, start) = filter(10, Guards::default());
    filter.apply(&addresses(1..=5), start);
    // Four would be within the share, but they are held already.
    assert!(matches!(
        filter.apply(&addresses(1..=6), start + MINUTE),
        Verdict::Held(HeldReason::ShrinksTooMuch { missing: 4, .. }, _)
    ));
    assert_eq!(
        filter.apply(&addresses(1..=6), start + 5 * MINUTE),
        step([], 7..=10)
    );
}

/// All in use, those in the newest accepted result, those that a guard keeps.
fn split(filter: &ChangeFilter) -> (Vec<Address>, Vec<Address>) {
    let in_use = filter.in_use().unwrap();
    let mut all = [&*in_use.current, &*in_use.retained].concat();
    all.sort();
    assert_eq!(all, *in_use.all);
    (in_use.current.to_vec(), in_use.retained.to_vec())
}

#[test]
fn only_an_accepted_result_decides_what_is_current() {
    let (mut filter, start) = filter(5, guards(2, MINUTE, Some(MaxShrink::default())));
    assert_eq!(split(&filter), (addresses(1..=5), addresses([])));
    // Below the minimum, then not yet stable.
    filter.apply(&addresses([1]), start);
    filter.apply(&addresses([1, 2]), start);
    assert_eq!(split(&filter), (addresses(1..=5), addresses([])));
    filter.apply(&addresses([1, 2]), start + MINUTE);
    assert_eq!(split(&filter), (addresses([1, 2]), addresses(3..=5)));
    filter.apply(&addresses([1]), start + MINUTE);
    assert_eq!(split(&filter), (addresses([1, 2]), addresses(3..=5)));
    filter.apply(&addresses(1..=5), start + 2 * MINUTE);
    assert_eq!(split(&filter), (addresses(1..=5), addresses([])));
}

#[test]
fn a_set_that_shrinks_poll_by_poll_is_held_too() {
    let (mut filter, start) = filter(10, Guards::default());
    let second = Duration::from_secs(1);
    let mut sizes = Vec::new();
    for gone in 1..=9_u8 {
        filter.apply(&addresses(1..=10 - gone), start + second * u32::from(gone));
        sizes.push(in_use(&filter).len());
    }
    assert_eq!(sizes, [9, 8, 7, 6, 6, 6, 6, 6, 6]);
}

#[test]
fn departures_within_the_share_go_again_when_the_hold_has_passed() {
    let (mut filter, start) = filter(10, Guards::default());
    assert_eq!(filter.apply(&addresses(1..=6), start), step([], 7..=10));
    assert!(matches!(
        filter.apply(&addresses(1..=5), start + MINUTE),
        Verdict::Held(..)
    ));
    assert_eq!(
        filter.apply(&addresses(1..=6), start + 2 * MINUTE),
        Verdict::Unchanged
    );
    assert_eq!(
        filter.apply(&addresses(1..=5), start + 5 * MINUTE),
        step([], [6])
    );
}

#[test]
fn what_has_just_gone_missing_is_not_taken_with_what_was_held_for_long() {
    let (mut filter, start) = filter(10, Guards::default());
    filter.apply(&addresses(1..=5), start);
    // At the very end of the hold a shorter result comes: only what has been missing all the time
    // leaves.
    let Verdict::Changed(step) = filter.apply(&addresses([1]), start + 5 * MINUTE) else {
        panic!("no step")
    };
    assert_eq!(step.left, addresses(6..=9));
    assert_eq!(in_use(&filter), addresses([1, 2, 3, 4, 5, 10]));
}

#[test]
fn two_can_become_one_and_without_the_guard_all_go_at_once() {
    let (mut two, now) = filter(2, Guards::default());
    assert_eq!(two.apply(&addresses([1]), now), step([], [2]));
    let (mut ten, now) = filter(10, guards(1, Duration::ZERO, None));
    assert_eq!(ten.apply(&addresses([1]), now), step([], 2..=10));
}

#[test]
fn ten_thousand_changing_results_leave_nothing_behind() {
    let (mut filter, start) = filter(10, Guards::default());
    for round in 0..10_000_u32 {
        let shift = u8::try_from(round % 200).unwrap();
        filter.apply(&addresses(shift..shift + 10), start + MINUTE * round);
    }
    assert!(
        filter.missing.len() <= 20
            && filter.recent_arrivals.len() <= 50
            && filter.recent_departures.len() <= 10
            && in_use(&filter).len() <= 40,
        "{filter:?}"
    );
}

#[test]
fn whatever_comes_what_the_cloud_names_is_in_use_and_no_more_than_the_share_leaves() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let shrink = MaxShrink::new(random.u8(..=100), MINUTE * random.u32(..5));
        let (mut filter, mut now) = filter(
            random.u8(1..20),
            guards(random.usize(..3), Duration::ZERO, Some(shrink)),
        );
        for _ in 0..60 {
            now += Duration::from_secs(random.u64(..120));
            let mut result = addresses((1..=24).filter(|_| random.bool()));
            result.truncate(random.usize(..=24));
            let before = in_use(&filter);
            let verdict = filter.apply(&result, now);
            let after = in_use(&filter);
            assert!(
                after.is_sorted() && !after.is_empty(),
                "seed {seed}: {after:?}"
            );
            if matches!(verdict, Verdict::Held(HeldReason::BelowMin { .. }, _)) {
                assert_eq!(before, after, "seed {seed}");
                continue;
            }
            assert!(
                result.iter().all(|address| after.contains(address)),
                "seed {seed}: {result:?} {after:?}"
            );
            let left = without(&before, &after);
            let recent_departures: usize = filter
                .recent_departures
                .iter()
                .map(|(_, count)| count)
                .sum();
            assert!(
                left.len() <= share(shrink, before.len() + recent_departures),
                "seed {seed}: {} of {} left",
                left.len(),
                before.len()
            );
            assert_eq!(
                verdict == Verdict::Unchanged,
                before == after && result == after,
                "seed {seed}: {verdict:?}"
            );
        }
    }
}
