//! From a server of the list to an instance.

use std::net::Ipv6Addr;

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Server;

/// What only the provider can decide: one of these locations, this network.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) locations: Vec<String>,
    /// The name or id of the network, as it was given.
    pub(crate) network: Option<String>,
}

impl Conditions {
    /// The server as an instance, excluded if it doesn't meet the conditions. `network` is the id
    /// of the network.
    pub(crate) fn instance(&self, server: Server, network: Option<u64>) -> Instance {
        let is_running = server.status == "running";
        let mut instance = Instance::new("server", server.id.to_string(), server.name.clone())
            .with_state(server.status.clone(), is_running)
            .with_attribute("location", server.location());
        instance.excluded = self.mismatch(&server, network);
        for private in server.private_net {
            if network.is_none_or(|network| network == private.network) {
                instance.add_address(&private.ip, AddressScope::Private);
            }
        }
        if let Some(ipv4) = server.public_net.ipv4 {
            instance.add_address(&ipv4.ip, AddressScope::Public);
        }
        if let Some(address) = server
            .public_net
            .ipv6
            .and_then(|ipv6| first_address(&ipv6.ip))
        {
            instance.add_address(&address.to_string(), AddressScope::Public);
        }
        instance.tags = server.labels.into_iter().collect();
        instance
    }

    fn mismatch(&self, server: &Server, network: Option<u64>) -> Option<Exclusion> {
        if !self.locations.is_empty()
            && !self
                .locations
                .iter()
                .any(|location| location == server.location())
        {
            return Some(Exclusion::NotMember {
                of: format!("location `{}`", self.locations.join("`, `")),
            });
        }
        let is_attached = |id| {
            server
                .private_net
                .iter()
                .any(|private| private.network == id)
        };
        let is_elsewhere = network.is_some_and(|id| !is_attached(id));
        is_elsewhere.then(|| Exclusion::NotMember {
            of: format!("network `{}`", self.network.as_deref().unwrap_or_default()),
        })
    }
}

/// The address that a server has in its IPv6 block, `2001:db8::/64`: Hetzner's images configure the
/// first one.
fn first_address(block: &str) -> Option<Ipv6Addr> {
    let (first, _) = block.split_once('/')?;
    let first: Ipv6Addr = first.parse().ok()?;
    Some(Ipv6Addr::from_bits(first.to_bits() | 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_first_address_of_its_block() {
        let address = |block| first_address(block).map(|address| address.to_string());
        assert_eq!(
            address("2001:db8:1:2::/64").as_deref(),
            Some("2001:db8:1:2::1")
        );
        assert_eq!((address(""), address("10.0.0.0/8")), (None, None));
    }
}
