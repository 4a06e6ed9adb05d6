//! From a virtual machine and what it is in to a node.

use std::collections::HashSet;
use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};
use cloud_autojoin_provider_kit::PowerState;

use crate::soap::{Object, Objects};

/// What of the tagged machines is wanted.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) datacenters: Vec<String>,
    pub(crate) folder: Option<String>,
    /// The word of `address_type`.
    pub(crate) address_type: String,
    pub(crate) power_state: PowerState,
}

impl Conditions {
    /// The node for the machine `id`; `further` are more tags, with the machines that have them.
    pub(crate) fn node(
        &self,
        id: &str,
        objects: &Objects,
        further: &[(String, HashSet<String>)],
    ) -> Node {
        let Some(machine) = objects.get(id) else {
            let mut node = Node::new("virtual machine", id, id);
            node.excluded.push(Exclusion::Vanished);
            return node;
        };
        let mut node = Node::new("virtual machine", id, machine.text("name").unwrap_or(id));
        let (datacenter, folder) = location(machine, objects);
        let state = machine.text("runtime.powerState").unwrap_or_default();
        node.add_attribute("datacenter", Some(datacenter.clone()));
        node.add_attribute("folder", Some(folder.clone()));
        node.add_attribute("power state", Some(state.to_owned()));
        if !self.datacenters.is_empty() && !self.datacenters.contains(&datacenter) {
            node.excluded.push(Exclusion::NotMember {
                of: format!("datacenter `{}`", self.datacenters.join("`, `")),
            });
        }
        if let Some(wanted) = self
            .folder
            .as_deref()
            .map(|wanted| wanted.trim_matches('/'))
            && folder != wanted
            && !folder.starts_with(&format!("{wanted}/"))
        {
            node.excluded.push(Exclusion::NotMember {
                of: format!("folder `{wanted}`"),
            });
        }
        let missing = further
            .iter()
            .filter(|(_, machines)| !machines.contains(id));
        node.excluded
            .extend(missing.map(|(tag, _)| Exclusion::TagMissing { tag: tag.clone() }));
        if self.power_state == PowerState::Running && state != "poweredOn" {
            node.excluded.push(Exclusion::NotRunning {
                state: state.to_owned(),
            });
        }
        if node.excluded.is_empty() {
            self.select_addresses(&mut node, machine);
        }
        node
    }

    fn select_addresses(&self, node: &mut Node, machine: &Object) {
        if machine.interfaces().is_empty() {
            node.excluded.push(Exclusion::Other(
                "VMware Tools reports no network interface: are they running?".into(),
            ));
            return;
        }
        for interface in machine.interfaces() {
            for ip in interface
                .addresses()
                .filter_map(|text| text.parse::<IpAddr>().ok())
            {
                if is_local(ip) {
                    node.excluded.push(Exclusion::Other(
                        format!("{ip} is reachable from its own link only").into(),
                    ));
                } else if !includes(&self.address_type, ip) {
                    node.excluded.push(Exclusion::OtherAddressType {
                        found: ip.to_string(),
                        wanted: self.address_type.clone(),
                    });
                } else {
                    let mut address = Address::ip(ip).with_instance(node.name.clone());
                    address.network_interface = interface.network.clone();
                    node.addresses.push(address);
                }
            }
        }
        if node.addresses.is_empty() && node.excluded.is_empty() {
            node.excluded.push(Exclusion::NoAddress);
        }
    }
}

/// The datacenter of a machine, and its folder below that one's folder of virtual machines.
fn location(machine: &Object, objects: &Objects) -> (String, String) {
    let mut folders = Vec::new();
    let mut seen = HashSet::new();
    let mut next = machine
        .text("parent")
        .or_else(|| machine.text("parentVApp"));
    while let Some(object) = next
        .filter(|id| seen.insert(*id))
        .and_then(|id| objects.get(id))
    {
        let name = object.text("name").unwrap_or_default();
        match object.obj.kind.as_str() {
            "Datacenter" => {
                // The last one is the root folder, `vm`.
                folders.pop();
                folders.reverse();
                return (name.to_owned(), folders.join("/"));
            }
            "Folder" => folders.push(name.to_owned()),
            _ => {}
        }
        next = object.text("parent");
    }
    Default::default()
}

/// Whether other machines can't reach the address.
fn is_local(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    is_link_local || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified()
}

/// Whether an address is of a type, `private_v4`.
fn includes(word: &str, ip: IpAddr) -> bool {
    let is_private = match ip {
        // With those that carriers share (RFC 6598).
        IpAddr::V4(ip) => ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64,
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    let (scope, family) = word.split_once('_').unwrap_or((word, ""));
    let has_family = family.is_empty() || (family == "v6") == ip.is_ipv6();
    has_family && (scope == "any" || (scope == "private") == is_private)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_that_nothing_else_reaches_are_left_out() {
        let local = |text: &str| is_local(text.parse().unwrap());
        for text in [
            "127.0.0.1",
            "169.254.1.1",
            "fe80::1",
            "::1",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
        ] {
            assert!(local(text), "{text}");
        }
        for text in ["10.0.0.1", "fd30::1", "2001:db8::1", "203.0.113.1"] {
            assert!(!local(text), "{text}");
        }
    }

    #[test]
    fn address_types_are_ranges_and_families() {
        let all = [
            "10.0.0.1",
            "100.64.0.1",
            "fd30::1",
            "203.0.113.1",
            "2001:db8::1",
        ];
        let of = |word: &str| {
            all.iter()
                .copied()
                .filter(|text| includes(word, text.parse().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("any"), all);
        assert_eq!(of("any_v6"), ["fd30::1", "2001:db8::1"]);
        assert_eq!(of("private"), ["10.0.0.1", "100.64.0.1", "fd30::1"]);
        assert_eq!(of("private_v4"), ["10.0.0.1", "100.64.0.1"]);
        assert_eq!(of("public_v4"), ["203.0.113.1"]);
        assert_eq!(of("public_v6"), ["2001:db8::1"]);
    }
}
