//! Clusters whose agents behave as real ones were measured, each with a sidecar beside it, in
//! virtual time. `peers/agents/check` does the same with real Consul agents.

use cloud_autojoin::{Host, Instant};

use super::*;
use crate::agent::Dialer;
use crate::agent::tests::agents::{FakeAgent, Host as Machine, InMemory, Kind, Network};
use crate::agent::tests::joins::session;
use crate::join_order::JoinOrder;
use crate::output::{Kind as File, Output, Syntax, nomad};

/// Members must be there so long after the cloud and the agents are up.
const LIMIT: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_secs(30);
const KINDS: [Kind; 2] = [Kind::Consul, Kind::NomadServer];

struct Member {
    address: Address,
    agent: Arc<FakeAgent>,
    snapshots: Sender<Option<Arc<AddressSnapshot>>>,
    sidecar: tokio::task::JoinHandle<()>,
}

struct Cluster {
    kind: Kind,
    network: Arc<Network>,
    members: Vec<Member>,
}

fn numbered(numbers: impl IntoIterator<Item = u8>) -> Vec<Address> {
    numbers
        .into_iter()
        .map(|number| Address::ip([10, 0, 0, number].into()))
        .collect()
}

impl Cluster {
    /// Machines without agents yet, each with a sidecar that has no result yet.
    fn booted(kind: Kind, numbers: impl IntoIterator<Item = u8>) -> Self {
        let mut cluster = Self {
            kind,
            network: Arc::default(),
            members: Vec::new(),
        };
        numbers
            .into_iter()
            .for_each(|number| cluster.boot(number, true));
        cluster
    }

    fn boot(&mut self, number: u8, with_sidecar: bool) {
        let clock = Clock::system();
        let address = numbered([number]).remove(0);
        let name = address.to_string();
        self.network.set(&name, Machine::Refuses);
        let agent = FakeAgent::new(self.kind, &name, &self.network);
        agent.set_running(false);
        let (snapshots, snapshot) = watch::channel(None);
        let session = session(
            self.kind,
            Arc::new(InMemory(Arc::clone(&agent))),
            &self.network,
        );
        let part = PartStatus::new(PartType::Agent, "agent", name, &clock);
        let sidecar = if with_sidecar {
            tokio::spawn(run_agent(session, part, snapshot, shared(INTERVAL)))
        } else {
            tokio::spawn(std::future::pending())
        };
        self.members.push(Member {
            address,
            agent,
            snapshots,
            sidecar,
        });
    }

    /// What the sidecar of each of `members` hears from the cloud.
    fn poll_result(
        &self,
        members: std::ops::Range<usize>,
        current: &[Address],
        retained: &[Address],
    ) {
        for member in &self.members[members] {
            let (current, retained): (Arc<[Address]>, Arc<[Address]>) =
                (current.into(), retained.into());
            member
                .snapshots
                .send_replace(Some(Arc::new(AddressSnapshot {
                    generation: 1,
                    addresses: [&*current, &*retained].concat().into(),
                    current,
                    retained,
                    before: Arc::default(),
                    fresh: true,
                })));
        }
    }

    fn start(&self, index: usize, join_list: Option<&[Address]>) {
        let member = &self.members[index];
        self.network.set(&member.address.to_string(), Machine::Live);
        match join_list {
            Some(list) => {
                let list = list.iter().map(ToString::to_string).collect();
                member.agent.start_with(list);
            }
            None => member.agent.set_running(true),
        }
    }

    fn start_all(&self) {
        (0..self.members.len()).for_each(|index| self.start(index, None));
    }

    /// Ends the machine at this place.
    fn end(&mut self, index: usize, machine: Machine) {
        let member = self.members.remove(index);
        member.sidecar.abort();
        member.agent.set_running(false);
        self.network.set(&member.address.to_string(), machine);
    }

    /// How often Raft of all has dialled these peers in vain.
    fn raft_dials(&self, numbers: std::ops::RangeInclusive<u8>) -> usize {
        numbered(numbers)
            .iter()
            .map(|peer| self.network.raft_dials(&peer.to_string()))
            .sum()
    }

    /// How many changes were requested of all since the last call.
    fn puts(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.agent.puts().len())
            .sum()
    }

    /// How long it takes until each sees all of them.
    async fn together(&self) -> Duration {
        let started = Instant::now();
        let sees_all = |member: &Member| {
            let alive = member.agent.alive();
            self.members
                .iter()
                .all(|other| alive.contains(&other.address.to_string()))
        };
        while !self.members.iter().all(sees_all) {
            assert!(
                started.elapsed() < Duration::from_secs(600),
                "{:?}: {:?}",
                self.kind,
                self.members
                    .iter()
                    .map(|member| member.agent.alive())
                    .collect::<Vec<_>>()
            );
            Clock::system().sleep(Duration::from_millis(10)).await;
        }
        started.elapsed()
    }

    /// A join file, as the sidecar writes it before an agent starts.
    async fn file(&self, addresses: &[Address]) -> Vec<Address> {
        let kind = match self.kind {
            Kind::Consul => File::Consul(Syntax::Json),
            _ => File::Nomad(nomad::Role::Server, Syntax::Json),
        };
        let output = Output {
            kind,
            path: "/join.json".into(),
            port: None,
            mode: 0o644,
        };
        let dialer: Arc<dyn Dialer> = Arc::clone(&self.network) as _;
        JoinOrder::new(dialer, &Clock::system())
            .arrange(&output, addresses, &[])
            .await
    }
}

fn shared(interval: Duration) -> Shared {
    let clock = Clock::system();
    Shared {
        name: "servers".into(),
        provider: "azure",
        subject: "scale set `servers`".into(),
        interval,
        sidecar: SidecarStatus::new(&clock),
        clock,
    }
}

async fn pass(duration: Duration) {
    Clock::system().sleep(duration).await;
}

#[tokio::test(start_paused = true)]
async fn agents_find_each_other_at_a_boot_by_file_by_api_and_by_both() {
    for kind in KINDS {
        for (by_file, by_api) in [(true, false), (false, true), (true, true)] {
            let cluster = Cluster::booted(kind, 1..=3);
            if by_api {
                cluster.poll_result(0..3, &numbered(1..=3), &[]);
            }
            let list = cluster.file(&numbered(1..=3)).await;
            for index in 0..3 {
                cluster.start(index, by_file.then_some(&list[..]));
            }
            let took = cluster.together().await;
            assert!(took <= LIMIT, "{kind:?} {by_file} {by_api} {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn six_dead_addresses_that_sort_first_delay_no_boot() {
    for kind in KINDS {
        for by_file in [false, true] {
            // The machines 1 to 6 are gone and swallow packets.
            let cluster = Cluster::booted(kind, 7..=9);
            cluster.poll_result(0..3, &numbered(1..=9), &[]);
            let list = cluster.file(&numbered(1..=9)).await;
            for index in 0..3 {
                cluster.start(index, by_file.then_some(&list[..]));
            }
            let took = cluster.together().await;
            assert!(took <= LIMIT, "{kind:?} by file: {by_file}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn agents_and_a_cloud_that_are_late_are_joined_within_seconds_however_late_they_are() {
    for kind in KINDS {
        for late in [3, 20, 60, 3600].map(Duration::from_secs) {
            let agents = Cluster::booted(kind, 1..=3);
            agents.poll_result(0..3, &numbered(1..=3), &[]);
            pass(late).await;
            agents.start_all();
            let took = agents.together().await;
            assert!(took <= LIMIT, "{kind:?} agents after {late:?}: {took:?}");

            let cloud = Cluster::booted(kind, 1..=3);
            cloud.start_all();
            pass(late).await;
            cloud.poll_result(0..3, &numbered(1..=3), &[]);
            let took = cloud.together().await;
            assert!(took <= LIMIT, "{kind:?} cloud after {late:?}: {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn machines_that_are_replaced_in_turn_are_members_within_seconds() {
    for kind in KINDS {
        for machine in [Machine::Swallows, Machine::Refuses] {
            let mut cluster = Cluster::booted(kind, 1..=3);
            cluster.poll_result(0..3, &numbered(1..=3), &[]);
            cluster.start_all();
            cluster.together().await;
            for number in 4..=6 {
                cluster.end(0, machine);
                cluster.boot(number, true);
                let current = numbered(number - 2..=number);
                // The others hear of it with their next polls.
                cluster.poll_result(2..3, &current, &[]);
                cluster.start(2, None);
                let took = cluster.together().await;
                assert!(took <= LIMIT, "{kind:?} {machine:?} {number}: {took:?}");
                pass(INTERVAL).await;
                cluster.poll_result(0..3, &current, &numbered([number - 3]));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_successor_without_a_sidecar_is_a_member_within_seconds_of_the_next_poll() {
    for kind in KINDS {
        let mut cluster = Cluster::booted(kind, 1..=3);
        cluster.poll_result(0..3, &numbered(1..=3), &[]);
        cluster.start_all();
        cluster.together().await;
        cluster.end(0, Machine::Swallows);
        cluster.boot(4, false);
        cluster.start(2, None);
        pass(INTERVAL).await;
        cluster.poll_result(0..2, &numbered(2..=4), &numbered([1]));
        let took = cluster.together().await;
        assert!(took <= LIMIT, "{kind:?} {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_restarts_on_new_addresses_finds_itself_whatever_the_old_ones_do() {
    for kind in KINDS {
        for machine in [Machine::Swallows, Machine::Refuses, Machine::Freezes] {
            let mut cluster = Cluster::booted(kind, 1..=3);
            cluster.poll_result(0..3, &numbered(1..=3), &[]);
            cluster.start_all();
            cluster.together().await;
            pass(INTERVAL).await;
            for number in 4..=6 {
                let old = Arc::clone(&cluster.members[0].agent);
                cluster.end(0, machine);
                cluster.boot(number, true);
                cluster.members[2].agent.set_disk_of(&old);
            }
            cluster.poll_result(0..3, &numbered(4..=6), &numbered(1..=3));
            cluster.start_all();
            let took = cluster.together().await;
            assert!(took <= LIMIT, "{kind:?} {machine:?} {took:?}");
            // Raft of a Nomad server doesn't stop at that, which no join can change.
            let (before, puts) = (cluster.raft_dials(1..=3), cluster.puts());
            pass(INTERVAL * 10).await;
            let dials = cluster.raft_dials(1..=3) - before;
            assert_eq!(dials >= 3 * 3 * 290, kind == Kind::NomadServer, "{dials}");
            assert!(puts > 0 && cluster.puts() <= 3, "{kind:?} {machine:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_back_under_its_name_on_a_new_address_is_waited_for_without_endless_joins() {
    for kind in KINDS {
        let mut cluster = Cluster::booted(kind, 1..=3);
        cluster.network.name("10.0.0.3", "web-3");
        cluster.poll_result(0..3, &numbered(1..=3), &[]);
        cluster.start_all();
        cluster.together().await;
        cluster.end(2, Machine::Swallows);
        cluster.boot(4, true);
        cluster.network.name("10.0.0.4", "web-3");
        cluster.poll_result(0..3, &numbered([1, 2, 4]), &numbered([3]));
        cluster.start(2, None);
        let took = cluster.together().await;
        assert!(
            (30..=60).contains(&took.as_secs()),
            "gossip gives the name away: {kind:?} {took:?}"
        );
        pass(Duration::from_secs(3600)).await;
        for member in &cluster.members {
            let puts = member.agent.puts();
            assert!(puts.len() <= 4, "{kind:?} {puts:?}");
        }
    }
}

/// A Vault requests every `leader_api_addr` of its storage block at once, and all again after 2 s.
#[tokio::test(start_paused = true)]
async fn a_vault_that_starts_with_the_file_finds_a_leader_among_dead_addresses() {
    let network = Network::of(&[("10.0.0.9", Machine::Live)]);
    let stanzas = crate::output::vault::stanzas(
        Syntax::Json,
        &numbered(1..=9),
        "https",
        None,
        &crate::output::vault::Stanza::default(),
    )
    .unwrap();
    let list: serde_json::Value = serde_json::from_str(&stanzas).unwrap();
    let leaders: Vec<Host> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|stanza| {
            let address = stanza["leader_api_addr"].as_str().unwrap();
            let ip = address
                .strip_prefix("https://")
                .and_then(|rest| rest.strip_suffix(":8200"))
                .unwrap();
            Host::Ip(ip.parse().unwrap())
        })
        .collect();
    assert_eq!(leaders.len(), 9);
    let dialer: &dyn Dialer = network.as_ref();
    let attempts: futures::stream::FuturesUnordered<_> = leaders
        .iter()
        .map(|leader| async move { dialer.dial(leader, 8200).await.map(|()| leader.clone()) })
        .collect();
    let started = Instant::now();
    let found = futures::StreamExt::next(&mut { attempts }).await.unwrap();
    assert_eq!(found.unwrap().to_string(), "10.0.0.9");
    assert!(started.elapsed() <= LIMIT);
}
