//! Over restarts: the last good result of the run before.

use std::fs;
use std::time::SystemTime;

use tempfile::TempDir;

use super::script::{HOUR, MINUTE, Reply, SECOND, Script, addresses, change, instances};
use super::*;

/// A folder in which a run with these instances left its last good result.
async fn after_a_run(numbers: impl IntoIterator<Item = u8>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let reply = instances(numbers);
    let script = Script::new(move |_| reply.clone());
    let mut watch = watch(&script, &folder).build();
    change(watch.next().await);
    watch.flush().await;
    assert_eq!(watch.status().read().last_good_error, None);
    folder
}

fn watch(script: &Script, folder: &TempDir) -> WatchBuilder {
    script.watch().last_good(folder.path().join("consul.json"))
}

/// The content of the file, as text.
fn file(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("consul.json")).unwrap()
}

/// Gives the file another time.
fn date(folder: &TempDir, confirmed: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(confirmed).to_string();
    let mut record: serde_json::Value = serde_json::from_str(&file(folder)).unwrap();
    record["confirmed"] = text.clone().into();
    fs::write(folder.path().join("consul.json"), record.to_string()).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn while_the_cloud_is_down_the_last_good_result_is_used_with_its_age_and_the_watch_continues_from_it()
 {
    let folder = after_a_run(1..=3).await;
    date(&folder, SystemTime::now() - 2 * HOUR);
    let script = Script::new(|now| {
        if now < MINUTE {
            Reply::Status(503, None)
        } else {
            instances([1, 2, 4])
        }
    });
    let mut watch = watch(&script, &folder).build();
    assert!(matches!(watch.next().await, Event::Failed(_)));
    let used = change(watch.next().await);
    assert_eq!(
        (
            &*used.addresses,
            used.joined.len() + used.left.len(),
            used.discovery.is_none()
        ),
        (&*addresses(1..=3), 0, true)
    );
    let AddressSource::LastGood {
        age: Some(age),
        is_stale: false,
    } = used.source
    else {
        panic!("{:?}", used.source)
    };
    assert!(age >= 2 * HOUR && age < 2 * HOUR + MINUTE, "{age:?}");

    let status = watch.status();
    let events = script.spend(&mut watch, 50 * SECOND).await;
    assert!(
        events
            .iter()
            .all(|(_, event)| matches!(event, Event::Failed(_))),
        "reported once"
    );
    assert!(status.read().in_use.unwrap().age.unwrap() >= age + 40 * SECOND);

    let events = script.spend(&mut watch, 5 * MINUTE).await;
    let fresh = events
        .into_iter()
        .map(|(_, event)| event)
        .find(|event| matches!(event, Event::Changed(_)))
        .map(change)
        .unwrap();
    assert_eq!(
        (fresh.source, &*fresh.joined, &*fresh.left),
        (AddressSource::Fresh, &*addresses([4]), &*addresses([3]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_first_poll_does_not_delay_the_last_good_result() {
    let folder = after_a_run(1..=3).await;
    let script = Script::new(|_| Reply::After(20 * SECOND, Box::new(instances(1..=3))));
    let mut watch = watch(&script, &folder).build();
    let used = change(watch.next().await);
    assert!(
        matches!(used.source, AddressSource::LastGood { .. }) && script.now() == RESTORE_AFTER,
        "{:?} at {:?}",
        used.source,
        script.now()
    );
    // The poll is still in flight, and its result is the same.
    assert!(matches!(watch.next().await, Event::Unchanged(_)));
    assert_eq!((script.now(), script.polls().len()), (20 * SECOND, 1));
    let in_use = watch.status().read().in_use.unwrap();
    assert_eq!(
        (in_use.source, in_use.age),
        (AddressSource::Fresh, Some(Duration::ZERO))
    );
}

#[tokio::test(start_paused = true)]
async fn if_the_cloud_responds_the_last_good_result_is_only_compared_with() {
    let folder = after_a_run(1..=3).await;
    let script = Script::new(|_| instances([2, 3, 4]));
    let first = change(watch(&script, &folder).build().next().await);
    assert_eq!(
        (first.source, &*first.joined, &*first.left),
        (AddressSource::Fresh, &*addresses([4]), &*addresses([1]))
    );

    let script = Script::new(|_| instances([1, 2, 3]));
    let same = change(watch(&script, &folder).build().next().await);
    assert_eq!(
        (same.source, &*same.addresses),
        (AddressSource::Fresh, &*addresses(1..=3)),
        "the first result is reported even when it is the known one"
    );
    assert!(same.joined.is_empty() && same.left.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_guards_hold_over_a_restart() {
    let folder = after_a_run(1..=10).await;
    let script = Script::new(|_| instances([1, 2]));
    let mut watch = watch(&script, &folder).build();
    assert!(
        matches!(watch.next().await, Event::Held(held) if matches!(held.reason, HeldReason::ShrinksTooMuch { missing: 8, of: 10, .. }))
    );
    let used = change(watch.next().await);
    assert_eq!(
        (&*used.addresses, script.polls().len()),
        (&*addresses(1..=10), 1)
    );
    watch.flush().await;
    assert!(file(&folder).contains("10.0.0.10"));
}

#[tokio::test(start_paused = true)]
async fn each_change_is_on_disk_and_an_unchanged_result_updates_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(|now| {
        if now < 30 * MINUTE {
            instances([1])
        } else {
            instances([1, 2])
        }
    });
    let mut watch = watch(&script, &folder).build();
    script.spend(&mut watch, 20 * MINUTE).await;
    let early = file(&folder);
    script.spend(&mut watch, 29 * MINUTE).await;
    let later = file(&folder);
    assert!(
        early != later && !later.contains("10.0.0.2"),
        "the time goes on: {later}"
    );
    script.spend(&mut watch, 31 * MINUTE).await;
    assert!(file(&folder).contains("10.0.0.2"));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_watch_is_not_used_and_replaced() {
    let folder = after_a_run(1..=3).await;
    let script = Script::new(|now| {
        if now < MINUTE {
            Reply::Status(503, None)
        } else {
            instances([7])
        }
    });
    let mut watch = watch(&script, &folder).identity("another").build();
    let status = watch.status();
    assert!(
        status
            .read()
            .last_good_error
            .unwrap()
            .contains("it is of another watch, `script: scale set `consul``")
    );
    let events = script.spend(&mut watch, 5 * MINUTE).await;
    let changes: Vec<_> = events
        .into_iter()
        .filter(|(_, event)| matches!(event, Event::Changed(_)))
        .map(|(_, event)| change(event))
        .collect();
    let [only] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (only.source, &*only.addresses),
        (AddressSource::Fresh, &*addresses([7]))
    );
    watch.flush().await;
    assert!(file(&folder).contains(r#""identity": "another""#));
    assert_eq!(status.read().last_good_error, None);
}

#[tokio::test(start_paused = true)]
async fn after_a_clock_that_jumped_back_the_file_is_used_with_an_age_that_is_not_known() {
    let folder = after_a_run(1..=3).await;
    let ahead = date(&folder, SystemTime::now() + 24 * HOUR);
    let script = Script::new(|now| {
        if now < MINUTE {
            Reply::Status(503, None)
        } else {
            instances(1..=3)
        }
    });
    let mut watch = watch(&script, &folder).build();
    watch.next().await;
    assert_eq!(
        change(watch.next().await).source,
        AddressSource::LastGood {
            age: None,
            is_stale: true
        }
    );
    assert_eq!(watch.status().read().in_use.unwrap().age, None);
    script.spend(&mut watch, 5 * MINUTE).await;
    assert!(
        !file(&folder).contains(&ahead),
        "the next good result corrects the time"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_reported_and_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("consul.json"), "{ broken").unwrap();
    let script = Script::new(|_| instances([1]));
    let mut watch = watch(&script, &folder).build();
    assert!(
        watch
            .status()
            .read()
            .last_good_error
            .unwrap()
            .contains("is not used")
    );
    assert_eq!(*change(watch.next().await).addresses, *addresses([1]));
    watch.flush().await;
    assert!(file(&folder).contains("10.0.0.1"));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_disappears_is_reported_and_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state");
    let script = Script::new(|_| instances([1]));
    let mut watch = script.watch().last_good(place.join("consul.json")).build();
    script.spend(&mut watch, 5 * MINUTE).await;
    let status = watch.status();
    assert!(
        status
            .read()
            .last_good_error
            .unwrap()
            .starts_with("cannot write the last good result")
    );
    assert_eq!(
        status.read().consecutive_failures,
        0,
        "the watch itself is well"
    );
    fs::create_dir(&place).unwrap();
    script.spend(&mut watch, 7 * MINUTE).await;
    assert_eq!(status.read().last_good_error, None);
    assert!(place.join("consul.json").exists());
}

#[tokio::test(start_paused = true)]
async fn while_an_earlier_result_is_in_use_the_cloud_is_polled_within_seconds() {
    let folder = after_a_run(1..=3).await;
    let script = Script::new(|now| {
        if now < 12 * SECOND {
            Reply::Unreachable
        } else {
            instances([4])
        }
    });
    let mut watch = watch(&script, &folder).build();
    let events = script.spend(&mut watch, MINUTE).await;
    let fresh = events.iter().find(|(_, event)| matches!(event, Event::Changed(change) if change.source == AddressSource::Fresh)).unwrap();
    assert!(fresh.0 <= 15 * SECOND, "{:?}", fresh.0);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_result_is_available_without_waiting_for_the_cloud() {
    let folder = after_a_run(1..=3).await;
    let script = Script::new(|_| Reply::Hang);
    let mut pending = watch(&script, &folder).build();
    tokio::time::timeout(SECOND, pending.next())
        .await
        .unwrap_err();
    let used = pending.use_last_good().unwrap();
    assert_eq!(
        (&*used.addresses, script.now()),
        (&*addresses(1..=3), SECOND)
    );
    assert!(pending.use_last_good().is_none(), "once");

    let script = Script::new(|_| instances([4]));
    let mut polled = watch(&script, &folder).build();
    polled.next().await;
    assert!(polled.use_last_good().is_none(), "not needed any more");
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_scope_is_never_mixed_with_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(|_| instances(1..=3));
    script.set_scope([("subscription_id", "a"), ("environment", "public")]);
    let mut first = watch(&script, &folder).build();
    change(first.next().await);
    first.flush().await;
    assert!(file(&folder).contains(r#""subscription_id": "a""#));

    // Known before the cloud is polls.
    let script = Script::new(|_| instances([7]));
    script.set_scope([("subscription_id", "b"), ("environment", "public")]);
    let mut other = watch(&script, &folder).build();
    assert!(
        other
            .status()
            .read()
            .last_good_error
            .unwrap()
            .contains("it is of another scope: subscription_id differs")
    );
    let used = change(other.next().await);
    assert_eq!(
        (&*used.addresses, &*used.left),
        (&*addresses([7]), &*addresses([]))
    );
    other.flush().await;

    // Known only with the result: the value of the word `self`. The guards don't hold it back.
    let late = Script::new(|now| {
        if now < 10 * SECOND {
            Reply::Unreachable
        } else {
            instances(1..=3)
        }
    });
    let mut captured = watch(&late, &folder).build();
    assert!(matches!(captured.next().await, Event::Failed(_)));
    assert_eq!(*change(captured.next().await).addresses, *addresses([7]));
    late.set_scope([("subscription_id", "a")]);
    let events = late.spend(&mut captured, 20 * SECOND).await;
    let fresh = events
        .into_iter()
        .map(|(_, event)| event)
        .find(|event| matches!(event, Event::Changed(_)))
        .map(change)
        .unwrap();
    assert_eq!(
        (&*fresh.addresses, &*fresh.joined, &*fresh.left),
        (&*addresses(1..=3), &*addresses(1..=3), &*addresses([7]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_last_good_result_older_than_the_maximum_age_is_used_and_stale() {
    for (max_age, is_stale) in [(None, false), (Some(HOUR), true)] {
        let folder = after_a_run(1..=3).await;
        date(&folder, SystemTime::now() - 2 * HOUR);
        let script = Script::new(|_| Reply::Hang);
        let mut builder = watch(&script, &folder);
        if let Some(max_age) = max_age {
            builder = builder.last_good_max_age(max_age);
        }
        let Event::Changed(used) = builder.build().next().await else {
            panic!("not used")
        };
        assert!(
            matches!(used.source, AddressSource::LastGood { is_stale: stale, .. } if stale == is_stale),
            "{:?}",
            used.source
        );
    }
}
