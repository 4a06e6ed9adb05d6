//! From a server of the list to an instance.

use std::net::Ipv6Addr;

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Server;

/// The private network that servers must be attached to.
pub(crate) struct Network {
    /// Its name or id, as it was given.
    pub(crate) name: String,
    /// Its id; none if there is no such network.
    pub(crate) id: Option<u64>,
}

impl Server {
    /// The server as an instance, with its private addresses in `network` or in all networks.
    pub(crate) fn instance(self, network: Option<&Network>) -> Instance {
        let location = self.location().to_owned();
        let is_here = |id: u64| network.is_none_or(|network| network.id == Some(id));
        let is_attached =
            network.is_none() || self.private_net.iter().any(|net| is_here(net.network));
        let private = self.private_net.iter().filter(|net| is_here(net.network));
        let ipv6 = self
            .public_net
            .ipv6
            .and_then(|block| first_address(&block.ip));
        let public = self.public_net.ipv4.map(|found| found.ip);
        let mut instance = Instance::new("server", self.id.to_string(), self.name)
            .with_state(self.status, "running")
            .with_attribute("location", location)
            .with_tags(self.labels)
            .with_addresses(private.map(|net| &net.ip), AddressScope::Private)
            .with_addresses(public, AddressScope::Public)
            .with_addresses(ipv6.map(|ip| ip.to_string()), AddressScope::Public);
        if let Some(network) = network.filter(|_| !is_attached) {
            let of = format!("network `{}`", network.name);
            instance.excluded = Some(Exclusion::NotMember { of });
        }
        instance
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
