//! From a listed instance to a node.

use cloud_autojoin_core::Node;
use cloud_autojoin_provider_kit::{AddressScope as Scope, Instance, Selection};

use crate::ec2::{Ec2Instance, NetworkInterface};

/// The instance as a node, with its addresses or the reasons why it has none. `all_ipv4` says
/// whether the IPv4 addresses of further interfaces count, which go-discover ignores.
pub(crate) fn node(
    instance: Ec2Instance,
    region: &str,
    selection: &Selection,
    all_ipv4: bool,
) -> Node {
    let tags = instance.tag_set.item.into_iter();
    let tags: Vec<(String, String)> = tags.map(|tag| (tag.key, tag.value)).collect();
    let name = tags
        .iter()
        .find(|(key, value)| key == "Name" && !value.is_empty());
    let name = name.map_or(&instance.instance_id, |(_, name)| name).clone();
    let interfaces = instance.network_interface_set.item;
    let is_primary = |found: &NetworkInterface| found.attachment.device_index == Some(0);
    let primary = interfaces.iter().find(|interface| is_primary(interface));
    let mut found = Instance::new("instance", instance.instance_id, name)
        .with_attribute("region", region)
        .with_attribute("availability zone", instance.placement.availability_zone)
        .with_attribute("VPC", instance.vpc_id)
        .with_tags(tags)
        .on_interface(
            primary.and_then(|primary| primary.network_interface_id.clone()),
            true,
        )
        .with_addresses(instance.private_ip_address, Scope::Private)
        .with_addresses(instance.ip_address, Scope::Public);
    let state = instance.instance_state.name;
    if !state.is_empty() {
        found = found.with_state(state, "running");
    }
    for interface in interfaces {
        let is_primary = is_primary(&interface);
        found = found.on_interface(interface.network_interface_id, is_primary);
        if all_ipv4 && !is_primary {
            // Not the secondary addresses: on a Kubernetes node those are the pods'.
            found = found
                .with_addresses(interface.private_ip_address, Scope::Private)
                .with_addresses(interface.association.public_ip, Scope::Public);
        }
        // IPv6 addresses are public but those of fd00::/8 (RFC 4193).
        let ipv6 = interface.ipv6_addresses_set.item.into_iter();
        found = found.with_addresses_by_range(ipv6.map(|address| address.ipv6_address));
    }
    selection.apply(found)
}
