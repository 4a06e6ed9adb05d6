//! From an instance of the list to an instance of the kit.

use std::net::Ipv6Addr;

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api;

/// The instance with its addresses.
pub(crate) fn instance(found: api::Instance, region: &str) -> Instance {
    let is_running = found.instance_state == "RUNNING";
    let mut instance = Instance::new("instance", found.instance_id, found.instance_name)
        .with_state(found.instance_state, is_running)
        .with_attribute("region", region)
        .with_attribute(
            "zone",
            found
                .placement
                .map(|placement| placement.zone)
                .unwrap_or_default(),
        )
        .with_attribute(
            "VPC",
            found
                .virtual_private_cloud
                .map(|vpc| vpc.vpc_id)
                .unwrap_or_default(),
        );
    for address in found.private_ip_addresses.iter().flatten() {
        instance.add_address(address, AddressScope::Private);
    }
    for address in found.public_ip_addresses.iter().flatten() {
        instance.add_address(address, AddressScope::Public);
    }
    for address in found.ipv6_addresses.iter().flatten() {
        let is_local = address
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_unique_local());
        instance.add_address(
            address,
            if is_local {
                AddressScope::Private
            } else {
                AddressScope::Public
            },
        );
    }
    instance.tags = found
        .tags
        .into_iter()
        .flatten()
        .map(|tag| (tag.key, tag.value))
        .collect();
    instance
}
