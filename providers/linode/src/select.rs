//! From an instance of the list to an instance of the kit.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api;
use crate::api::VpcAddress;

/// The addresses in VPCs by the id of their Linode.
pub(crate) type VpcAddresses = HashMap<u64, Vec<VpcAddress>>;

/// The Linode with its addresses; with `vpc` those in VPCs and no others.
pub(crate) fn instance(linode: api::Instance, vpc: Option<&VpcAddresses>) -> Instance {
    let mut instance = Instance::new("Linode", linode.id.to_string(), linode.label)
        .with_state(linode.status, "running")
        .with_attribute("region", linode.region)
        .with_tag_names(linode.tags);
    if let Some(vpc) = vpc {
        let addresses = vpc.get(&linode.id).map_or(&[][..], Vec::as_slice);
        // Those of another configuration profile count for a Linode that is off.
        let has_active = addresses.iter().any(|address| address.active);
        let addresses = addresses
            .iter()
            .filter(|address| address.active == has_active)
            .filter_map(|address| address.address.as_deref());
        return instance.with_addresses(addresses, AddressScope::Private);
    }
    for address in &linode.ipv4 {
        if let Some(scope) = scope_of(address) {
            instance.add_address(address, scope);
        }
    }
    let slaac = linode
        .ipv6
        .as_deref()
        .and_then(|address| address.split('/').next()?.parse::<Ipv6Addr>().ok());
    if let Some(slaac) = slaac {
        instance.add_address(&link_local(slaac).to_string(), AddressScope::Private);
        instance.add_address(&slaac.to_string(), AddressScope::Public);
    }
    instance
}

/// Linode's private addresses are those of 192.168.128.0/17; other private ones are of no use
/// outside of their VPC or VLAN.
fn scope_of(address: &str) -> Option<AddressScope> {
    match address.parse().ok()? {
        IpAddr::V4(v4) if v4.to_bits() >> 15 == Ipv4Addr::new(192, 168, 128, 0).to_bits() >> 15 => {
            Some(AddressScope::Private)
        }
        IpAddr::V4(v4) => (!v4.is_private()).then_some(AddressScope::Public),
        IpAddr::V6(_) => None,
    }
}

/// The link-local address of the interface with this SLAAC address: both end in the same
/// identifier.
fn link_local(slaac: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).to_bits()
            | slaac.to_bits() & u128::from(u64::MAX),
    )
}
