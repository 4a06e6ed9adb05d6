//! From a listed instance to a node: its tags, its checks, its address.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};

use crate::api::Entry;

/// Which address of an instance is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressSource {
    Service,
    Node,
    Lan,
    Wan,
}

impl AddressSource {
    pub(crate) const WORDS: &'static [&'static str] = &["service", "node", "lan", "wan"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "service" => Some(Self::Service),
            "node" => Some(Self::Node),
            "lan" => Some(Self::Lan),
            "wan" => Some(Self::Wan),
            _ => None,
        }
    }
}

/// Which port is returned with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortSource {
    None,
    Service,
    Fixed(u16),
}

/// What of the instances is wanted.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) tags: Vec<String>,
    pub(crate) passing: bool,
    pub(crate) address: AddressSource,
    pub(crate) port: PortSource,
}

impl Conditions {
    /// The node for an instance: with its address, or with every reason against it.
    pub(crate) fn node(&self, entry: Entry) -> Node {
        let chosen = self.address_of(&entry);
        let Entry {
            node: host,
            service,
            checks,
        } = entry;
        let mut node = Node::new(
            "service instance",
            format!("{}/{}", host.node, service.id),
            host.node.clone(),
        );
        node.add_attribute("datacenter", Some(host.datacenter));
        node.add_attribute("service id", Some(service.id));
        node.add_attribute(
            "status",
            Some(
                if checks.iter().all(|check| check.status == "passing") {
                    "passing"
                } else {
                    "failing"
                }
                .to_owned(),
            ),
        );
        let tags = service.tags.unwrap_or_default();
        // Consul compares tags without case.
        for wanted in self.tags.iter().filter(|wanted| {
            !tags
                .iter()
                .any(|tag| tag.to_lowercase() == wanted.to_lowercase())
        }) {
            node.excluded.push(Exclusion::TagMissing {
                tag: wanted.clone(),
            });
        }
        node.tags = tags.into_iter().map(|tag| (tag, String::new())).collect();
        if self.passing {
            let failing = checks.into_iter().filter(|check| check.status != "passing");
            node.excluded.extend(failing.map(|check| {
                Exclusion::Other(format!("its check `{}` is {}", check.id, check.status).into())
            }));
        }
        if node.excluded.is_empty() {
            match chosen {
                Some(address) => node.addresses.push(address.with_instance(host.node)),
                None => node
                    .excluded
                    .push(Exclusion::Other(self.without_address().into())),
            }
        }
        node
    }

    /// The address by the rules of the key; an agent may have registered a name.
    fn address_of(&self, entry: &Entry) -> Option<Address> {
        let (node, service) = (&entry.node, &entry.service);
        let tagged = |tag: &str| {
            let of_service = service
                .tagged_addresses
                .as_ref()
                .and_then(|addresses| addresses.get(tag));
            let of_service = of_service
                .map(|tagged| (tagged.address.as_str(), tagged.port))
                .filter(|(text, _)| !text.is_empty());
            of_service.or_else(|| {
                Some((
                    node.tagged_addresses.as_ref()?.get(tag)?.as_str(),
                    service.port,
                ))
            })
        };
        let (text, port) = match self.address {
            AddressSource::Service if service.address.is_empty() => {
                (node.address.as_str(), service.port)
            }
            AddressSource::Service => (service.address.as_str(), service.port),
            AddressSource::Node => (node.address.as_str(), service.port),
            AddressSource::Lan => tagged("lan")?,
            AddressSource::Wan => tagged("wan")?,
        };
        let is_unspecified = |ip: &IpAddr| ip.is_unspecified();
        let parsed = text.parse::<IpAddr>().ok();
        if text.is_empty() || parsed.as_ref().is_some_and(is_unspecified) {
            return None;
        }
        let mut address = parsed.map_or_else(|| Address::name(text), Address::ip);
        address.port = match self.port {
            PortSource::None => None,
            PortSource::Service => Some(port).filter(|port| *port > 0),
            PortSource::Fixed(port) => Some(port),
        };
        Some(address)
    }

    fn without_address(&self) -> &'static str {
        match self.address {
            AddressSource::Service => "neither the service nor its node has an address",
            AddressSource::Node => "its node has no address",
            AddressSource::Lan => "it has no tagged address `lan`",
            AddressSource::Wan => "it has no tagged address `wan`",
        }
    }
}
