//! Many watches and one subscription, over hours that take seconds: the real provider, HTTP client,
//! schedule and guards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin::http::{HttpClient, HttpSettings};
use cloud_autojoin::watch::{Event, Pace, Watch};
use cloud_autojoin::{Clock, Context, Env, Instant, Registry};
use cloud_autojoin_simulator::azure::world::World;

use crate::subscription::{Subscription, Traffic};

#[cfg(feature = "shared")]
#[path = "store.rs"]
mod store;

/// What the fleet is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    /// How many watches there are. All of them start at the same moment, as after an outage.
    pub(crate) watches: u64,
    /// How each of them polls.
    pub(crate) pace: Pace,
    /// Whether a 429 says how long to wait.
    pub(crate) says_retry_after: bool,
    /// How long it goes on after the start, and how long after an instance was replaced then.
    pub(crate) before_and_after: (Duration, Duration),
    /// Whether they share one result through a store.
    pub(crate) is_shared: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// When each watch had its first addresses, in order.
    pub(crate) joined: Vec<Duration>,
    /// When each watch saw the replaced instance, from the replacement, in order.
    pub(crate) seen: Vec<Duration>,
    /// From the start to the replacement.
    pub(crate) before: Traffic,
    /// From the replacement to the end.
    pub(crate) after: Traffic,
    /// The requests of the minute with the most.
    #[allow(dead_code, reason = "the bench has no use for it")]
    pub(crate) busiest_minute: usize,
    /// Requests to the store, of the whole time.
    #[cfg(feature = "shared")]
    #[allow(dead_code, reason = "the test has no use for it")]
    pub(crate) store_requests: u64,
}

/// Half of them, or all: the time at which that part of `count` was done; `None` when it never was.
pub(crate) fn part_done(times: &[Duration], count: u64, part: f64) -> Option<Duration> {
    let needed = (count as f64 * part).ceil() as usize;
    times.get(needed.saturating_sub(1)).copied()
}

impl Fleet {
    /// Watches with the default settings.
    pub(crate) fn new(watches: u64, before_and_after: (Duration, Duration)) -> Self {
        Self {
            watches,
            pace: Pace::default(),
            says_retry_after: true,
            before_and_after,
            is_shared: false,
        }
    }

    /// The same of hosts that boot within a minute, with or without a shared result.
    #[cfg(feature = "shared")]
    pub(crate) fn booting(
        watches: u64,
        is_shared: bool,
        before_and_after: (Duration, Duration),
    ) -> Self {
        let mut fleet = Self::new(watches, before_and_after);
        fleet.pace.splay = Duration::from_secs(60);
        fleet.is_shared = is_shared;
        fleet
    }

    /// Lets the fleet run, on a paused clock.
    pub(crate) fn run(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        // The delays of a shared result: each run gives the same figures.
        #[cfg(feature = "shared")]
        fastrand::seed(1);
        runtime.block_on(self.live())
    }

    async fn live(self) -> Outcome {
        let (before, after) = self.before_and_after;
        let clock = Clock::system();
        let start = clock.now();
        let subscription = Arc::new(Subscription::new(
            World::shipped("nomad-consul").unwrap(),
            self.says_retry_after,
        ));
        let changes = Arc::new(Mutex::new(Vec::new()));
        #[cfg(feature = "shared")]
        let store = Arc::new(store::MemoryStore::default());
        for number in 0..self.watches {
            tokio::spawn(follow(
                self.watch(
                    number,
                    &subscription,
                    #[cfg(feature = "shared")]
                    &store,
                ),
                Arc::clone(&changes),
            ));
        }
        clock.sleep(before).await;
        let traffic_before = subscription.traffic();
        subscription.change(|world| {
            let first = world.instances("consul-servers").remove(0);
            world.replace_instance("consul-servers", &first).unwrap();
        });
        clock.sleep(after).await;
        // Kinds of change: the first of a watch, and the one after the replacement. There is no
        // other.
        let (mut joined, mut seen) = (Vec::new(), Vec::new());
        for (at, is_first) in changes.lock().unwrap().iter().copied() {
            let at: Instant = at;
            if is_first {
                joined.push(at - start);
            } else {
                seen.push(at - start - before);
            }
        }
        joined.sort();
        seen.sort();
        Outcome {
            joined,
            seen,
            before: traffic_before,
            after: subscription.traffic() - traffic_before,
            busiest_minute: subscription.busiest_minute(),
            #[cfg(feature = "shared")]
            store_requests: store.requests(),
        }
    }

    fn watch(
        &self,
        number: u64,
        subscription: &Arc<Subscription>,
        #[cfg(feature = "shared")] store: &Arc<store::MemoryStore>,
    ) -> Watch {
        let client =
            HttpClient::with_transport(Arc::clone(subscription) as _, HttpSettings::default());
        let context = Context::builder()
            .env(Env::empty())
            .http_client(client)
            .build()
            .unwrap();
        let registry = Registry::compiled_in();
        let join_string = "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=cluster vm_scale_set=consul-servers \
                           arm_endpoint=http://127.0.0.1:1 audience=https://management.azure.com/ metadata_endpoint=http://127.0.0.1:2";
        let provider = registry
            .build(&registry.parse(join_string).unwrap(), &context)
            .unwrap();
        #[cfg(feature = "shared")]
        if self.is_shared {
            return store::shared(provider, store, self.pace, &context, number);
        }
        assert!(!self.is_shared, "built without the feature `shared`");
        Watch::builder(provider, &context)
            .pace(self.pace)
            .seed(number)
            .build()
    }
}

/// Notes when the addresses of a watch change, and whether it is the first time.
async fn follow(mut watch: Watch, changes: Arc<Mutex<Vec<(Instant, bool)>>>) {
    let mut is_first = true;
    loop {
        if let Event::Changed(_) = watch.next().await {
            changes.lock().unwrap().push((Instant::now(), is_first));
            is_first = false;
        }
    }
}
