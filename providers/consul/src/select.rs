//! From a listed instance to a node: its tags, its checks, its address.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};
use cloud_autojoin_provider_kit::TagFilter;

use crate::api::{Check, Entry};

/// What of the instances is wanted.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) tags: TagFilter,
    pub(crate) passing: bool,
    /// The word of the key `address_type`.
    pub(crate) address_type: &'static str,
    /// The port that is returned; 0 is the service's own.
    pub(crate) port: Option<u16>,
}

impl Conditions {
    /// The node for an instance: with its address, or with every reason against it.
    pub(crate) fn node(&self, entry: Entry) -> Node {
        let chosen = self.address_of(&entry);
        let (host, service) = (entry.node, entry.service);
        let checks = entry.checks.into_iter();
        let failing = checks.filter(|check| check.status != "passing");
        let failing: Vec<Check> = failing.collect();
        let is_passing = failing.is_empty();
        let status = if is_passing { "passing" } else { "failing" };
        let id = format!("{}/{}", host.node, service.id);
        let mut node = Node::new("service instance", id, host.node.clone());
        node.add_attribute("datacenter", Some(host.datacenter));
        node.add_attribute("service id", Some(service.id));
        node.add_attribute("status", Some(status.to_owned()));
        let tags = service.tags.unwrap_or_default().into_iter();
        node.tags = tags.map(|tag| (tag, String::new())).collect();
        node.excluded = self.tags.mismatches(&node.tags);
        for Check { id, status } in failing.into_iter().filter(|_| self.passing) {
            let reason = format!("its check `{id}` is {status}").into();
            node.excluded.push(Exclusion::Other(reason));
        }
        match chosen {
            _ if !node.excluded.is_empty() => {}
            Some(address) => node.addresses.push(address.with_instance(host.node)),
            None => {
                let reason = format!("it has no address of the type `{}`", self.address_type);
                node.excluded.push(Exclusion::Other(reason.into()));
            }
        }
        node
    }

    /// The address by the rules of the key; an agent may have registered a name.
    fn address_of(&self, Entry { node, service, .. }: &Entry) -> Option<Address> {
        let of_service = |tag| {
            let found = service.tagged_addresses.as_ref()?.get(tag)?;
            Some((&found.address, found.port)).filter(|(text, _)| !text.is_empty())
        };
        let of_node = |tag| Some((node.tagged_addresses.as_ref()?.get(tag)?, service.port));
        let tagged = |tag| of_service(tag).or_else(|| of_node(tag));
        let (text, port) = match self.address_type {
            "service" if !service.address.is_empty() => (&service.address, service.port),
            "service" | "node" => (&node.address, service.port),
            tag => tagged(tag)?,
        };
        let mut address = match text.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => return None,
            Ok(ip) => Address::ip(ip),
            Err(_) if text.is_empty() => return None,
            Err(_) => Address::name(text),
        };
        address.port = match self.port {
            Some(0) => Some(port).filter(|port| *port > 0),
            given => given,
        };
        Some(address)
    }
}
