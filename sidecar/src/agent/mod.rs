//! Joins running agents to new peers through their API: an agent reads its join list only at its
//! start.
//!
//! `consul.rs` and `nomad.rs` have the requests of each agent, `gossip.rs` decides which peer is
//! joined when, `probe.rs` finds reachable peers, and `client.rs` sends requests. An agent that
//! refuses is retried and doesn't block others.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::http::Response;
use cloud_autojoin::{Address, Call, Clock};
use http::{Method, StatusCode};

use super::failure::{Failure, one_line};
use super::output::nomad as nomad_file;

pub(crate) mod client;
mod consul;
mod gossip;
mod members;
mod nomad;
mod probe;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use client::{AgentClient, ClientFiles};
pub(crate) use probe::{Dialer, TcpDialer, silent};

use gossip::GossipPool;
use members::Members;

/// The deadline for reading an agent's state: it is on this machine or near it.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The deadline of a LAN join. The agent's gossip library (memberlist) gives a peer 10 s to
/// accept a connection, and 10 s more to respond.
const LAN_JOIN_TIMEOUT: Duration = Duration::from_secs(25);

/// The same in a WAN, with 30 s each. Nomad servers have WAN settings in one region too.
const WAN_JOIN_TIMEOUT: Duration = Duration::from_secs(65);

/// The kind of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentKind {
    /// A Consul agent, server or client: peers in its LAN gossip, or its WAN one.
    Consul {
        /// Whether it is the WAN one, which only servers have.
        wan: bool,
    },
    /// A Nomad server: peers in the servers' gossip.
    NomadServer,
    /// A Nomad client: servers to talk to.
    NomadClient,
}

impl AgentKind {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Consul { .. } => "consul",
            Self::NomadServer => "nomad-server",
            Self::NomadClient => "nomad-client",
        }
    }

    /// The default port of its gossip.
    fn gossip_port(self) -> u16 {
        match self {
            Self::Consul { wan: false } => 8301,
            Self::Consul { wan: true } => 8302,
            Self::NomadServer | Self::NomadClient => nomad_file::SERVER_PORT,
        }
    }

    /// The deadline of one join.
    fn join_timeout(self) -> Duration {
        match self {
            Self::Consul { wan: false } => LAN_JOIN_TIMEOUT,
            Self::Consul { wan: true } | Self::NomadServer | Self::NomadClient => WAN_JOIN_TIMEOUT,
        }
    }

    /// The default URL of its API.
    pub(crate) fn default_url(self) -> &'static str {
        match self {
            Self::Consul { .. } => "http://127.0.0.1:8500",
            Self::NomadServer | Self::NomadClient => "http://127.0.0.1:4646",
        }
    }
}

/// A configured agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Its kind.
    pub(crate) kind: AgentKind,
    /// The client of its API.
    pub(crate) client: AgentClient,
    /// The port of addresses without one.
    pub(crate) port: Option<u16>,
}

/// The outcome of updating an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JoinOutcome {
    /// It knows its peers already.
    UpToDate,
    /// It joined these.
    Joined(Vec<String>),
    /// It lacks peers. The update waits for a result of this run.
    Waiting,
    /// It lacks peers, and may still be working on a join that timed out.
    Busy,
}

/// The peers an agent should have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peers<'a> {
    /// Those in the newest result.
    pub(crate) current: &'a [Address],
    /// Those that only a guard keeps in use. They may be dead.
    pub(crate) retained: &'a [Address],
    /// Whether the cloud confirmed them in this run. Only such a list may replace another.
    pub(crate) fresh: bool,
}

impl Agent {
    /// Sends a request that reads the agent's state.
    async fn get(
        &self,
        operation: &str,
        path: &str,
        query: &[(&str, &str)],
        clock: &Clock,
    ) -> Result<Response, Failure> {
        self.send(
            operation,
            Method::GET,
            path,
            query,
            &Call::new(clock, READ_TIMEOUT),
        )
        .await
    }

    /// Sends a request that changes the agent's peers.
    async fn put(
        &self,
        operation: &str,
        path: &str,
        query: &[(&str, &str)],
        clock: &Clock,
    ) -> Result<Response, Failure> {
        self.send(
            operation,
            Method::PUT,
            path,
            query,
            &Call::new(clock, self.kind.join_timeout()),
        )
        .await
    }

    async fn send(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        call: &Call,
    ) -> Result<Response, Failure> {
        let response = self
            .client
            .send(operation, method, path, query, call)
            .await?;
        if response.status == StatusCode::OK {
            Ok(response)
        } else {
            Err(self.refusal(operation, &response))
        }
    }

    /// The failure for an unsuccessful response.
    fn refusal(&self, operation: &str, response: &Response) -> Failure {
        let status = response.status.as_u16();
        let message = one_line(&response.body);
        let failure = Failure::new(match message.as_str() {
            "" => format!("cannot {operation}: status {status}"),
            message => format!("cannot {operation}: status {status}, {message}"),
        });
        let hint = match (status, self.kind) {
            (501, _) => Some("the agent has another role than `kind`"),
            (_, AgentKind::Consul { .. }) => consul::hint(status, &message),
            (_, AgentKind::NomadServer | AgentKind::NomadClient) => nomad::hint(status),
        };
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

/// An agent and its state between two updates.
#[derive(Debug)]
pub(crate) struct AgentSession {
    agent: Agent,
    gossip: GossipPool,
    clock: Clock,
}

impl AgentSession {
    /// A new session.
    pub(crate) fn new(agent: Agent, dialer: Arc<dyn Dialer>, clock: &Clock) -> Self {
        Self {
            agent,
            gossip: GossipPool::new(dialer),
            clock: clock.clone(),
        }
    }

    /// Joins the agent to the peers it lacks. Stops early when `is_outdated` returns true.
    ///
    /// # Errors
    ///
    /// It can't be reached, or refuses. Peers that could be joined are joined.
    pub(crate) async fn update(
        &mut self,
        peers: Peers<'_>,
        is_outdated: &(dyn Fn() -> bool + Sync),
    ) -> Result<JoinOutcome, Failure> {
        let Self {
            agent,
            gossip,
            clock,
        } = self;
        let outcome = match agent.kind {
            AgentKind::Consul { .. } | AgentKind::NomadServer => {
                gossip.update(agent, peers, clock, is_outdated).await
            }
            AgentKind::NomadClient => nomad::update_client(agent, peers, clock).await,
        };
        outcome.map_err(|failure| {
            failure.of(format!(
                "{} agent {}",
                agent.kind.name(),
                agent.client.shown()
            ))
        })
    }
}
