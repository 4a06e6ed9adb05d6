#![allow(clippy::unwrap_used, reason = "tests")]

mod hours;
mod restart;
mod script;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use cloud_autojoin_core::Exclusion;
use futures::StreamExt as _;

use super::*;
use script::{HOUR, MINUTE, Reply, SECOND, Script, addresses, change, instances, letters};

#[tokio::test(start_paused = true)]
async fn the_first_result_is_a_change_and_the_same_again_is_none() {
    let script = Script::new(|_| instances([1, 2, 3]));
    let mut watch = script.watch().build();
    let first = change(watch.next().await);
    assert_eq!(
        (&*first.addresses, &*first.joined, &*first.left),
        (&*addresses(1..=3), &*addresses(1..=3), &*addresses([]))
    );
    assert_eq!(
        (first.source, first.discovery.unwrap().examined()),
        (AddressSource::Fresh, 4)
    );
    assert_eq!(script.now(), Duration::ZERO, "nothing to wait for");
    assert!(matches!(watch.next().await, Event::Unchanged(discovery) if discovery.matched() == 3));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_instance_is_reported_with_added_and_removed_addresses() {
    let script = Script::new(|now| {
        if now < MINUTE {
            instances([1, 2, 3])
        } else {
            instances([1, 2, 4])
        }
    });
    let mut watch = script.watch().build();
    let events = script.spend(&mut watch, 2 * MINUTE).await;
    let changes: Vec<_> = events
        .into_iter()
        .filter_map(|(at, event)| matches!(event, Event::Changed(_)).then(|| (at, change(event))))
        .collect();
    let [_, (at, second)] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (&*second.addresses, &*second.joined, &*second.left),
        (&*addresses([1, 2, 4]), &*addresses([4]), &*addresses([3]))
    );
    assert!(
        *at < MINUTE + 36 * SECOND,
        "seen after {at:?}, an interval of 30 s and a fifth after it happened at the latest"
    );
}

#[tokio::test(start_paused = true)]
async fn addresses_that_only_a_guard_keeps_are_retained_and_current_again_when_they_are_back() {
    let script = Script::new(|now| match now.as_secs() {
        0..60 => instances(4..=6),
        60..120 => instances([7, 8, 9]),
        120..180 => instances([4, 7, 8, 9]),
        _ => instances(4..=9),
    });
    let mut watch = script.watch().build();
    let mut seen = Vec::new();
    while script.now() < 4 * MINUTE {
        let event = watch.next().await;
        let in_use = watch.in_use().unwrap();
        assert_eq!(
            *in_use.addresses,
            *watch.status().read().in_use.unwrap().addresses
        );
        if let Event::Changed(change) = &event {
            assert_eq!(
                (&change.addresses, &change.current, &change.retained),
                (&in_use.addresses, &in_use.current, &in_use.retained)
            );
        }
        seen.push((
            in_use.addresses.to_vec(),
            in_use.current.to_vec(),
            in_use.retained.to_vec(),
        ));
        seen.dedup();
    }
    let all = addresses(4..=9);
    let expected = [
        (addresses(4..=6), addresses(4..=6), addresses([])),
        (all.clone(), addresses(7..=9), addresses(4..=6)),
        (all.clone(), addresses([4, 7, 8, 9]), addresses([5, 6])),
        (all.clone(), all.clone(), addresses([])),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn replaced_members_stay_in_use_for_as_long_as_the_event_states() {
    let script = Script::new(|now| {
        if now < MINUTE {
            instances(4..=6)
        } else {
            instances([6, 14, 15])
        }
    });
    let mut watch = script.watch().build();
    let events = script.spend(&mut watch, 10 * MINUTE).await;
    let reason = |event: &Event| match event {
        Event::Changed(change) => change.held.as_ref().map(|held| held.reason),
        Event::Held(held) => Some(held.reason),
        _ => None,
    };
    let until: Vec<Duration> = events
        .iter()
        .filter_map(|(at, event)| match reason(event)? {
            HeldReason::ShrinksTooMuch { next_in, .. } => Some(*at + next_in),
            other => panic!("{other:?}"),
        })
        .collect();
    let promised = *until.first().unwrap();
    let differs = |at: &Duration| at.abs_diff(promised) > SECOND;
    assert!(until.len() > 5 && !until.iter().any(differs), "{until:?}");
    let (left_at, last) = events
        .iter()
        .rfind(|(_, event)| matches!(event, Event::Changed(_)))
        .unwrap();
    let Event::Changed(last) = last else {
        panic!("{last:?}")
    };
    assert_eq!(
        (&*last.left, &*last.addresses),
        (&*addresses([4, 5]), &*addresses([6, 14, 15]))
    );
    assert!(
        *left_at >= promised && *left_at < promised + 5 * SECOND,
        "{left_at:?}, promised {promised:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_the_interval_and_never_lengthens_it() {
    let script = Script::new(|_| instances([1]));
    let mut watch = script.watch().interval(MINUTE).jitter(0.25).build();
    script.spend(&mut watch, 10 * HOUR).await;
    let waits: Vec<Duration> = script
        .polls()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(
        waits
            .iter()
            .all(|wait| (45 * SECOND..=MINUTE + SECOND / 100).contains(wait)),
        "{waits:?}"
    );
    assert!(
        waits.iter().any(|wait| *wait < 47 * SECOND)
            && waits.iter().any(|wait| *wait > 58 * SECOND),
        "{waits:?}"
    );
    assert!(
        (670..700).contains(&waits.len()),
        "{} polls in ten hours",
        waits.len()
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_waits_a_part_of_the_splay() {
    let mut first: Vec<Duration> = Vec::new();
    for seed in 0..20 {
        let script = Script::new(|_| instances([1]));
        script.watch().splay(MINUTE).seed(seed).build().next().await;
        first.extend(script.polls().first());
    }
    assert!(first.iter().all(|at| *at < MINUTE + SECOND));
    assert!(
        first.iter().any(|at| *at < MINUTE / 4) && first.iter().any(|at| *at > 3 * MINUTE / 4),
        "{first:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_a_throttled_poll_is_kept_even_on_refresh_soon() {
    let script = Script::new(|now| {
        if now < 5 * MINUTE {
            Reply::Status(429, Some(7 * MINUTE))
        } else {
            instances([1])
        }
    });
    let mut watch = script.watch().build();
    let Event::Failed(failure) = watch.next().await else {
        panic!("no failure")
    };
    assert!(
        failure.transient
            && failure.retry_in >= 7 * MINUTE
            && failure.retry_in <= 7 * MINUTE + 30 * SECOND,
        "{failure:?}"
    );
    watch.refresh_soon();
    change(watch.next().await);
    assert!(script.polls()[1] >= 7 * MINUTE, "{:?}", script.polls());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_limited_to_an_hour_when_throttled_and_to_minutes_when_failing() {
    for (status, after) in [(429, HOUR), (503, 5 * MINUTE)] {
        let script = Script::new(move |_| Reply::Status(status, Some(365 * 24 * HOUR)));
        let mut watch = script.watch().build();
        watch.next().await;
        watch.next().await;
        assert!(
            script.polls()[1] >= after && script.polls()[1] < after + MINUTE,
            "{status}: {:?}",
            script.polls()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_soon_skips_the_retry_after_of_a_failing_cloud() {
    let script = Script::new(|now| {
        if now.is_zero() {
            Reply::Status(503, Some(24 * HOUR))
        } else {
            instances([1])
        }
    });
    let mut watch = script.watch().build();
    assert!(matches!(watch.next().await, Event::Failed(_)));
    tokio::time::advance(SECOND).await;
    watch.refresh_soon();
    change(watch.next().await);
    assert_eq!(script.polls(), [Duration::ZERO, SECOND]);
}

#[tokio::test(start_paused = true)]
async fn refresh_soon_polls_now_and_within_the_budget() {
    let script = Script::new(|_| instances([1]));
    let mut watch = script.watch().build();
    let pace = Pace::default();
    for _ in 0..BURST {
        watch.refresh_soon();
        watch.next().await;
    }
    assert_eq!(script.now(), Duration::ZERO);
    for _ in 0..500 {
        watch.refresh_soon();
        watch.next().await;
    }
    assert!(script.now() >= 489 * pace.period(), "{:?}", script.now());
    script.assert_promise(&pace);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_cancelled_and_polled_again() {
    let script = Script::new(|now| {
        if now.is_zero() {
            Reply::Hang
        } else {
            instances([1])
        }
    });
    let mut watch = script.watch().timeout(20 * SECOND).build();
    let Event::Failed(failure) = watch.next().await else {
        panic!("no failure")
    };
    assert_eq!(
        failure.error.to_string(),
        "cannot poll: the deadline passed before provider `script` responded"
    );
    assert!(
        failure.transient && failure.error.provider() == Some("script"),
        "{failure:?}"
    );
    assert_eq!((script.now().as_secs(), script.dropped()), (25, 1));
    change(watch.next().await);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_at_any_moment_loses_neither_poll_nor_result() {
    let script = Script::new(|_| Reply::After(10 * SECOND, Box::new(instances([1, 2]))));
    let mut watch = script.watch().build();
    let mut events = Vec::new();
    while script.now() < 10 * MINUTE {
        if let Ok(event) = tokio::time::timeout(SECOND / 3, watch.next()).await {
            events.push((script.now(), event));
        }
    }
    let polls = script.polls();
    assert!((14..18).contains(&polls.len()), "{polls:?}");
    assert_eq!(
        (script.dropped(), events.len()),
        (0, polls.len() - usize::from(watch.in_flight.is_some()))
    );
    assert!(letters(&events).starts_with("C..."), "{}", letters(&events));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_watch_ends_the_poll_and_leaves_its_status() {
    let script = Script::new(|_| Reply::Hang);
    let mut watch = script.watch().build();
    tokio::time::timeout(SECOND, watch.next())
        .await
        .unwrap_err();
    let status = watch.status();
    assert!(status.read().is_polling);
    drop(watch);
    assert_eq!((script.dropped(), status.read().is_polling), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_for_hours_polls_once_and_not_for_each_hour() {
    let script = Script::new(|_| instances([1]));
    let mut watch = script.watch().build();
    watch.next().await;
    tokio::time::advance(10 * HOUR).await;
    script.spend(&mut watch, 10 * HOUR + 10 * SECOND).await;
    assert_eq!(script.polls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_yet_stable_is_looked_at_again_when_it_could_be() {
    let script = Script::new(|now| {
        if now < MINUTE {
            instances([1])
        } else {
            instances([1, 2])
        }
    });
    let guards = Guards {
        stable_for: 10 * SECOND,
        ..Guards::default()
    };
    let mut watch = script.watch().guards(guards).build();
    let events = script.spend(&mut watch, 2 * MINUTE).await;
    let held = events
        .iter()
        .position(|(_, event)| matches!(event, Event::Held(_)))
        .unwrap();
    assert!(
        matches!(&events[held].1, Event::Held(held) if held.reason == HeldReason::NotYetStable { remaining: 10 * SECOND } && *held.would_be == *addresses([1, 2]))
    );
    let (at, Event::Changed(_)) = &events[held + 1] else {
        panic!("{}", letters(&events))
    };
    assert_eq!((*at - events[held].0).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn fewer_than_the_minimum_are_held_and_polled_again_soon() {
    let script = Script::new(|now| {
        if now < 5 * SECOND {
            instances([1, 2])
        } else {
            instances([1, 2, 3])
        }
    });
    let guards = Guards {
        min: 3,
        ..Guards::default()
    };
    let mut watch = script.watch().guards(guards).build();
    let events = script.spend(&mut watch, 25 * SECOND).await;
    assert!(
        letters(&events).starts_with("HH")
            && letters(&events).trim_start_matches('H').starts_with('C'),
        "{}",
        letters(&events)
    );
    let Event::Held(held) = &events[0].1 else {
        panic!("not held")
    };
    assert_eq!(held.reason.to_string(), "2 of at least 3 addresses");
}

#[tokio::test(start_paused = true)]
async fn the_status_has_members_failures_and_the_next_poll() {
    let script = Script::new(|now| {
        if now < MINUTE {
            instances([1, 2])
        } else {
            Reply::Status(503, None)
        }
    });
    let mut watch = script.watch().build();
    let reader = watch.status();
    let before = reader.read();
    assert_eq!(
        (
            before.provider,
            before.subject.as_str(),
            before.in_use.is_none()
        ),
        ("script", "scale set `consul`", true)
    );
    let events = script.spend(&mut watch, 3 * MINUTE).await;

    let status = reader.read();
    let in_use = status.in_use.unwrap();
    let last_good_at = events
        .iter()
        .rev()
        .find(|(_, event)| matches!(event, Event::Unchanged(_)))
        .unwrap()
        .0;
    assert_eq!(*in_use.addresses, *addresses([1, 2]));
    assert_eq!(
        (in_use.age, in_use.changed_ago, in_use.source),
        (
            Some(script.now() - last_good_at),
            script.now(),
            AddressSource::Fresh
        )
    );
    let discovery = status.discovery.unwrap();
    assert_eq!(
        discovery
            .nodes()
            .iter()
            .filter(|node| !node.is_match())
            .map(|node| node.excluded[0].clone())
            .collect::<Vec<_>>(),
        [Exclusion::NoAddress]
    );
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.text.as_str(), error.transient),
        ("cannot list instances: status 503", true)
    );
    let (failed_at, failure) = events.last().map(|(at, event)| (*at, event)).unwrap();
    let Event::Failed(failure) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(
        (status.consecutive_failures, error.ago),
        (failure.consecutive, script.now() - failed_at)
    );
    assert_eq!(
        failed_at + failure.retry_in,
        script.now() + status.next_attempt_in
    );
    let counts = status.counts;
    assert_eq!(
        (counts.polls, counts.requests),
        (events.len() as u64, events.len() as u64)
    );
    assert_eq!(
        (counts.good + counts.failed, counts.changes, counts.failed),
        (counts.polls, 1, u64::from(failure.consecutive))
    );
}

#[tokio::test(start_paused = true)]
async fn throttled_requests_are_counted() {
    let script = Script::new(|_| Reply::Status(429, None));
    let mut watch = script.watch().build();
    script.spend(&mut watch, MINUTE).await;
    let counts = watch.status().read().counts;
    assert!(
        counts.throttled > 2
            && counts.throttled == counts.requests
            && counts.failed == counts.polls,
        "{counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_a_stream_too() {
    let script = Script::new(|_| instances([1]));
    let mut stream = pin!(script.watch().build().into_stream().take(3));
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push((script.now(), event));
    }
    assert_eq!(letters(&events), "C..");
}

#[tokio::test(start_paused = true)]
async fn a_watch_can_be_moved_to_another_task() {
    let script = Script::new(|_| instances([1]));
    let mut watch = script.watch().build();
    let events = Arc::new(AtomicBool::new(false));
    let has_event = Arc::clone(&events);
    tokio::spawn(async move {
        watch.next().await;
        has_event.store(true, Ordering::SeqCst);
    })
    .await
    .unwrap();
    assert!(events.load(Ordering::SeqCst));
}
