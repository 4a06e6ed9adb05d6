//! Five hundred watches that start at the same moment and poll one subscription behind Azure's
//! documented limits: `benches/fleet.rs` for some minutes of virtual time.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../benches/fleet/sidecars.rs"]
mod sidecars;
#[path = "../benches/fleet/subscription.rs"]
mod subscription;

use std::time::Duration;

use sidecars::{Fleet, part_done};

const MINUTE: Duration = Duration::from_secs(60);
const WATCHES: u64 = 500;

#[test]
fn five_hundred_watches_all_join_and_do_not_hammer_a_subscription_that_throttles_them() {
    let outcome = Fleet::new(WATCHES, (4 * MINUTE, 3 * MINUTE)).run();
    let joined = |part| part_done(&outcome.joined, WATCHES, part).expect("that many have joined");
    println!(
        "half joined after {:?}, all after {:?}; {:?}, then {:?}",
        joined(0.5),
        joined(1.0),
        outcome.before,
        outcome.after
    );
    assert!(joined(0.5) < MINUTE && joined(1.0) < 4 * MINUTE);
    assert!(
        part_done(&outcome.seen, WATCHES, 0.5).is_some_and(|time| time < 2 * MINUTE),
        "a change is seen by half of them: {:?}",
        outcome.seen.len()
    );
    // All make three requests in the first second, and 250 are let through.
    assert!(
        outcome.before.throttled > 500 && outcome.before.throttled < 6_000,
        "{:?}",
        outcome.before
    );
    // And a smaller part is refused later: a fleet that is too large for its interval slows down.
    let (before, after) = (&outcome.before, &outcome.after);
    assert!(
        after.throttled * before.requests < before.throttled * after.requests
            && after.throttled * 3 < after.requests,
        "{before:?}, then {after:?}"
    );
}

#[test]
fn a_fleet_within_the_limits_is_never_throttled_after_its_start() {
    let watches = 60;
    let outcome = Fleet::new(watches, (MINUTE, 10 * MINUTE)).run();
    assert!(
        part_done(&outcome.joined, watches, 1.0)
            .is_some_and(|time| time < 2 * Duration::from_secs(1)),
        "{:?}",
        outcome.joined.last()
    );
    assert_eq!(outcome.after.throttled, 0);
    // Two requests each every 24 s to 30 s.
    assert!(
        (2_550..2_700).contains(&outcome.after.requests),
        "{:?}",
        outcome.after
    );
    assert!(
        part_done(&outcome.seen, watches, 1.0)
            .is_some_and(|time| time < 31 * Duration::from_secs(1)),
        "{:?}",
        outcome.seen.last()
    );
}

/// Hosts that share a result boot within a minute, and later one instance is replaced.
#[cfg(feature = "shared")]
fn boot(watches: u64, before_and_after: (Duration, Duration)) {
    let fleet = Fleet::booting(watches, true, before_and_after);
    let outcome = fleet.run();
    let all = part_done(&outcome.joined, watches, 1.0).expect("all have addresses");
    assert!(all < Duration::from_secs(90), "{all:?}");
    let seen = part_done(&outcome.seen, watches, 1.0).expect("all have seen the replacement");
    assert!(
        seen <= fleet.pace.interval + Duration::from_secs(10),
        "{seen:?}"
    );
    assert!(outcome.busiest_minute <= 10, "{}", outcome.busiest_minute);
    assert_eq!(outcome.before.throttled + outcome.after.throttled, 0);
}

#[cfg(feature = "shared")]
#[test]
fn a_fleet_that_shares_a_result_boots_at_once_with_the_requests_of_one_host() {
    boot(1000, (4 * MINUTE, 2 * MINUTE));
}

/// `cargo bench -p cloud-autojoin --features shared --bench fleet -- shared` has fleets that are
/// larger, for a longer time.
#[cfg(feature = "shared")]
#[test]
fn ten_thousand_hosts_that_share_a_result_boot_with_the_requests_of_one() {
    boot(10_000, (Duration::from_secs(75), Duration::from_secs(45)));
}
