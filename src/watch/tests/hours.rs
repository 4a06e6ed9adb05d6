//! Hours of trouble: what is in use stays, the promise is kept, and it goes on by itself.

use cloud_autojoin_core::http::Backoff;

use super::script::{HOUR, MINUTE, Reply, SECOND, Script, addresses, instances, letters};
use super::*;

/// Three hours, of which the second is `trouble`. Gives the letters of the events and the
/// script.
async fn second_hour(
    trouble: impl Fn(Duration) -> Reply + Send + Sync + 'static,
) -> (String, Script) {
    let script = Script::new(move |now| {
        if (HOUR..2 * HOUR).contains(&now) {
            trouble(now - HOUR)
        } else {
            instances(1..=10)
        }
    });
    let mut watch = script.watch().build();
    let events = script.spend(&mut watch, 3 * HOUR).await;
    for (at, event) in &events {
        if let Event::Changed(change) = event {
            assert_eq!(
                *change.addresses,
                *addresses(1..=10),
                "lost a good result at {at:?}"
            );
        }
    }
    let in_use = watch.status().read().in_use.unwrap();
    assert_eq!(*in_use.addresses, *addresses(1..=10));
    assert!(in_use.age.unwrap() < MINUTE, "it goes on by itself");
    script.assert_promise(&Pace::default());
    (letters(&events), script)
}

/// How many polls were in the second hour.
fn polls_in_trouble(script: &Script) -> usize {
    script
        .polls()
        .iter()
        .filter(|at| (HOUR..2 * HOUR).contains(*at))
        .count()
}

/// How long after the trouble the first poll came.
fn recovery(script: &Script) -> Duration {
    *script.polls().iter().find(|at| **at >= 2 * HOUR).unwrap() - 2 * HOUR
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_outage_loses_nothing_and_is_polled_as_often_as_usual() {
    let (letters, script) = second_hour(|_| Reply::Status(503, None)).await;
    assert_eq!(
        (letters.matches('C').count(), letters.matches('H').count()),
        (1, 0),
        "{letters}"
    );
    assert!(
        (90..150).contains(&polls_in_trouble(&script)),
        "{} polls",
        polls_in_trouble(&script)
    );
    assert!(recovery(&script) <= MINUTE, "{:?}", recovery(&script));
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_throttling_is_polled_as_seldom_as_the_cloud_requests() {
    let (_, script) = second_hour(|_| Reply::Status(429, Some(5 * MINUTE))).await;
    assert!(
        (6..=12).contains(&polls_in_trouble(&script)),
        "{} polls",
        polls_in_trouble(&script)
    );
    let in_trouble: Vec<_> = script
        .polls()
        .into_iter()
        .filter(|at| (HOUR..2 * HOUR).contains(at))
        .collect();
    assert!(
        in_trouble
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= 5 * MINUTE),
        "{in_trouble:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn where_the_cloud_throttles_the_interval_stretches_and_wears_off_again() {
    // Throttled, then good: one poll in four, for an hour.
    let script = Script::new(move |now| {
        if now < HOUR && now.as_secs() % 120 < 30 {
            Reply::Status(429, None)
        } else {
            instances([1])
        }
    });
    let mut watch = script.watch().build();
    script.spend(&mut watch, HOUR).await;
    let stretched = watch.status().read().stretch;
    assert!(stretched > 4.0, "{stretched}");
    let last_of_hour: Vec<_> = script
        .polls()
        .into_iter()
        .filter(|at| (HOUR / 2..HOUR).contains(at))
        .collect();
    assert!(
        last_of_hour.len() < 30,
        "{} polls in half an hour",
        last_of_hour.len()
    );
    assert!(
        script
            .polls()
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= 10 * MINUTE + SECOND),
        "at most ten minutes"
    );

    let events = script.spend(&mut watch, 5 * HOUR).await;
    assert_eq!(letters(&events).matches('F').count(), 0);
    assert_eq!(watch.status().read().stretch, 1.0);
    assert!(script.polls().iter().filter(|at| **at >= 4 * HOUR).count() > 110);
}

#[tokio::test(start_paused = true)]
async fn one_poll_stretches_the_interval_once_however_often_it_is_retried() {
    let script = Script::new(|_| Reply::Status(429, None));
    let mut watch = script.watch().build();
    script.spend(&mut watch, 5 * MINUTE).await;
    assert!(script.polls().len() > 4);
    let stretch = watch.status().read().stretch;
    assert!((1.7..=2.0).contains(&stretch), "{stretch}");
}

#[tokio::test(start_paused = true)]
async fn throttled_watches_come_back_spread_over_half_a_minute() {
    let mut waits = Vec::new();
    for seed in 0..40 {
        let script = Script::new(|_| Reply::Status(429, Some(SECOND)));
        let mut watch = script.watch().seed(seed).build();
        let Event::Failed(failure) = watch.next().await else {
            panic!("no failure")
        };
        waits.push(failure.retry_in);
    }
    assert!(
        waits
            .iter()
            .all(|wait| (SECOND..=31 * SECOND).contains(wait)),
        "{waits:?}"
    );
    assert!(
        waits.iter().filter(|wait| **wait > 16 * SECOND).count() > 10
            && waits.iter().filter(|wait| **wait < 16 * SECOND).count() > 10,
        "{waits:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_empty_results_replaces_nothing() {
    let (letters, script) = second_hour(|_| instances([])).await;
    assert_eq!(letters.matches('C').count(), 1);
    assert_eq!(letters.matches('F').count(), polls_in_trouble(&script));
}

#[tokio::test(start_paused = true)]
async fn half_empty_results_that_come_and_go_are_held() {
    // Four minutes half empty, one minute whole, all hour long.
    let (letters, _) = second_hour(|at| {
        if at.as_secs() % 300 < 240 {
            instances(1..=5)
        } else {
            instances(1..=10)
        }
    })
    .await;
    assert!(letters.matches('H').count() > 50, "{letters}");
    assert_eq!(letters.matches('C').count(), 1);
}

#[tokio::test(start_paused = true)]
async fn connections_that_hang_all_hour_do_not_pile_up() {
    let (letters, script) = second_hour(|_| Reply::Hang).await;
    assert_eq!(letters.matches('F').count(), script.dropped());
    assert!(
        (10..60).contains(&polls_in_trouble(&script)),
        "{} polls",
        polls_in_trouble(&script)
    );
}

#[tokio::test(start_paused = true)]
async fn trouble_of_every_kind_at_random_loses_nothing_and_keeps_the_promise() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let hour: Vec<Reply> = (0..360)
            .map(|_| match random.u8(..8) {
                0 => instances([]),
                1 => instances(1..=random.u8(1..10)),
                2 => Reply::Status(429, Some(random.u32(..20) * SECOND)),
                3 => Reply::Status(500, None),
                4 => Reply::Status(403, None),
                5 => Reply::After(random.u32(..90) * SECOND, Box::new(instances(1..=10))),
                6 => Reply::Hang,
                _ => instances(1..=10),
            })
            .collect();
        let script = Script::new(move |now| {
            if now < HOUR {
                hour[now.as_secs() as usize / 10].clone()
            } else {
                instances(1..=10)
            }
        });
        // Nothing may go in this hour: each of the ten is there.
        let guards = Guards {
            max_shrink: Some(MaxShrink::new(0, 2 * HOUR)),
            min: 2,
            ..Guards::default()
        };
        let mut watch = script.watch().seed(seed).guards(guards).build();
        let mut most = 0;
        for (at, event) in script.spend(&mut watch, HOUR + 10 * MINUTE).await {
            if let Event::Changed(change) = event {
                // One may always go; it is back with the next complete response.
                assert!(
                    change.addresses.len() + 1 >= most,
                    "{} after {most} at {at:?}, seed {seed}",
                    change.addresses.len()
                );
                most = most.max(change.addresses.len());
            }
        }
        assert_eq!(
            *watch.status().read().in_use.unwrap().addresses,
            *addresses(1..=10),
            "seed {seed}"
        );
        script.assert_promise(&Pace::default());
    }
}

#[tokio::test(start_paused = true)]
async fn permissions_that_take_ten_minutes_are_waited_for_and_polled_early_at_first() {
    let script = Script::new(|now| {
        if now < 10 * MINUTE {
            Reply::Status(403, None)
        } else {
            instances([1])
        }
    });
    let mut watch = script.watch().build();
    let events = script.spend(&mut watch, HOUR).await;
    let polls = script.polls();
    assert!(
        polls.iter().filter(|at| **at < 30 * SECOND).count() >= 5,
        "{polls:?}"
    );
    let good = events
        .iter()
        .find(|(_, event)| matches!(event, Event::Changed(_)))
        .unwrap()
        .0;
    assert!(good < 12 * MINUTE, "{good:?}");
    script.assert_promise(&Pace::default());
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_not_polled_early() {
    let script = Script::new(|_| Reply::NoCredential);
    let mut watch = script.watch().build();
    let events = script.spend(&mut watch, HOUR).await;
    assert!(
        events
            .iter()
            .all(|(_, event)| matches!(event, Event::Failed(failure) if !failure.transient))
    );
    assert!((50..70).contains(&events.len()), "{} polls", events.len());
    assert!(
        script
            .polls()
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= 30 * SECOND),
        "{:?}",
        script.polls()
    );
}

#[tokio::test(start_paused = true)]
async fn results_that_change_each_time_are_not_polled_more_often_than_promised() {
    let script = Script::new(|now| instances([1, 2, now.as_secs() as u8 | 4]));
    let guards = Guards {
        stable_for: SECOND / 10,
        ..Guards::default()
    };
    let mut watch = script.watch().guards(guards).build();
    let events = script.spend(&mut watch, 5 * HOUR).await;
    assert!(letters(&events).contains('H'));
    script.assert_promise(&Pace::default());
}

#[tokio::test(start_paused = true)]
async fn the_promise_holds_for_every_interval_as_documented() {
    for (interval, jitter) in [
        (5 * SECOND, 0.0),
        (10 * SECOND, 0.5),
        (30 * SECOND, 0.2),
        (10 * MINUTE, 0.9),
    ] {
        // The worst a cloud can do: it fails at once, always, and every wait is the shortest.
        let pace = Pace {
            interval,
            jitter,
            retry: Backoff::new(Duration::ZERO, Duration::ZERO),
            ..Pace::default()
        };
        let script = Script::new(|_| Reply::Status(500, None));
        let mut watch = script.watch().pace(pace).build();
        script.spend(&mut watch, 4 * HOUR).await;
        script.assert_promise(&pace);
        let expected = 4 * 3600 / pace.period().as_secs();
        assert!(
            script.polls().len() as u64 >= expected,
            "the promise is no more than what the pace allows"
        );
    }
    assert_eq!(Pace::default().max_polls_per_hour(), 11 + 150);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_late_at_the_start_is_noticed_within_seconds_however_late_it_is() {
    for late in (1..=15).chain([60, 3600]) {
        for seed in 0..10 {
            let up = late * SECOND;
            let script = Script::new(move |now| {
                if now < up {
                    Reply::Unreachable
                } else {
                    instances([1])
                }
            });
            let mut watch = script.watch().seed(seed).build();
            let events = script.spend(&mut watch, up + 2 * HOUR).await;
            let ready = events
                .iter()
                .find(|(_, event)| matches!(event, Event::Changed(_)))
                .unwrap()
                .0;
            assert!(
                ready <= up + 2 * SECOND,
                "up after {up:?}, ready after {ready:?}, seed {seed}"
            );
            let polls = script.polls();
            assert!(
                polls.windows(2).all(|pair| pair[1] - pair[0] >= SECOND / 2),
                "never at once: {polls:?}"
            );
            let later = polls.iter().filter(|at| **at > up).count() as u64;
            assert!(
                later <= 2 * Pace::default().max_polls_per_hour(),
                "{later} polls in two hours"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_that_may_have_reached_the_cloud_stay_within_the_budget_at_the_start() {
    for reply in [Reply::NoResponse, Reply::Status(503, None)] {
        let script = Script::new(move |now| {
            if now < 10 * MINUTE {
                reply.clone()
            } else {
                instances([1])
            }
        });
        let events = script.spend(&mut script.watch().build(), 2 * HOUR).await;
        assert!(
            events
                .iter()
                .find(|(_, event)| matches!(event, Event::Changed(_)))
                .unwrap()
                .0
                < 10 * MINUTE + 30 * SECOND
        );
        script.assert_promise(&Pace::default());
    }
}
