//! From a listed instance to a node.

use std::net::IpAddr;

use cloud_autojoin_core::Node;
use cloud_autojoin_provider_kit::{AddressScope, Instance, InstanceAddress, Selection};

use crate::ec2::Ec2Instance;

/// What of the listed instances is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) selection: Selection,
    /// Whether the IPv4 addresses of further interfaces count, which go-discover ignores.
    pub(crate) all_ipv4: bool,
}

impl Conditions {
    /// The instance as a node, with its addresses or the reasons why it has none.
    pub(crate) fn node(&self, instance: Ec2Instance, region: &str) -> Node {
        let tags = instance.tag_set.item.into_iter();
        let tags: Vec<(String, String)> = tags.map(|tag| (tag.key, tag.value)).collect();
        let name = tags
            .iter()
            .find(|(key, value)| key == "Name" && !value.is_empty());
        let name = name.map_or(&instance.instance_id, |(_, name)| name).clone();
        let mut found = Instance::new("instance", instance.instance_id, name)
            .with_attribute("region", region)
            .with_attribute("availability zone", instance.placement.availability_zone)
            .with_attribute("VPC", instance.vpc_id);
        let state = instance.instance_state.name;
        let is_running = state == "running";
        if !state.is_empty() {
            found = found.with_state(state, is_running);
        }
        found.tags = tags;
        let interfaces = &instance.network_interface_set.item;
        let mut add = |text: &Option<String>, scope, interface: Option<&String>, is_primary| {
            if let Some(ip) = text.as_ref().and_then(|text| text.trim().parse().ok()) {
                found.addresses.push(InstanceAddress {
                    ip,
                    scope: scope_of(ip, scope),
                    interface: interface.cloned(),
                    is_primary,
                    port: None,
                });
            }
        };
        let primary = interfaces
            .iter()
            .find(|interface| interface.attachment.device_index == Some(0))
            .and_then(|interface| interface.network_interface_id.as_ref());
        add(
            &instance.private_ip_address,
            AddressScope::Private,
            primary,
            true,
        );
        add(&instance.ip_address, AddressScope::Public, primary, true);
        for interface in interfaces {
            let id = interface.network_interface_id.as_ref();
            let is_primary = interface.attachment.device_index == Some(0);
            if self.all_ipv4 && !is_primary {
                // Not the secondary addresses: on a Kubernetes node those are the pods'.
                let (private, public) = (
                    &interface.private_ip_address,
                    &interface.association.public_ip,
                );
                add(private, AddressScope::Private, id, false);
                add(public, AddressScope::Public, id, false);
            }
            for address in &interface.ipv6_addresses_set.item {
                let ip = Some(address.ipv6_address.clone());
                add(&ip, AddressScope::Public, id, is_primary);
            }
        }
        self.selection.apply(found)
    }
}

/// IPv6 addresses of EC2 are public but those of the private range (fd00::/8, RFC 4193).
fn scope_of(ip: IpAddr, scope: AddressScope) -> AddressScope {
    match ip {
        IpAddr::V6(ip) if ip.is_unique_local() => AddressScope::Private,
        _ => scope,
    }
}
