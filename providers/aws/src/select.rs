//! From a listed instance to a node.

use cloud_autojoin_core::Node;
use cloud_autojoin_provider_kit::{AddressScope as Scope, Instance, InstanceAddress, Selection};

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
    let mut found = Instance::new("instance", instance.instance_id, name)
        .with_attribute("region", region)
        .with_attribute("availability zone", instance.placement.availability_zone)
        .with_attribute("VPC", instance.vpc_id)
        .with_tags(tags);
    let state = instance.instance_state.name;
    let is_running = state == "running";
    found.state = (!state.is_empty()).then_some((state, is_running));
    let interfaces = &instance.network_interface_set.item;
    let mut add = |text: Option<&str>, scope, interface: Option<&String>, is_primary| {
        if let Some(ip) = text.and_then(|text| text.trim().parse().ok()) {
            found.addresses.push(InstanceAddress {
                ip,
                // IPv6 addresses are public but those of fd00::/8 (RFC 4193).
                scope: if ip.is_ipv6() { Scope::of(ip) } else { scope },
                interface: interface.cloned(),
                is_primary,
                port: None,
            });
        }
    };
    let is_primary = |found: &&NetworkInterface| found.attachment.device_index == Some(0);
    let primary = interfaces.iter().find(is_primary);
    let primary = primary.and_then(|primary| primary.network_interface_id.as_ref());
    let (private, public) = (&instance.private_ip_address, &instance.ip_address);
    add(private.as_deref(), Scope::Private, primary, true);
    add(public.as_deref(), Scope::Public, primary, true);
    for interface in interfaces {
        let id = interface.network_interface_id.as_ref();
        let is_primary = is_primary(&interface);
        if all_ipv4 && !is_primary {
            // Not the secondary addresses: on a Kubernetes node those are the pods'.
            let public = &interface.association.public_ip;
            add(
                interface.private_ip_address.as_deref(),
                Scope::Private,
                id,
                false,
            );
            add(public.as_deref(), Scope::Public, id, false);
        }
        for address in &interface.ipv6_addresses_set.item {
            add(Some(&address.ipv6_address), Scope::Public, id, is_primary);
        }
    }
    selection.apply(found)
}
