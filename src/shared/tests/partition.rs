//! Members that alone lose the store, and writes that arrive late.

use super::*;

/// The way of one member to the store.
#[derive(Debug)]
struct Link {
    store: Arc<MemoryStore>,
    is_cut: AtomicBool,
    /// How long a write takes to arrive. It arrives even if the member doesn't wait for it.
    write_delay: Mutex<Duration>,
}

impl Link {
    fn new(store: &Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            is_cut: AtomicBool::default(),
            write_delay: Mutex::default(),
        })
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// Packets of a link that is cut are lost: nothing responds.
    async fn pass(&self) {
        if self.is_cut.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl Store for Link {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        self.pass().await;
        self.store.get(name, known).await
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        self.pass().await;
        let delay = *self.write_delay.lock().unwrap();
        let (store, name, expected) = (Arc::clone(&self.store), name.to_owned(), expected.cloned());
        let write = tokio::spawn(async move {
            sleep(delay).await;
            store.put(&name, contents, expected.as_ref()).await
        });
        write.await.unwrap()
    }
}

/// Queries a member every eight seconds for so long. Returns its results.
async fn results_of(member: &SharedProvider, whole: Duration) -> Vec<Vec<String>> {
    let (started, mut results) = (Instant::now(), Vec::new());
    while started.elapsed() < whole {
        results.extend(ask(member).await);
        sleep(8 * SECOND).await;
    }
    results
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_alone_loses_the_store_is_replaced_and_polls_by_itself_seldom() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    // The leader sees another cloud, so that its results differ from those of others.
    let own_cloud = Cloud::new(&["10.0.0.9"]);
    let link = Link::new(&store);
    let leader = member(&own_cloud, &link);
    ask(&leader).await.unwrap();
    let fleet = Fleet::start(20, &cloud, &store);
    results_of(&leader, MINUTE).await;
    assert_eq!((cloud.polls(), fleet.current(&["10.0.0.9"])), (0, 20));

    link.cut(true);
    let before = own_cloud.polls();
    let results = results_of(&leader, 2 * MINUTE).await;
    // Another member has the lease, and all others its result.
    let document = store.document();
    assert_eq!((document.term, fleet.current(&["10.0.0.4"])), (2, 20));
    assert_ne!(document.holder, leader.lease.member);
    // What it still finds, it finds by itself.
    assert!(results.iter().all(|found| found == &["10.0.0.9"]));
    results_of(&leader, 13 * MINUTE).await;
    // The first within a minute, then one in two and a half to seven and a half minutes.
    let polls = own_cloud.polls() - before;
    assert!((2..=7).contains(&polls), "{polls}");
    assert_eq!(store.document().holder, document.holder);
    assert_eq!(fleet.current(&["10.0.0.4"]), 20);

    link.cut(false);
    let before = own_cloud.polls();
    let results = results_of(&leader, 5 * MINUTE).await;
    assert!(results.iter().all(|found| found == &["10.0.0.4"]));
    assert_eq!(own_cloud.polls(), before);
    assert_eq!(
        (store.document().term, store.document().holder),
        (2, document.holder)
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_arrives_late_overwrites_nothing_newer() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let (own_cloud, link) = (Cloud::new(&["10.0.0.9"]), Link::new(&store));
    let (slow, other) = (member(&own_cloud, &link), member(&cloud, &store));
    ask(&slow).await.unwrap();
    sleep(30 * SECOND).await;
    // It publishes, and stops before that arrives.
    *link.write_delay.lock().unwrap() = 5 * MINUTE;
    ask(&slow).await.unwrap();
    results_of(&other, 2 * MINUTE).await;
    assert_eq!(store.document().term, 2);
    let conflicts = store.conflicts.load(Ordering::SeqCst);
    results_of(&other, 5 * MINUTE).await;
    assert_eq!(store.conflicts.load(Ordering::SeqCst), conflicts + 1);
    assert_eq!(store.document().holder, other.lease.member);
    assert_eq!(ask(&slow).await.unwrap(), ["10.0.0.4"]);
}

#[tokio::test(start_paused = true)]
async fn members_whose_writes_all_come_too_late_have_addresses_without_polling_often() {
    let (cloud, store) = (Cloud::new(&["10.0.0.4"]), Arc::<MemoryStore>::default());
    let links: Vec<_> = (0..10).map(|_| Link::new(&store)).collect();
    let mut members = tokio::task::JoinSet::new();
    for link in links {
        *link.write_delay.lock().unwrap() = STORE_TIMEOUT + SECOND;
        let member = member(&cloud, &link);
        members.spawn(async move { results_of(&member, 15 * MINUTE).await });
    }
    let results = members.join_all().await;
    assert!(
        results.iter().all(|results| !results.is_empty()),
        "{results:?}"
    );
    // Ten members: fewer than one poll each in two minutes.
    assert!(cloud.polls() <= 75, "{}", cloud.polls());
}
