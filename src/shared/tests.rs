#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use cloud_autojoin_core::{Address, ApiError, Clock, Context, Detail, Env, Instant, RequestRecord};

use super::document::name_of;
use super::store::STORE_TIMEOUT;
use super::*;
use crate::result_file::Entry;
use crate::watch::{Event, Guards, Watch};

#[cfg(feature = "shared-buckets")]
mod buckets;
mod partition;
mod stores;

const IDENTITY: &str = "provider=pretend tag=servers";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

async fn sleep(duration: Duration) {
    Clock::system().sleep(duration).await;
}

/// When each member had its last answer, and what it was.
type Answers = Arc<Mutex<BTreeMap<usize, (Instant, Vec<String>)>>>;

/// A store in memory that can be slow, be away, or lose its answers.
#[derive(Debug, Default)]
struct MemoryStore {
    objects: Mutex<BTreeMap<String, (Bytes, u64)>>,
    writes: AtomicU64,
    conflicts: AtomicU64,
    is_down: AtomicBool,
    is_read_only: AtomicBool,
    loses_answers: AtomicBool,
    /// Whether it knows that the member that wrote the object is gone.
    is_released: AtomicBool,
    /// Whether it sends an object that the reader has already, as some servers do.
    ignores_known: AtomicBool,
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

impl MemoryStore {
    fn check(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::new("the store is away"));
        }
        Ok(())
    }

    fn set(&self, contents: impl Into<Bytes>) {
        let mut objects = self.objects.lock().unwrap();
        let entry = objects.entry(name_of(IDENTITY)).or_default();
        *entry = (contents.into(), entry.1 + 1);
    }

    /// Ends the session of the member that wrote the object.
    fn release(&self) {
        self.set(self.contents());
        self.is_released.store(true, Ordering::SeqCst);
    }

    fn contents(&self) -> Bytes {
        self.objects.lock().unwrap()[&name_of(IDENTITY)].0.clone()
    }

    fn document(&self) -> Document {
        Document::parse(&self.contents(), None).unwrap()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        sleep(Duration::from_millis(20)).await;
        self.check()?;
        let objects = self.objects.lock().unwrap();
        Ok(match objects.get(name) {
            None => Object::Absent,
            Some((contents, version)) => {
                let version = Version(version.to_string());
                if known == Some(&version) && !self.ignores_known.load(Ordering::SeqCst) {
                    Object::Unchanged
                } else if self.is_released.load(Ordering::SeqCst) {
                    Object::Released(contents.clone(), version)
                } else {
                    Object::Found(contents.clone(), version)
                }
            }
        })
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        sleep(Duration::from_millis(20)).await;
        self.check()?;
        if self.is_read_only.load(Ordering::SeqCst) {
            return Err(StoreError::new("the store can only be read"));
        }
        let mut objects = self.objects.lock().unwrap();
        let present = objects.get(name).map(|(_, version)| *version);
        if present.map(|version| version.to_string()) != expected.map(|version| version.0.clone()) {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
            return Ok(Put::Conflict);
        }
        let version = present.unwrap_or_default() + 1;
        objects.insert(name.to_owned(), (contents, version));
        self.is_released.store(false, Ordering::SeqCst);
        self.writes.fetch_add(1, Ordering::SeqCst);
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(StoreError::new("no answer in time"));
        }
        Ok(Put::Done(Version(version.to_string())))
    }
}

/// What all members poll.
#[derive(Debug)]
struct Cloud {
    addresses: Mutex<Vec<&'static str>>,
    polls: Mutex<Vec<Instant>>,
    latency: Mutex<Duration>,
    fails: AtomicBool,
    throttles: AtomicBool,
    /// The clock of all members.
    clock: Clock,
}

impl Cloud {
    fn new(addresses: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            addresses: addresses.to_vec().into(),
            polls: Mutex::default(),
            latency: SECOND.into(),
            fails: AtomicBool::default(),
            throttles: AtomicBool::default(),
            clock: Clock::system(),
        })
    }

    fn polls(&self) -> usize {
        self.polls.lock().unwrap().len()
    }
}

#[derive(Debug)]
struct Pretend(Arc<Cloud>);

#[async_trait]
impl Provider for Pretend {
    fn name(&self) -> &'static str {
        "pretend"
    }

    fn subject(&self) -> String {
        "servers".to_owned()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        self.0.polls.lock().unwrap().push(Instant::now());
        if self.0.throttles.load(Ordering::SeqCst) {
            let outcome = RequestOutcome::Status(429);
            call.record(RequestRecord::new("list servers", "cloud", outcome));
            return Err(ApiError::new("pretend", "list servers", 429).into());
        }
        let addresses = self.0.addresses.lock().unwrap().clone();
        let latency = *self.0.latency.lock().unwrap();
        sleep(latency).await;
        if self.0.fails.load(Ordering::SeqCst) {
            let failure = TransportFailure::Connect;
            return Err(TransportError::new("list servers", "cloud", failure).into());
        }
        let mut discovery = Discovery::new("pretend", "servers", call.detail());
        for address in addresses {
            let mut node = Node::new("server", address, address);
            node.addresses = vec![Address::ip(address.parse().unwrap())];
            discovery.record(node);
        }
        Ok(discovery)
    }
}

fn member<S: Store + 'static>(cloud: &Arc<Cloud>, store: &Arc<S>) -> SharedProvider {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    SharedProvider::new(
        Arc::new(Pretend(Arc::clone(cloud))) as Arc<dyn Provider>,
        store,
        IDENTITY,
        &cloud.clock,
    )
}

async fn ask(member: &SharedProvider) -> Result<Vec<String>> {
    let call = Call::new(&Clock::system(), MINUTE).with_detail(Detail::Addresses);
    let discovery = member.discover(&call).await?;
    Ok(discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect())
}

/// Members that ask every eight seconds, and when each last had an answer.
struct Fleet {
    tasks: tokio::task::JoinSet<()>,
    answered: Answers,
}

impl Fleet {
    fn start(count: usize, cloud: &Arc<Cloud>, store: &Arc<MemoryStore>) -> Self {
        let mut fleet = Self {
            tasks: tokio::task::JoinSet::new(),
            answered: Arc::default(),
        };
        for index in 0..count {
            let (member, answered) = (member(cloud, store), Arc::clone(&fleet.answered));
            fleet.tasks.spawn(async move {
                sleep(Duration::from_secs(8).mul_f64(fastrand::f64())).await;
                loop {
                    if let Ok(addresses) = ask(&member).await {
                        answered
                            .lock()
                            .unwrap()
                            .insert(index, (Instant::now(), addresses));
                    }
                    sleep(Duration::from_secs(8)).await;
                }
            });
        }
        fleet
    }

    /// How many members have had this answer within the last ten seconds.
    fn current(&self, addresses: &[&str]) -> usize {
        let answered = self.answered.lock().unwrap();
        let is_current = |(at, found): &&(Instant, Vec<String>)| {
            at.elapsed() < Duration::from_secs(10) && found == addresses
        };
        answered.values().filter(is_current).count()
    }
}

#[tokio::test(start_paused = true)]
async fn one_member_polls_and_all_have_its_result() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let fleet = Fleet::start(100, &cloud, &store);
    sleep(MINUTE / 2).await;
    assert_eq!(fleet.current(&["10.0.0.4"]), 100);
    let before = cloud.polls();
    sleep(10 * MINUTE).await;
    let polls = cloud.polls() - before;
    assert!((18..=30).contains(&polls), "{polls}");
    // A change is seen by all within the leader's interval and one read.
    *cloud.addresses.lock().unwrap() = vec!["10.0.0.5"];
    sleep(Duration::from_secs(40)).await;
    assert_eq!(fleet.current(&["10.0.0.5"]), 100);
    assert!(store.conflicts.load(Ordering::SeqCst) < 100);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone_is_replaced_by_one_member_without_a_stampede() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let leader = member(&cloud, &store);
    ask(&leader).await.unwrap();
    let fleet = Fleet::start(100, &cloud, &store);
    sleep(MINUTE).await;
    assert_eq!((cloud.polls(), fleet.current(&["10.0.0.4"])), (1, 100));
    sleep(MINUTE).await;
    assert_eq!(fleet.current(&["10.0.0.4"]), 100);
    assert!(cloud.polls() <= 3, "{}", cloud.polls());
    assert!(store.conflicts.load(Ordering::SeqCst) <= 5, "{store:?}");
    let document = store.document();
    assert_eq!(document.term, 2);
    assert_ne!(document.holder, leader.lease.member);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_the_store_knows_to_be_gone_is_replaced_before_its_result_is_too_old() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    ask(&member(&cloud, &store)).await.unwrap();
    let fleet = Fleet::start(100, &cloud, &store);
    sleep(10 * SECOND).await;
    *cloud.addresses.lock().unwrap() = vec!["10.0.0.5"];
    store.release();
    // One read of the members, and the shortest of their delays.
    sleep(10 * SECOND).await;
    assert_eq!((cloud.polls(), store.document().term), (2, 2));
    // No member is without a result meanwhile.
    assert_eq!(
        fleet.current(&["10.0.0.4"]) + fleet.current(&["10.0.0.5"]),
        100
    );
    sleep(10 * SECOND).await;
    assert_eq!(fleet.current(&["10.0.0.5"]), 100);
    assert_eq!(store.document().term, 2);
}

#[tokio::test(start_paused = true)]
async fn a_one_shot_program_uses_the_fresh_result_of_a_member_that_is_gone() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    ask(&member(&cloud, &store)).await.unwrap();
    store.release();
    let once = member(&cloud, &store).with_settings(SharedSettings::default().once());
    assert_eq!(ask(&once).await.unwrap(), ["10.0.0.4"]);
    assert_eq!((cloud.polls(), store.document().term), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn leaders_that_die_again_and_again_are_replaced_each_time() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let mut terms = 0;
    for _ in 0..300 {
        // It dies somewhere between its claim and its publication, or after it.
        let leader = member(&cloud, &store);
        let life = Duration::from_millis(fastrand::u64(10..1200));
        _ = tokio::time::timeout(life, ask(&leader)).await;
        sleep(100 * SECOND).await;
        terms += 1;
        let survivor = member(&cloud, &store);
        let answer = tokio::time::timeout(2 * MINUTE, async {
            loop {
                if let Ok(addresses) = ask(&survivor).await {
                    return addresses;
                }
                sleep(SECOND).await;
            }
        });
        assert_eq!(answer.await.unwrap(), ["10.0.0.4"]);
    }
    assert!(store.document().term >= terms / 2);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_lost_its_lease_cannot_overwrite_a_newer_result() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let slow = Cloud::new(&["10.0.0.9"]);
    let (first, second) = (member(&slow, &store), member(&cloud, &store));
    ask(&first).await.unwrap();
    sleep(25 * SECOND).await;
    // Its poll hangs; meanwhile the lease ends and another member takes over.
    *slow.latency.lock().unwrap() = 300 * SECOND;
    let late = tokio::spawn(async move { (ask(&first).await, first) });
    sleep(150 * SECOND).await;
    while ask(&second).await.is_err() {
        sleep(SECOND).await;
    }
    let newer = store.contents();
    let (answer, first) = late.await.unwrap();
    // Its own result is good for itself, and is not published.
    assert_eq!(answer.unwrap(), ["10.0.0.9"]);
    assert_eq!(store.contents(), newer);
    sleep(5 * SECOND).await;
    ask(&second).await.unwrap();
    assert_eq!(ask(&first).await.unwrap(), ["10.0.0.4"]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_object_is_replaced_and_one_of_a_future_format_is_not() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    ask(&member(&cloud, &store)).await.unwrap();
    let whole = store.contents();
    for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"\0\0\0\0"] {
        store.set(Bytes::copy_from_slice(damaged));
        let member = member(&cloud, &store);
        while ask(&member).await.is_err() {
            sleep(SECOND).await;
        }
        assert_eq!(store.document().addresses.len(), 1);
    }
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let newer = text.replace("\"version\":1", "\"version\":2");
    assert_ne!(newer, text);
    store.set(newer.clone());
    let member = member(&cloud, &store);
    for _ in 0..100 {
        _ = ask(&member).await;
        sleep(SECOND).await;
    }
    assert_eq!(store.contents(), newer);
}

#[tokio::test(start_paused = true)]
async fn a_result_without_the_right_signature_is_neither_used_nor_replaced() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let key = || SharedKey::new(b"0123456789abcdef\n").unwrap();
    let signing = member(&cloud, &store).with_key(key());
    assert_eq!(ask(&signing).await.unwrap(), ["10.0.0.4"]);
    let signed = String::from_utf8(store.contents().to_vec()).unwrap();
    let reader = member(&cloud, &store).with_key(key());
    assert_eq!(ask(&reader).await.unwrap(), ["10.0.0.4"]);
    assert_eq!(cloud.polls(), 1);
    let forged = signed.replace("10.0.0.4", "10.6.6.6");
    assert_ne!(forged, signed);
    let unsigned = {
        let document = store.document();
        String::from_utf8(document.to_bytes(None).unwrap().to_vec()).unwrap()
    };
    let other_key = SharedKey::new(b"fedcba9876543210").unwrap();
    let of_other = store.document().to_bytes(Some(&other_key)).unwrap();
    let of_other = String::from_utf8(of_other.to_vec()).unwrap();
    for bad in [forged, unsigned, of_other] {
        store.set(bad.clone());
        let reader = member(&cloud, &store).with_key(key());
        for _ in 0..200 {
            if let Ok(addresses) = ask(&reader).await {
                assert_eq!(addresses, ["10.0.0.4"]);
            }
            sleep(SECOND).await;
        }
        assert_eq!(store.contents(), bad);
    }
    assert!(SharedKey::new(b"short").is_err());
    assert!(!format!("{:?}", key()).contains("0123"));
}

#[tokio::test(start_paused = true)]
async fn an_older_version_of_the_object_is_never_used_again() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let (leader, reader) = (member(&cloud, &store), member(&cloud, &store));
    ask(&leader).await.unwrap();
    let old = store.contents();
    *cloud.addresses.lock().unwrap() = vec!["10.0.0.5"];
    sleep(30 * SECOND).await;
    ask(&leader).await.unwrap();
    assert_eq!(ask(&reader).await.unwrap(), ["10.0.0.5"]);
    store.set(old);
    for _ in 0..60 {
        if let Ok(addresses) = ask(&reader).await {
            assert_eq!(addresses, ["10.0.0.5"]);
        }
        sleep(SECOND).await;
    }
    assert_eq!(store.document().term, 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_members_poll_by_themselves_seldom_and_spread() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    store.is_down.store(true, Ordering::SeqCst);
    let fleet = Fleet::start(200, &cloud, &store);
    let start = Instant::now();
    sleep(15 * MINUTE).await;
    let polls = cloud.polls.lock().unwrap().clone();
    // The first within a minute, then one in five minutes.
    assert!((600..=1000).contains(&polls.len()), "{}", polls.len());
    let mut of_second = BTreeMap::<u64, usize>::new();
    for poll in &polls {
        *of_second.entry((*poll - start).as_secs()).or_default() += 1;
    }
    assert!(
        of_second.values().all(|count| *count <= 20),
        "{of_second:?}"
    );
    store.is_down.store(false, Ordering::SeqCst);
    sleep(MINUTE).await;
    let before = cloud.polls();
    sleep(5 * MINUTE).await;
    assert!(cloud.polls() - before <= 15);
    assert_eq!(fleet.current(&["10.0.0.4"]), 200);
}

#[tokio::test(start_paused = true)]
async fn members_that_the_cloud_throttles_while_the_store_is_away_poll_less_and_less() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    store.is_down.store(true, Ordering::SeqCst);
    cloud.throttles.store(true, Ordering::SeqCst);
    let _fleet = Fleet::start(20, &cloud, &store);
    let mut polls = Vec::new();
    for _ in 0..6 {
        let before = cloud.polls();
        sleep(60 * MINUTE).await;
        polls.push(cloud.polls() - before);
    }
    // 240 an hour without throttling, and about one an hour of each member at last.
    assert!(polls[0] < 140 && polls[5] < 40, "{polls:?}");
    cloud.throttles.store(false, Ordering::SeqCst);
    sleep(180 * MINUTE).await;
    let before = cloud.polls();
    sleep(60 * MINUTE).await;
    let polls = cloud.polls() - before;
    assert!((200..280).contains(&polls), "{polls}");
}

#[tokio::test(start_paused = true)]
async fn members_that_may_only_read_poll_by_themselves_and_the_leader_no_more_often_than_before() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let leader = member(&cloud, &store);
    ask(&leader).await.unwrap();
    let own_cloud = Cloud::new(&["10.0.0.5"]);
    let fleet = Fleet::start(20, &own_cloud, &store);
    sleep(30 * SECOND).await;
    store.is_read_only.store(true, Ordering::SeqCst);
    let (started, before) = (Instant::now(), cloud.polls());
    while started.elapsed() < 15 * MINUTE {
        _ = ask(&leader).await;
        sleep(2 * SECOND).await;
    }
    let polls = cloud.polls() - before;
    assert!((30..=50).contains(&polls), "{polls}");
    // Each member in one to two minutes, since the last result is used until it is too old, and
    // then once in five minutes.
    let polls = own_cloud.polls();
    assert!((40..=120).contains(&polls), "{polls}");
    let answered = fleet.answered.lock().unwrap();
    assert!(answered.values().all(|(_, found)| found == &["10.0.0.5"]));
    assert_eq!(answered.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_seen_at_the_next_look() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let leader = member(&cloud, &store);
    ask(&leader).await.unwrap();
    sleep(30 * SECOND).await;
    store.loses_answers.store(true, Ordering::SeqCst);
    *cloud.addresses.lock().unwrap() = vec!["10.0.0.5"];
    assert_eq!(ask(&leader).await.unwrap(), ["10.0.0.5"]);
    store.loses_answers.store(false, Ordering::SeqCst);
    sleep(30 * SECOND).await;
    assert_eq!(ask(&leader).await.unwrap(), ["10.0.0.5"]);
    let document = store.document();
    assert_eq!((document.term, document.holder), (1, leader.lease.member));
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_replaced_through_a_store_that_sends_unchanged_objects_again() {
    for is_rewritten in [false, true] {
        let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
        store.ignores_known.store(true, Ordering::SeqCst);
        let (leader, reader) = (member(&cloud, &store), member(&cloud, &store));
        ask(&leader).await.unwrap();
        let started = Instant::now();
        while cloud.polls() == 1 {
            if is_rewritten {
                // By something that restores or copies the object: a new version, the same result.
                store.set(store.contents());
            }
            _ = ask(&reader).await;
            sleep(SECOND).await;
            assert!(started.elapsed() < 2 * MINUTE, "nobody took over");
        }
        assert_eq!(ask(&reader).await.unwrap(), ["10.0.0.4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_cost_one_change_of_leader_at_most() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let fleet = Fleet::start(5, &cloud, &store);
    sleep(MINUTE).await;
    for hour in [3600_i64, -3600] {
        // The leader's clock is ahead, or behind.
        let mut document = store.document();
        let wall = cloud.clock.wall();
        let hour = Duration::from_secs(hour.unsigned_abs());
        let time = if document.term % 2 == 1 {
            wall + hour
        } else {
            wall - hour
        };
        document.renewed = result_file::time(time);
        document.confirmed = Some(result_file::time(time));
        let term = document.term;
        store.set(document.to_bytes(None).unwrap());
        let late = Fleet::start(5, &cloud, &store);
        sleep(5 * MINUTE).await;
        assert!(
            store.document().term <= term + 6,
            "{}",
            store.document().term
        );
        let settled = store.document().term;
        sleep(10 * MINUTE).await;
        assert_eq!(store.document().term, settled);
        assert_eq!(
            (fleet.current(&["10.0.0.4"]), late.current(&["10.0.0.4"])),
            (5, 5)
        );
        drop(late);
        sleep(5 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_fails_is_tried_by_few_members_and_the_old_result_ends() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let fleet = Fleet::start(100, &cloud, &store);
    sleep(MINUTE).await;
    cloud.fails.store(true, Ordering::SeqCst);
    sleep(3 * MINUTE).await;
    assert_eq!(fleet.current(&["10.0.0.4"]), 0);
    let before = cloud.polls();
    sleep(10 * MINUTE).await;
    let polls = cloud.polls() - before;
    assert!(polls <= 250, "{polls}");
    cloud.fails.store(false, Ordering::SeqCst);
    sleep(MINUTE).await;
    assert_eq!(fleet.current(&["10.0.0.4"]), 100);
}

#[tokio::test(start_paused = true)]
async fn a_result_without_addresses_is_not_published() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let (leader, reader) = (member(&cloud, &store), member(&cloud, &store));
    ask(&leader).await.unwrap();
    cloud.addresses.lock().unwrap().clear();
    sleep(30 * SECOND).await;
    assert!(ask(&leader).await.unwrap().is_empty());
    assert_eq!(ask(&reader).await.unwrap(), ["10.0.0.4"]);
}

#[tokio::test(start_paused = true)]
async fn the_guards_of_a_watch_hold_for_the_results_of_others() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    ask(&member(&cloud, &store)).await.unwrap();
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let guards = Guards {
        min: 2,
        ..Guards::default()
    };
    let mut watch = Watch::builder(
        Arc::new(member(&cloud, &store)) as Arc<dyn Provider>,
        &context,
    )
    .guards(guards)
    .build();
    assert!(matches!(watch.next().await, Event::Held(_)));
    assert_eq!(cloud.polls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_query_or_scope_is_neither_used_nor_replaced() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let document = Document {
        identity: "provider=pretend tag=others".to_owned(),
        term: 1,
        addresses: vec![Entry::from(&Address::ip([10, 6, 6, 6].into()))],
        ..Document::default()
    };
    let contents = document.to_bytes(None).unwrap();
    store.set(contents.clone());
    let member = member(&cloud, &store);
    for _ in 0..100 {
        if let Ok(addresses) = ask(&member).await {
            assert_eq!(addresses, ["10.0.0.4"]);
        }
        sleep(SECOND).await;
    }
    assert_eq!(store.contents(), contents);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_asks_once_waits_for_another_or_does_without_the_store() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let once = || member(&cloud, &store).with_settings(SharedSettings::default().once());
    let asks: Vec<_> = (0..20).map(|_| once()).collect();
    let answers = asks.iter().map(async |member| {
        let call = Call::new(&Clock::system(), MINUTE);
        member.discover(&call).await.unwrap().matched()
    });
    assert_eq!(futures::future::join_all(answers).await, [1; 20]);
    assert_eq!(cloud.polls(), 1);
    store.is_down.store(true, Ordering::SeqCst);
    let call = Call::new(&Clock::system(), MINUTE);
    assert_eq!(once().discover(&call).await.unwrap().matched(), 1);
    assert_eq!(cloud.polls(), 2);
}
