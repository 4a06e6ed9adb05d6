//! When a part is looked at again.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin::{Address, Clock};

use super::*;

mod cluster;

fn pauses(failure: &Failure) -> Vec<Duration> {
    let clock = Clock::system();
    let shared = Shared {
        name: "servers".into(),
        provider: "azure",
        subject: "scale set `servers`".into(),
        interval: Duration::from_secs(30),
        sidecar: SidecarStatus::new(&clock),
        clock: clock.clone(),
    };
    let part = PartStatus::new(PartType::Agent, "consul", "http://127.0.0.1:8500", &clock);
    let mut failures = 0;
    (0..40)
        .map(|_| shared.record(&part, Err(failure.clone()), &mut failures))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_up_is_looked_at_every_two_seconds_however_late_it_is() {
    let pauses = pauses(&Failure::new("connection refused").of_absence());
    let bounds = Duration::from_millis(500)..=Duration::from_secs(2);
    assert!(
        pauses.iter().all(|pause| bounds.contains(pause)),
        "{pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_is_looked_at_more_and_more_seldom_up_to_the_interval() {
    let pauses = pauses(&Failure::new("status 500"));
    let last = pauses.last().unwrap();
    assert!(
        (Duration::from_secs(15)..=Duration::from_secs(30)).contains(last),
        "{pauses:?}"
    );
}
