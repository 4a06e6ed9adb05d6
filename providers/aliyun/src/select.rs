//! From an instance of the list to an instance of the kit.

use std::net::Ipv6Addr;

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api;

/// The instance with its addresses, of whatever network type it is.
pub(crate) fn instance(found: api::Instance, region: &str) -> Instance {
    let is_running = found.status == "Running";
    let vpc = found
        .vpc_attributes
        .as_ref()
        .map_or("", |vpc| vpc.vpc_id.as_str());
    let mut instance = Instance::new("instance", found.instance_id, found.instance_name)
        .with_state(found.status, is_running)
        .with_attribute("region", region)
        .with_attribute("zone", found.zone_id)
        .with_attribute("VPC", vpc);
    let private = found.inner_ip_address.items.into_iter().chain(
        found
            .vpc_attributes
            .into_iter()
            .flat_map(|vpc| vpc.private_ip_address.items),
    );
    private.for_each(|address| instance.add_address(&address, AddressScope::Private));
    let public = found
        .public_ip_address
        .items
        .into_iter()
        .chain(found.eip_address.map(|eip| eip.address));
    public.for_each(|address| instance.add_address(&address, AddressScope::Public));
    for set in found
        .network_interfaces
        .items
        .into_iter()
        .flat_map(|interface| interface.ipv6_sets.items)
    {
        let is_local = set
            .address
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_unique_local());
        instance.add_address(
            &set.address,
            if is_local {
                AddressScope::Private
            } else {
                AddressScope::Public
            },
        );
    }
    instance.tags = found
        .tags
        .items
        .into_iter()
        .map(|tag| (tag.tag_key, tag.tag_value))
        .collect();
    instance
}
