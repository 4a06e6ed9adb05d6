//! From an instance of the list to an instance of the kit.

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api;

/// The instance with its addresses.
pub(crate) fn instance(found: api::Instance, region: &str) -> Instance {
    let zone = found.placement.map(|placement| placement.zone);
    let vpc = found.virtual_private_cloud.map(|vpc| vpc.vpc_id);
    let (private, public) = (found.private_ip_addresses, found.public_ip_addresses);
    let tags = found.tags.into_iter().flatten();
    Instance::new("instance", found.instance_id, found.instance_name)
        .with_state(found.instance_state, "RUNNING")
        .with_attribute("region", region)
        .with_attribute("zone", zone.unwrap_or_default())
        .with_attribute("VPC", vpc.unwrap_or_default())
        .with_tags(tags.map(|tag| (tag.key, tag.value)))
        .with_addresses(private.iter().flatten(), AddressScope::Private)
        .with_addresses(public.iter().flatten(), AddressScope::Public)
        .with_addresses_by_range(found.ipv6_addresses.iter().flatten())
}
