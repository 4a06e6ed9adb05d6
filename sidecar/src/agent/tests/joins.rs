//! Which peer an agent joins when, in virtual time, with agents that behave as real ones were
//! measured.

use std::time::Duration;

use cloud_autojoin::Instant;
use cloud_autojoin::http::{
    HttpClient, HttpSettings, RawResponse, Request, RetryPolicy, Transport, TransportCause,
};

use super::agents::{FakeAgent, Host as Peer, InMemory, Kind, Network};
use super::*;

#[async_trait]
impl Dialer for Network {
    async fn dial(&self, host: &Host, _: u16) -> io::Result<()> {
        match host {
            Host::Ip(ip) => Self::dial(self, *ip).await,
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// The agent at 10.0.0.1, and what the sidecar remembers of it.
struct Scenario {
    network: Arc<Network>,
    agent: Arc<FakeAgent>,
    session: AgentSession,
    started: Instant,
}

pub(crate) fn session(
    kind: Kind,
    transport: Arc<dyn Transport>,
    network: &Arc<Network>,
) -> AgentSession {
    let kind = match kind {
        Kind::Consul => CONSUL,
        Kind::NomadServer => AgentKind::NomadServer,
        Kind::NomadClient => AgentKind::NomadClient,
    };
    let mut settings = HttpSettings::default();
    settings.retry = RetryPolicy::none();
    let client = AgentClient::new(
        "http://127.0.0.1:1".parse().unwrap(),
        HeaderName::from_static("x-token"),
        ClientFiles::default(),
    );
    let client = client.with_http_client(HttpClient::with_transport(transport, settings));
    let network: Arc<dyn Dialer> = Arc::clone(network) as _;
    AgentSession::new(
        Agent {
            kind,
            client,
            port: None,
        },
        network,
        &Clock::system(),
    )
}

impl Scenario {
    fn new(kind: Kind, hosts: &[(&str, Peer)]) -> Self {
        let network = Network::of(hosts);
        network.set("10.0.0.1", Peer::Live);
        let agent = FakeAgent::new(kind, "10.0.0.1", &network);
        let session = session(kind, Arc::new(InMemory(Arc::clone(&agent))), &network);
        Self {
            network,
            agent,
            session,
            started: Instant::now(),
        }
    }

    async fn update(
        &mut self,
        current: &[Address],
        retained: &[Address],
    ) -> Result<JoinOutcome, Failure> {
        self.session
            .update(
                Peers {
                    current,
                    retained,
                    fresh: true,
                },
                &|| false,
            )
            .await
    }

    /// Updates as the sidecar does, every half minute, for so many times.
    async fn updates(&mut self, count: usize, current: &[Address]) {
        for _ in 0..count {
            _ = self.update(current, &[]).await;
            Clock::system().sleep(Duration::from_secs(30)).await;
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

fn numbered(numbers: std::ops::RangeInclusive<u8>) -> Vec<Address> {
    numbers
        .map(|number| Address::ip([10, 0, 0, number].into()))
        .collect()
}

fn hosts(numbers: std::ops::RangeInclusive<u8>, host: Peer) -> Vec<(String, Peer)> {
    numbers
        .map(|number| (format!("10.0.0.{number}"), host))
        .collect()
}

fn scenario(kind: Kind, groups: &[(std::ops::RangeInclusive<u8>, Peer)]) -> Scenario {
    let all: Vec<(String, Peer)> = groups
        .iter()
        .flat_map(|(numbers, host)| hosts(numbers.clone(), *host))
        .collect();
    Scenario::new(
        kind,
        &all.iter()
            .map(|(address, host)| (address.as_str(), *host))
            .collect::<Vec<_>>(),
    )
}

#[tokio::test(start_paused = true)]
async fn dead_peers_do_not_delay_a_live_one() {
    for kind in [Kind::Consul, Kind::NomadServer] {
        let mut scenario = scenario(kind, &[(2..=8, Peer::Swallows), (9..=9, Peer::Live)]);
        let failure = scenario.update(&numbered(1..=9), &[]).await.unwrap_err();
        assert_eq!(scenario.agent.alive(), ["10.0.0.1", "10.0.0.9"]);
        assert!(
            scenario.elapsed() < Duration::from_secs(10),
            "{kind:?} {:?}",
            scenario.elapsed()
        );
        assert_eq!(
            scenario.agent.puts().len(),
            1,
            "only the live one is worth the agent's time"
        );
        assert!(failure.to_string().ends_with("(and 6 more)"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_comes_up_among_dead_ones_is_joined_within_one_interval() {
    for kind in [Kind::Consul, Kind::NomadServer] {
        let mut scenario = scenario(kind, &[(2..=8, Peer::Swallows)]);
        scenario.updates(5, &numbered(1..=9)).await;
        assert_eq!(scenario.agent.most_joins_at_a_time(), 1);
        scenario.network.set("10.0.0.9", Peer::Live);
        let up = Instant::now();
        _ = scenario.update(&numbered(1..=9), &[]).await;
        assert_eq!(scenario.agent.alive(), ["10.0.0.1", "10.0.0.9"]);
        assert!(
            up.elapsed() < Duration::from_secs(10),
            "{kind:?} {:?}",
            up.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_on_new_addresses_is_joined_at_once_and_retained_addresses_stay_in_files() {
    for kind in [Kind::Consul, Kind::NomadServer] {
        let mut scenario = scenario(kind, &[(2..=3, Peer::Swallows), (4..=5, Peer::Live)]);
        let outcome = scenario
            .update(
                &[numbered(1..=1), numbered(4..=5)].concat(),
                &numbered(2..=3),
            )
            .await;
        assert_eq!(
            outcome,
            Ok(JoinOutcome::Joined(vec![
                "10.0.0.4".to_owned(),
                "10.0.0.5".to_owned()
            ]))
        );
        assert!(
            scenario.elapsed() < Duration::from_millis(300),
            "{kind:?} {:?}",
            scenario.elapsed()
        );
        assert!(
            !scenario
                .agent
                .puts()
                .iter()
                .any(|put| put.contains("10.0.0.2") || put.contains("10.0.0.3"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_retained_peer_is_joined_only_by_an_agent_that_is_alone_and_only_if_it_responds() {
    let mut alone = scenario(
        Kind::Consul,
        &[
            (2..=2, Peer::Swallows),
            (3..=3, Peer::Live),
            (4..=4, Peer::Refuses),
        ],
    );
    _ = alone
        .update(
            &[numbered(1..=1), numbered(4..=4)].concat(),
            &numbered(2..=3),
        )
        .await;
    assert_eq!(alone.agent.alive(), ["10.0.0.1", "10.0.0.3"]);
    let mut others = scenario(Kind::Consul, &[(3..=5, Peer::Live)]);
    _ = others
        .update(
            &[numbered(1..=1), numbered(4..=5)].concat(),
            &numbered(3..=3),
        )
        .await;
    assert_eq!(others.agent.alive(), ["10.0.0.1", "10.0.0.4", "10.0.0.5"]);
}

#[tokio::test(start_paused = true)]
async fn no_second_join_is_sent_while_the_agent_may_work_on_one_that_was_given_up() {
    let mut scenario = scenario(Kind::NomadServer, &[(2..=8, Peer::Freezes)]);
    scenario.agent.set_dial_timeout(Duration::from_secs(100));
    scenario.updates(40, &numbered(1..=8)).await;
    assert_eq!(scenario.agent.most_joins_at_a_time(), 1);
    assert!(scenario.agent.puts().len() > 3);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_fails_again_and_again_is_tried_more_and_more_seldom_and_does_not_starve_others()
 {
    let mut scenario = scenario(Kind::Consul, &[(2..=3, Peer::Freezes)]);
    scenario.updates(120, &numbered(1..=3)).await;
    let puts = scenario.agent.puts();
    for peer in ["10.0.0.2", "10.0.0.3"] {
        let count = puts.iter().filter(|put| put.ends_with(peer)).count();
        assert!((5..=20).contains(&count), "{peer} {count}");
    }
    scenario.network.set("10.0.0.4", Peer::Live);
    let up = Instant::now();
    _ = scenario.update(&numbered(1..=4), &[]).await;
    assert_eq!(scenario.agent.alive(), ["10.0.0.1", "10.0.0.4"]);
    assert!(up.elapsed() < Duration::from_secs(30), "{:?}", up.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_same_cause_reads_the_same_each_time() {
    let mut scenario = scenario(Kind::Consul, &[(2..=2, Peer::Freezes)]);
    let first = scenario.update(&numbered(1..=2), &[]).await.unwrap_err();
    assert_eq!(
        first.to_string(),
        "consul agent http://127.0.0.1:1: cannot join 10.0.0.2: status 500, 1 error occurred: Failed to join 10.0.0.2: read tcp 10.0.0.2: i/o timeout"
    );
    Clock::system().sleep(Duration::from_secs(60)).await;
    let second = scenario.update(&numbered(1..=2), &[]).await.unwrap_err();
    assert_eq!(scenario.agent.puts().len(), 2);
    assert!(second.has_same_cause(&first), "{second}");
}

#[tokio::test(start_paused = true)]
async fn a_second_address_of_a_member_is_not_joined() {
    let mut scenario = scenario(Kind::Consul, &[(2..=2, Peer::Live)]);
    scenario.network.alias("2001:db8::2", "10.0.0.2");
    scenario.network.alias("10.0.9.2", "10.0.0.2");
    let peers: Vec<Address> = ips(&["10.0.0.2", "10.0.9.2", "2001:db8::2"])
        .into_iter()
        .map(|peer| peer.with_instance("web_2"))
        .collect();
    assert_eq!(
        scenario.update(&peers, &[]).await,
        Ok(JoinOutcome::Joined(vec!["10.0.0.2".to_owned()]))
    );
    assert_eq!(
        scenario.update(&peers, &[]).await,
        Ok(JoinOutcome::UpToDate)
    );
    assert_eq!(scenario.agent.puts(), ["PUT /v1/agent/join/10.0.0.2"]);
    // A machine that came back under its old name with another address is a peer to join.
    scenario.network.set("10.0.0.2", Peer::Swallows);
    scenario.network.set("10.0.0.3", Peer::Live);
    let peers = [Address::ip([10, 0, 0, 3].into()).with_instance("web_2")];
    assert_eq!(
        scenario.update(&peers, &[]).await,
        Ok(JoinOutcome::Joined(vec!["10.0.0.3".to_owned()]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_join_by_an_address_that_no_member_shows_is_done_once_until_a_member_goes_or_the_agent_restarts()
 {
    let mut scenario = scenario(Kind::Consul, &[(2..=2, Peer::Live)]);
    scenario.network.alias("192.0.2.2", "10.0.0.2");
    let peers = ips(&["10.0.0.1", "192.0.2.2"]);
    let join = ["PUT /v1/agent/join/192.0.2.2"];
    assert_eq!(
        scenario.update(&peers, &[]).await,
        Ok(JoinOutcome::Joined(vec!["192.0.2.2".to_owned()]))
    );
    for _ in 0..10 {
        assert_eq!(
            scenario.update(&peers, &[]).await,
            Ok(JoinOutcome::UpToDate)
        );
    }
    assert_eq!(scenario.agent.puts(), join);

    scenario.network.leave("10.0.0.2");
    scenario.network.set("10.0.0.1", Peer::Live);
    scenario.updates(2, &peers).await;
    assert_eq!(scenario.agent.puts(), join, "the member left");

    scenario.agent.set_running(false);
    let failure = scenario.update(&peers, &[]).await.unwrap_err();
    assert!(
        failure.is_absence() && failure.is_expected_at_start(),
        "{failure}"
    );
    scenario.agent.set_running(true);
    scenario.updates(2, &peers).await;
    assert_eq!(scenario.agent.puts(), join, "the agent restarted");
}

#[tokio::test(start_paused = true)]
async fn a_nomad_client_that_knows_only_retained_servers_gets_the_current_ones() {
    let mut scenario = scenario(
        Kind::NomadClient,
        &[(2..=3, Peer::Swallows), (4..=5, Peer::Live)],
    );
    scenario
        .agent
        .set_servers(&["10.0.0.2:4647", "10.0.0.3:4647"]);
    let outcome = scenario.update(&numbered(4..=5), &numbered(2..=3)).await;
    assert_eq!(
        outcome,
        Ok(JoinOutcome::Joined(vec![
            "10.0.0.4:4647".to_owned(),
            "10.0.0.5:4647".to_owned()
        ]))
    );
    assert_eq!(
        scenario.update(&numbered(4..=5), &numbered(2..=3)).await,
        Ok(JoinOutcome::UpToDate)
    );
}

#[tokio::test(start_paused = true)]
async fn newer_peers_end_an_update() {
    let mut scenario = scenario(Kind::Consul, &[(2..=4, Peer::Freezes)]);
    let agent = Arc::clone(&scenario.agent);
    let peers = numbered(1..=4);
    let is_outdated = || agent.most_joins_at_a_time() > 0;
    _ = scenario
        .session
        .update(
            Peers {
                current: &peers,
                retained: &[],
                fresh: true,
            },
            &is_outdated,
        )
        .await;
    assert_eq!(scenario.agent.puts().len(), 1);
}

/// Takes a request and never responds.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn send(&self, _: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_responds_times_out() {
    let network = Network::of(&[]);
    let failure = session(Kind::Consul, Arc::new(Silent), &network)
        .update(
            Peers {
                current: &numbered(2..=2),
                retained: &[],
                fresh: true,
            },
            &|| false,
        )
        .await;
    assert!(
        failure
            .unwrap_err()
            .to_string()
            .starts_with("consul agent http://127.0.0.1:1: cannot read its members: ")
    );
}
