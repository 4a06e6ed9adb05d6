//! Agents of Consul and Nomad as they behave towards a caller, and the network between their peers.
//!
//! What real ones do was measured, and is done here in tokio's time, which tests can pause: an
//! agent joins one address at a time for all callers; an address that swallows packets costs a
//! Consul agent 10 s and a Nomad server 30 s; a join goes on after its caller has hung up; Raft of
//! a Nomad server keeps dialling old peers, on connections of its own.
//! [`InMemory`] responds without a socket, so that a paused clock works; [`serve`] serves a real
//! process.

#![allow(
    dead_code,
    reason = "used in parts by the tests of the command and of the binary"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin::http::{RawResponse, Request, Transport, TransportCause};
use cloud_autojoin::{Instant, TransportFailure};
use http::StatusCode;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

/// How a host takes a connection to its gossip port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// An agent responds.
    Live,
    /// No agent listens.
    Refuses,
    /// The machine is gone: packets are swallowed.
    Swallows,
    /// The connection is accepted, and the agent never responds.
    Freezes,
}

/// Hosts and the clusters that their agents form.
#[derive(Debug, Default)]
pub(crate) struct Network(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<IpAddr, Host>,
    /// Further addresses of a host.
    aliases: BTreeMap<IpAddr, IpAddr>,
    /// The members of one cluster with a host; absent: no one else.
    clusters: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    /// The names of hosts that have one besides their address.
    names: BTreeMap<IpAddr, String>,
    /// When hosts that aren't live any more failed.
    failed_at: BTreeMap<IpAddr, Instant>,
    dials: usize,
    /// How often Raft of any server dialled each of its peers that doesn't respond.
    raft_dials: BTreeMap<IpAddr, usize>,
}

impl Network {
    /// Hosts that know no others.
    pub(crate) fn of(hosts: &[(&str, Host)]) -> Arc<Self> {
        let network = Arc::<Self>::default();
        for (address, host) in hosts {
            network.set(address, *host);
        }
        network
    }

    /// Adds or changes a host. One that is changed loses its cluster, and stays known as failed in
    /// it.
    pub(crate) fn set(&self, address: &str, host: Host) {
        let mut state = self.0.lock().unwrap();
        let address = address.parse().unwrap();
        let before = state.hosts.insert(address, host);
        if before == Some(Host::Live) && host != Host::Live {
            state.failed_at.insert(address, Instant::now());
        }
        state.clusters.remove(&address);
    }

    /// Gives the agent of a host a name of its own, which it keeps on another address.
    pub(crate) fn name(&self, address: &str, name: &str) {
        self.0
            .lock()
            .unwrap()
            .names
            .insert(address.parse().unwrap(), name.to_owned());
    }

    /// Gives a host one more address, which no list of members shows.
    pub(crate) fn alias(&self, other: &str, address: &str) {
        self.0
            .lock()
            .unwrap()
            .aliases
            .insert(other.parse().unwrap(), address.parse().unwrap());
    }

    /// Makes a host leave the cluster: the others forget it.
    pub(crate) fn leave(&self, address: &str) {
        let address = address.parse().unwrap();
        let mut state = self.0.lock().unwrap();
        state.clusters.remove(&address);
        for cluster in state.clusters.values_mut() {
            cluster.remove(&address);
        }
    }

    /// How many connections were opened by [`Network::dial`].
    pub(crate) fn dials(&self) -> usize {
        self.0.lock().unwrap().dials
    }

    /// How often the servers' Raft has dialled this peer in vain.
    pub(crate) fn raft_dials(&self, address: &str) -> usize {
        let state = self.0.lock().unwrap();
        let dials = state.raft_dials.get(&address.parse().unwrap());
        dials.copied().unwrap_or_default()
    }

    /// Opens a connection as a kernel does.
    pub(crate) async fn dial(&self, address: IpAddr) -> io::Result<()> {
        self.0.lock().unwrap().dials += 1;
        match self.host(address) {
            Host::Live | Host::Freezes => Ok(()),
            Host::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
            Host::Swallows => {
                pause(Duration::from_secs(127)).await;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    fn host(&self, address: IpAddr) -> Host {
        let state = self.0.lock().unwrap();
        let address = state.aliases.get(&address).unwrap_or(&address);
        state.hosts.get(address).copied().unwrap_or(Host::Swallows)
    }

    /// The members as `address` sees them, with whether each is alive.
    fn members(&self, address: IpAddr) -> Vec<(IpAddr, bool)> {
        let state = self.0.lock().unwrap();
        let mut members = state.clusters.get(&address).cloned().unwrap_or_default();
        members.insert(address);
        let members: Vec<IpAddr> = members
            .iter()
            .copied()
            .filter(|member| state.is_shown(*member, address, &members))
            .collect();
        members
            .into_iter()
            .map(|member| {
                (
                    member,
                    member == address || state.hosts.get(&member) == Some(&Host::Live),
                )
            })
            .collect()
    }

    fn merge(&self, one: IpAddr, other: IpAddr) {
        let mut state = self.0.lock().unwrap();
        let other = state.aliases.get(&other).copied().unwrap_or(other);
        let mut all: BTreeSet<IpAddr> = [one, other].into();
        for member in [one, other] {
            all.extend(state.clusters.get(&member).into_iter().flatten());
        }
        for member in &all {
            state.clusters.insert(*member, all.clone());
        }
    }
}

/// How long memberlist keeps the address of a failed member for its name.
const RECLAIM: Duration = Duration::from_secs(30);

/// How often Raft dials a peer.
const RAFT_HEARTBEAT: Duration = Duration::from_secs(1);

/// How often two members exchange all they know.
const PUSH_PULL: Duration = Duration::from_secs(30);

impl State {
    /// Whether `viewer` has this member of its cluster under this address: memberlist keeps one
    /// address for a name, and takes another some time after the failure of the old one.
    fn is_shown(&self, member: IpAddr, viewer: IpAddr, members: &BTreeSet<IpAddr>) -> bool {
        let Some(name) = self.names.get(&member) else {
            return true;
        };
        let is_settled = |old: &IpAddr| {
            self.failed_at
                .get(old)
                .is_some_and(|at| at.elapsed() >= RECLAIM + PUSH_PULL)
        };
        let is_live = |address: IpAddr| self.hosts.get(&address) == Some(&Host::Live);
        let mut same = members
            .iter()
            .filter(|other| **other != member && self.names.get(*other) == Some(name));
        // An agent knows its own address.
        if member == viewer {
            true
        } else if is_live(member) {
            same.all(is_settled)
        } else {
            !same.any(|new| *new == viewer || (is_live(*new) && is_settled(&member)))
        }
    }
}

/// What a fake agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Consul agent.
    Consul,
    /// A Nomad server.
    NomadServer,
    /// A Nomad client.
    NomadClient,
}

/// An agent at an address of a [`Network`].
#[derive(Debug)]
pub(crate) struct FakeAgent {
    kind: Kind,
    address: IpAddr,
    network: Arc<Network>,
    /// Serf's own: one join at a time.
    join_lock: tokio::sync::Mutex<()>,
    dial_timeout: Mutex<Duration>,
    is_running: Mutex<bool>,
    refusal: Mutex<Option<(u16, String)>>,
    requests: Mutex<Vec<String>>,
    servers: Mutex<Vec<String>>,
    /// The peers in Raft's configuration, which is on the server's disk.
    raft_peers: Mutex<BTreeSet<IpAddr>>,
    /// How many joins were requested and are not done.
    joins: Mutex<(usize, usize)>,
}

impl FakeAgent {
    /// An agent that runs and knows no other member.
    pub(crate) fn new(kind: Kind, address: &str, network: &Arc<Network>) -> Arc<Self> {
        let dial_timeout = Duration::from_secs(if kind == Kind::Consul { 10 } else { 30 });
        let agent = Arc::new(Self {
            kind,
            address: address.parse().unwrap(),
            network: Arc::clone(network),
            join_lock: tokio::sync::Mutex::default(),
            dial_timeout: Mutex::new(dial_timeout),
            is_running: Mutex::new(true),
            refusal: Mutex::default(),
            requests: Mutex::default(),
            servers: Mutex::default(),
            raft_peers: Mutex::default(),
            joins: Mutex::default(),
        });
        if kind == Kind::NomadServer {
            tokio::spawn(Self::run_raft(Arc::downgrade(&agent)));
        }
        agent
    }

    /// Dials each peer that doesn't respond again and again: no one removes a peer while there is
    /// no leader, and a leader removes it late.
    async fn run_raft(agent: Weak<Self>) {
        loop {
            pause(RAFT_HEARTBEAT).await;
            let Some(agent) = agent.upgrade() else { return };
            if !*agent.is_running.lock().unwrap() {
                continue;
            }
            let members = agent.network.members(agent.address);
            let mut peers = agent.raft_peers.lock().unwrap();
            peers.extend(members.into_iter().map(|(member, _)| member));
            for peer in &*peers {
                if agent.network.host(*peer) != Host::Live {
                    let mut state = agent.network.0.lock().unwrap();
                    *state.raft_dials.entry(*peer).or_default() += 1;
                }
            }
        }
    }

    /// Gives it the disk of another server, so that Raft knows that one's peers.
    pub(crate) fn set_disk_of(&self, other: &Self) {
        let peers = other.raft_peers.lock().unwrap().clone();
        *self.raft_peers.lock().unwrap() = peers;
    }

    /// How long it gives a peer.
    pub(crate) fn set_dial_timeout(&self, timeout: Duration) {
        *self.dial_timeout.lock().unwrap() = timeout;
    }

    /// Starts or stops it.
    pub(crate) fn set_running(&self, is_running: bool) {
        *self.is_running.lock().unwrap() = is_running;
    }

    /// Starts it with a join list, in a task of its own, as its file has it: the list is gone
    /// through in order and under the lock of joins, and again after 30 s while nothing on it
    /// answers.
    pub(crate) fn start_with(self: &Arc<Self>, join_list: Vec<String>) {
        self.set_running(true);
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            while agent.join(join_list.clone()).await.0 == 0 {
                pause(Duration::from_secs(30)).await;
            }
        });
    }

    /// Makes it respond to every request with this.
    pub(crate) fn refuse(&self, status: u16, body: &str) {
        *self.refusal.lock().unwrap() = Some((status, body.to_owned()));
    }

    /// The servers that a Nomad client knows.
    pub(crate) fn set_servers(&self, servers: &[&str]) {
        *self.servers.lock().unwrap() = servers.iter().map(|server| (*server).to_owned()).collect();
    }

    /// The changes requested since the last call: `PUT /v1/agent/join/10.0.0.5`.
    pub(crate) fn puts(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests
            .into_iter()
            .filter(|request| request.starts_with("PUT "))
            .collect()
    }

    /// The live members as it sees them.
    pub(crate) fn alive(&self) -> Vec<String> {
        self.network
            .members(self.address)
            .into_iter()
            .filter(|(_, is_alive)| *is_alive)
            .map(|(ip, _)| ip.to_string())
            .collect()
    }

    /// The most joins that were with it at a time, those included whose caller had hung up.
    pub(crate) fn most_joins_at_a_time(&self) -> usize {
        self.joins.lock().unwrap().1
    }

    /// Responds to a request; `None` while it doesn't run.
    pub(crate) async fn response(
        self: &Arc<Self>,
        method: &str,
        target: &str,
    ) -> Option<(u16, String)> {
        if !*self.is_running.lock().unwrap() {
            return None;
        }
        self.requests
            .lock()
            .unwrap()
            .push(format!("{method} {target}"));
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Some(refusal);
        }
        let url = Url::parse(&format!("http://agent{target}")).unwrap();
        let addresses: Vec<String> = url
            .query_pairs()
            .filter(|(name, _)| name == "address")
            .map(|(_, address)| address.into_owned())
            .collect();
        Some(match (method, url.path(), self.kind) {
            ("GET", "/v1/agent/members", Kind::Consul | Kind::NomadServer) => (200, self.members()),
            ("GET", "/v1/agent/servers", Kind::NomadClient) => {
                (200, json!(*self.servers.lock().unwrap()).to_string())
            }
            ("PUT", "/v1/agent/servers", Kind::NomadClient) => self.replace_servers(addresses),
            ("PUT", "/v1/agent/join", Kind::NomadServer) => {
                let (joined, error) = self.join(addresses).await;
                (
                    200,
                    json!({"num_joined": joined, "error": error}).to_string(),
                )
            }
            ("PUT", path, Kind::Consul) if path.starts_with("/v1/agent/join/") => {
                let address = path["/v1/agent/join/".len()..]
                    .replace("%3A", ":")
                    .replace("%5B", "[")
                    .replace("%5D", "]");
                match self.join(vec![address]).await {
                    (0, error) => (500, error),
                    _ => (200, String::new()),
                }
            }
            _ => (404, String::new()),
        })
    }

    fn members(&self) -> String {
        let members = self.network.members(self.address).into_iter();
        match self.kind {
            Kind::Consul => {
                json!(members.map(|(ip, is_alive)| json!({"Name": ip, "Addr": ip, "Port": 8301, "Status": if is_alive { 1 } else { 4 }})).collect::<Vec<_>>())
            }
            _ => {
                json!({"Members": members.map(|(ip, is_alive)| json!({"Addr": ip, "Port": 4648, "Status": if is_alive { "alive" } else { "failed" }})).collect::<Vec<_>>()})
            }
        }
        .to_string()
    }

    /// Joins these in a task of its own: it goes on when the caller hangs up.
    async fn join(self: &Arc<Self>, addresses: Vec<String>) -> (usize, String) {
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            {
                let mut joins = agent.joins.lock().unwrap();
                joins.0 += 1;
                joins.1 = joins.1.max(joins.0);
            }
            let _lock = agent.join_lock.lock().await;
            let (mut joined, mut errors) = (0, Vec::new());
            for address in addresses {
                match agent.join_one(&address).await {
                    Ok(()) => joined += 1,
                    Err(error) => errors.push(format!("\t* Failed to join {address}: {error}")),
                }
            }
            agent.joins.lock().unwrap().0 -= 1;
            (
                joined,
                if joined > 0 {
                    String::new()
                } else {
                    format!(
                        "{} error occurred:\n{}\n\n",
                        errors.len(),
                        errors.join("\n")
                    )
                },
            )
        })
        .await
        .unwrap()
    }

    async fn join_one(&self, address: &str) -> Result<(), String> {
        let ip: IpAddr = host_of(address)
            .parse()
            .map_err(|_| "no such host".to_owned())?;
        let timeout = *self.dial_timeout.lock().unwrap();
        match self.network.host(ip) {
            Host::Live => {
                pause(Duration::from_millis(5)).await;
                self.network.merge(self.address, ip);
                Ok(())
            }
            Host::Refuses => Err(format!("dial tcp {address}: connect: connection refused")),
            Host::Swallows => {
                pause(timeout).await;
                Err(format!("dial tcp {address}: i/o timeout"))
            }
            Host::Freezes => {
                pause(timeout).await;
                let port = 40_000 + self.requests.lock().unwrap().len();
                Err(format!(
                    "read tcp {}:{port}->{address}: i/o timeout",
                    self.address
                ))
            }
        }
    }

    /// A client takes a list when one of it responds.
    fn replace_servers(&self, addresses: Vec<String>) -> (u16, String) {
        let is_live =
            |address: &String| self.network.host(host_of(address).parse().unwrap()) == Host::Live;
        if !addresses.iter().any(is_live) {
            return (400, "unable to reach any of the servers".to_owned());
        }
        *self.servers.lock().unwrap() = addresses;
        (200, String::new())
    }
}

/// The host of `10.0.0.5`, `10.0.0.5:8301`, `2001:db8::5`, `[2001:db8::5]:8301`.
fn host_of(address: &str) -> &str {
    match (address.strip_prefix('['), address.rsplit_once(':')) {
        (Some(rest), _) => rest.split_once(']').map_or(rest, |(host, _)| host),
        (None, Some((host, _))) if !host.contains(':') => host,
        _ => address,
    }
}

async fn pause(duration: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "simulates what an agent waits for; tests pause the clock"
    )]
    tokio::time::sleep(duration).await;
}

/// A transport to an agent without a socket.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) Arc<FakeAgent>);

#[async_trait]
impl Transport for InMemory {
    async fn send(&self, request: &Request, _: Instant) -> Result<RawResponse, TransportCause> {
        let url = request.url();
        let target = url.query().map_or_else(
            || url.path().to_owned(),
            |query| format!("{}?{query}", url.path()),
        );
        match self.0.response(request.method().as_str(), &target).await {
            Some((status, body)) => Ok(RawResponse::new(
                StatusCode::from_u16(status).unwrap(),
                body,
            )),
            None => Err(TransportCause::new(TransportFailure::Connect)),
        }
    }
}

/// Serves an agent on a port of this machine, until the runtime ends; gives its URL.
pub(crate) async fn serve(agent: Arc<FakeAgent>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let agent = Arc::clone(&agent);
            let service = service_fn(move |request: http::Request<Incoming>| {
                let agent = Arc::clone(&agent);
                async move {
                    let target = request.uri().path_and_query().unwrap().as_str().to_owned();
                    let (status, body) = agent
                        .response(request.method().as_str(), &target)
                        .await
                        .unwrap_or((503, String::new()));
                    let mut response = http::Response::new(Full::new(Bytes::from(body)));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    url
}
