//! The members of a gossip pool, as an agent lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloud_autojoin::{Address, Host};

/// The members that an agent lists, without those that have left.
#[derive(Debug, Default)]
pub(super) struct Members {
    ips: BTreeSet<IpAddr>,
    places: BTreeSet<(IpAddr, u16)>,
    alive: BTreeSet<(IpAddr, Option<u16>)>,
}

impl Members {
    /// Adds a member that has not left.
    pub(super) fn add(&mut self, ip: IpAddr, port: Option<u16>, is_alive: bool) {
        let ip = ip.to_canonical();
        self.ips.insert(ip);
        if let Some(port) = port {
            self.places.insert((ip, port));
        }
        if is_alive {
            self.alive.insert((ip, port));
        }
    }

    /// Whether an address is a member's, alive or failed: an agent reconnects to a failed member by
    /// itself. The port counts where the address has one of its own. A name never is a member: only
    /// the agent can resolve it.
    pub(super) fn has(&self, address: &Address) -> bool {
        let Host::Ip(ip) = &address.host else {
            return false;
        };
        let ip = ip.to_canonical();
        match address.port {
            Some(port) => self.places.contains(&(ip, port)),
            None => self.ips.contains(&ip),
        }
    }

    /// Whether an address is that of a member that is alive.
    pub(super) fn has_alive(&self, address: &Address) -> bool {
        let Host::Ip(ip) = &address.host else {
            return false;
        };
        let ip = ip.to_canonical();
        self.alive
            .iter()
            .any(|(alive, port)| *alive == ip && (address.port.is_none() || address.port == *port))
    }

    /// The members that are alive.
    pub(super) fn alive(&self) -> &BTreeSet<(IpAddr, Option<u16>)> {
        &self.alive
    }

    /// Whether the agent knows no live member but itself.
    pub(super) fn is_alone(&self) -> bool {
        self.alive.len() <= 1
    }

    /// The port that most members listen on: an agent assumes its own for addresses without one.
    pub(super) fn usual_port(&self) -> Option<u16> {
        let mut counts = BTreeMap::<u16, usize>::new();
        for (_, port) in &self.places {
            *counts.entry(*port).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(port, _)| port)
    }
}
