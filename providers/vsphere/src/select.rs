//! From a virtual machine and what it is in to an instance.

use std::iter::successors;
use std::net::IpAddr;

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::soap::{Object, Objects};

/// What of the tagged machines is wanted, beyond what every provider knows.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) folder: Option<String>,
    /// Whether addresses count whatever their range is.
    pub(crate) has_any_range: bool,
}

impl Conditions {
    /// The machine `id`, excluded if it isn't in the folder or has no address that others reach.
    pub(crate) fn instance(&self, id: &str, machine: &Object, objects: &Objects) -> Instance {
        let (datacenter, folder) = location(machine, objects);
        let state = machine.text("runtime.powerState").unwrap_or_default();
        let mut instance = Instance::new("virtual machine", id, machine.text("name").unwrap_or(id))
            .with_attribute("datacenter", datacenter)
            .with_attribute("folder", folder.as_str())
            .with_state(state, "poweredOn");
        let wanted = self.folder.as_deref().unwrap_or_default();
        let wanted = wanted.trim_matches('/');
        let below = folder.strip_prefix(wanted);
        if !wanted.is_empty() && !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            let of = format!("folder `{wanted}`");
            instance.excluded = Some(Exclusion::NotMember { of });
        }
        let mut reason = "VMware Tools reports no network interface: are they running?".to_owned();
        for interface in machine.interfaces() {
            instance = instance.on_interface(interface.network.clone(), true);
            for address in &interface.ip_config.addresses {
                let text = &address.ip;
                match text.parse().map(|ip| (is_local(ip), AddressScope::of(ip))) {
                    Ok((true, _)) => reason = format!("{text} is reachable from its own link only"),
                    Ok(_) if self.has_any_range => {
                        instance.add_address(text, AddressScope::Private)
                    }
                    Ok((_, scope)) => instance.add_address(text, scope),
                    Err(_) => {}
                }
            }
        }
        if instance.addresses.is_empty() {
            let reason = || Exclusion::Other(reason.into());
            instance.excluded.get_or_insert_with(reason);
        }
        instance
    }
}

/// The datacenter of a machine, and its folder below that one's folder of virtual machines.
fn location(machine: &Object, objects: &Objects) -> (String, String) {
    let mut folders = Vec::new();
    let parent = machine.text("parent");
    let parent = parent.or_else(|| machine.text("parentVApp"));
    let first = parent.and_then(|id| objects.get(id));
    let above = |object: &&Object| objects.get(object.text("parent")?);
    // Not more than there are, should they be in a circle.
    for object in successors(first, above).take(objects.len()) {
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
}
