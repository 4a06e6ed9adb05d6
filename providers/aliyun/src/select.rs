//! From an instance of the list to an instance of the kit.

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api;

/// The instance with its addresses, of whatever network type it is.
pub(crate) fn instance(found: api::Instance, region: &str) -> Instance {
    let vpc = found.vpc_attributes.unwrap_or_default();
    let private = found.inner_ip_address.into_values();
    let private = private
        .chain(vpc.private_ip_address.into_values())
        .flatten();
    let public = found.public_ip_address.into_values().flatten();
    let public = public.chain(found.eip_address.map(|eip| eip.address));
    let interfaces = found.network_interfaces.into_values().flatten();
    let ipv6 = interfaces.flat_map(|interface| interface.ipv6_sets.into_values().flatten());
    let tags = found.tags.into_values().flatten();
    Instance::new("instance", found.instance_id, found.instance_name)
        .with_state(found.status, "Running")
        .with_attribute("region", region)
        .with_attribute("zone", found.zone_id)
        .with_attribute("VPC", vpc.vpc_id)
        .with_tags(tags.map(|tag| (tag.tag_key, tag.tag_value)))
        .with_addresses(private, AddressScope::Private)
        .with_addresses(public, AddressScope::Public)
        .with_addresses_by_range(ipv6.map(|set| set.address))
}
