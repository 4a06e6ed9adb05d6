//! Ten thousand polls, half of them in trouble: neither memory nor tasks nor open files grow.
//! One test alone in its process, since it measures that.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::{
    Address, ApiError, Call, Context, Detail, Discovery, Env, Exclusion, Node, Provider,
    RequestOutcome, RequestRecord, Result, Watch,
};

/// Forty nodes, of which another is new at each tenth poll; now and then an error, nothing at
/// all, or silence.
#[derive(Debug, Default)]
struct Restless(AtomicU64);

#[async_trait]
impl Provider for Restless {
    fn name(&self) -> &'static str {
        "restless"
    }

    fn subject(&self) -> String {
        "anything".to_owned()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let round = self.0.fetch_add(1, Ordering::SeqCst);
        call.record(RequestRecord::new(
            "list",
            "GET /",
            RequestOutcome::Status(200),
        ));
        let mut discovery = Discovery::new("restless", "anything", Detail::Addresses);
        match round % 8 {
            1 => return Err(ApiError::new("restless", "list", 503).into()),
            3 => return Ok(discovery),
            5 if round % 80 == 5 => std::future::pending().await,
            _ => {}
        }
        for number in 0..40 {
            let number = u32::try_from(round / 10 + number).unwrap();
            let mut node = Node::new("instance", number.to_string(), format!("instance-{number}"));
            if number % 4 == 0 {
                node.excluded.push(Exclusion::NoAddress);
            } else {
                node.addresses.push(
                    Address::ip(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into())
                        .with_instance(format!("instance-{number}")),
                );
            }
            discovery.record(node);
        }
        Ok(discovery)
    }
}

/// Resident memory in KiB, open files, tasks alive.
fn figures() -> (u64, usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    (
        resident,
        std::fs::read_dir("/proc/self/fd").unwrap().count(),
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
    )
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_polls_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let mut watch = Watch::builder(Box::new(Restless::default()) as Box<dyn Provider>, &context)
        .last_good(folder.path().join("last.json"))
        .seed(1)
        .build();
    let status = watch.status();
    let mut after_warming_up = None;
    while status.read().counts.polls < 10_000 {
        // Dropped and called again all the time, as in a `select!` of a daemon.
        let _ = tokio::time::timeout(Duration::from_secs(7), watch.next()).await;
        if status.read().counts.polls == 1_000 && after_warming_up.is_none() {
            watch.flush().await;
            after_warming_up = Some(figures());
        }
    }
    watch.flush().await;
    let (before, after) = (after_warming_up.unwrap(), figures());
    println!(
        "KiB resident, open files, tasks: {before:?} after 1,000 polls, {after:?} after 10,000; {:?}",
        status.read().counts
    );
    assert!(
        after.0 < before.0 + 1_024,
        "memory grew from {} to {} KiB",
        before.0,
        after.0
    );
    assert_eq!(
        (before.1, before.2),
        (after.1, after.2),
        "open files, tasks"
    );
    assert!(
        status.read().in_use.unwrap().addresses.len() < 200,
        "addresses that are gone do go"
    );
}
