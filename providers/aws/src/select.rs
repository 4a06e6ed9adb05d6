//! From a listed instance to a node.

use std::net::IpAddr;

use cloud_autojoin_core::Node;
use cloud_autojoin_provider_kit::select::Interfaces;
use cloud_autojoin_provider_kit::{AddressScope, Instance, InstanceAddress, Selection};

use crate::ec2::{Ec2Instance, NetworkInterface};

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
        let tags: Vec<(String, String)> = instance
            .tag_set
            .item
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect();
        let name = tags
            .iter()
            .find(|(key, value)| key == "Name" && !value.is_empty())
            .map_or(&instance.instance_id, |(_, value)| value)
            .clone();
        let mut found = Instance::new("instance", instance.instance_id, name)
            .with_attribute("region", region)
            .with_attribute(
                "availability zone",
                instance
                    .placement
                    .and_then(|placement| placement.availability_zone)
                    .unwrap_or_default(),
            )
            .with_attribute("VPC", instance.vpc_id.unwrap_or_default());
        if let Some(state) = instance.instance_state {
            let is_running = state.name == "running";
            found = found.with_state(state.name, is_running);
        }
        found.tags = tags;
        let interfaces = instance.network_interface_set.item;
        let primary = interfaces
            .iter()
            .find(|interface| is_primary(interface))
            .and_then(|interface| interface.network_interface_id.clone());
        add(
            &mut found,
            instance.private_ip_address.as_deref(),
            AddressScope::Private,
            primary.as_deref(),
            true,
        );
        add(
            &mut found,
            instance.ip_address.as_deref(),
            AddressScope::Public,
            primary.as_deref(),
            true,
        );
        for interface in &interfaces {
            let (id, is_primary) = (
                interface.network_interface_id.as_deref(),
                is_primary(interface),
            );
            if self.all_ipv4 && !is_primary {
                // Not the secondary addresses: on a Kubernetes node those are the pods'.
                add(
                    &mut found,
                    interface.private_ip_address.as_deref(),
                    AddressScope::Private,
                    id,
                    false,
                );
                let public = interface
                    .association
                    .as_ref()
                    .and_then(|association| association.public_ip.as_deref());
                add(&mut found, public, AddressScope::Public, id, false);
            }
            for address in &interface.ipv6_addresses_set.item {
                add(
                    &mut found,
                    Some(&address.ipv6_address),
                    scope_of_ipv6(&address.ipv6_address),
                    id,
                    is_primary,
                );
            }
        }
        self.selection.apply(found)
    }
}

fn is_primary(interface: &NetworkInterface) -> bool {
    interface
        .attachment
        .as_ref()
        .is_some_and(|attachment| attachment.device_index == Some(0))
}

fn add(
    instance: &mut Instance,
    text: Option<&str>,
    scope: AddressScope,
    interface: Option<&str>,
    is_primary: bool,
) {
    if let Some(ip) = text.and_then(|text| text.trim().parse().ok()) {
        instance.addresses.push(InstanceAddress {
            ip,
            scope,
            interface: interface.map(str::to_owned),
            is_primary,
            port: None,
        });
    }
}

/// IPv6 addresses of EC2 are public but those of the private range (fd00::/8, RFC 4193).
fn scope_of_ipv6(text: &str) -> AddressScope {
    match text.trim().parse() {
        Ok(IpAddr::V6(ip)) if ip.is_unique_local() => AddressScope::Private,
        _ => AddressScope::Public,
    }
}

/// Which interfaces count for the word of the join string, and whether further IPv4 addresses do.
pub(crate) fn interfaces(given: Option<Interfaces>) -> (Interfaces, bool) {
    (
        given.unwrap_or(Interfaces::All),
        given == Some(Interfaces::All),
    )
}
