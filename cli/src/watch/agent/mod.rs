//! Telling running agents: no agent reads its join list again, so the new peers come through its API.
//!
//! `consul.rs` and `nomad.rs` say what each agent is asked, `door.rs` how it is reached (TLS and token from files, read at each use). Each agent stands for itself: one that
//! refuses is asked again later and is in nobody's way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cloud_autojoin::{Address, Call, Host};

use super::failure::Failure;

mod consul;
pub(crate) mod door;
mod nomad;

#[cfg(test)]
mod tests;

pub(crate) use door::{Door, Files};

/// What an agent is told with.
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

    /// Where such an agent listens unless told.
    pub(crate) fn default_url(self) -> &'static str {
        match self {
            Self::Consul { .. } => "http://127.0.0.1:8500",
            Self::NomadServer | Self::NomadClient => "http://127.0.0.1:4646",
        }
    }
}

/// An agent that is kept in touch with its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    /// What it is.
    pub(crate) kind: AgentKind,
    /// How it is reached.
    pub(crate) door: Door,
    /// The port that addresses without one of their own are given.
    pub(crate) port: Option<u16>,
}

/// What came of asking an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It knows its peers already.
    NothingNew,
    /// It was given these.
    Joined(Vec<String>),
    /// It lacks peers, and waits for a list that is fresh from the cloud.
    Waiting,
}

/// The peers an agent should have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peers<'a> {
    /// All of them.
    pub(crate) addresses: &'a [Address],
    /// Whether the cloud said so in this run, which a list must be that takes the place of another.
    pub(crate) fresh: bool,
}

impl Agent {
    /// Brings the agent together with the peers it lacks.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or refuses. What could be joined is joined then.
    pub(crate) async fn tell(&self, peers: Peers<'_>, call: &Call) -> Result<Told, Failure> {
        let told = match self.kind {
            AgentKind::Consul { wan } => consul::tell(self, wan, peers.addresses, call).await,
            AgentKind::NomadServer => nomad::tell_server(self, peers.addresses, call).await,
            AgentKind::NomadClient => nomad::tell_client(self, peers, call).await,
        };
        told.map_err(|failure| {
            let named = Failure::new(format!("{} agent {}: {failure}", self.kind.name(), self.door.shown()));
            match failure.hint() {
                Some(hint) => named.with_hint(hint),
                None => named,
            }
        })
    }
}

/// Who is in a gossip, by host and by host and port.
#[derive(Debug, Default)]
struct Members {
    ips: BTreeSet<IpAddr>,
    places: BTreeSet<(IpAddr, u16)>,
}

impl Members {
    fn add(&mut self, ip: IpAddr, port: Option<u16>) {
        let ip = ip.to_canonical();
        self.ips.insert(ip);
        if let Some(port) = port {
            self.places.insert((ip, port));
        }
    }

    /// Whether an address is one of them: by its port too where it has one of its own. A name never is; the agent alone can resolve it.
    fn has(&self, address: &Address) -> bool {
        let Host::Ip(ip) = &address.host else { return false };
        let ip = ip.to_canonical();
        match address.port {
            Some(port) => self.places.contains(&(ip, port)),
            None => self.ips.contains(&ip),
        }
    }
}
