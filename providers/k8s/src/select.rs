//! From a pod or an endpoint of a service to a node.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};

use cloud_autojoin_provider_kit::{AddressScope, AddressType};

use crate::api::{Endpoint, EndpointSlice, Pod, Port};

/// The annotation that names a pod's port, and the one that go-discover's help text has in its
/// place.
const PORT_ANNOTATIONS: [&str; 2] = [
    "consul.hashicorp.com/auto-join-port",
    "hashicorp/consul-auto-join-port",
];

/// What of the listed pods or endpoints is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) namespace: String,
    pub(crate) needs_ready: bool,
    pub(crate) host_network: bool,
    pub(crate) port: Option<String>,
    /// None: the primary address of a pod or node.
    pub(crate) address_type: Option<AddressType>,
}

/// What a pod that isn't ready, but would match, is excluded for.
pub(crate) const NOT_READY: &str = "not ready";

impl Conditions {
    /// The node for a pod.
    pub(crate) fn pod(&self, pod: Pod) -> Node {
        let Pod {
            metadata,
            spec,
            status,
        } = pod;
        let mut node = Node::new("pod", metadata.uid, metadata.name);
        node.add_attribute("namespace", Some(self.namespace.clone()));
        node.add_attribute("phase", Some(status.phase.clone()));
        node.add_attribute("node", spec.node_name);
        if status.phase != "Running" {
            node.excluded.push(Exclusion::NotRunning {
                state: status.phase.clone(),
            });
            return node;
        }
        // A pod without the condition counts as ready.
        if let Some(ready) = status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready" && condition.status != "True")
        {
            node.add_attribute("ready", Some(ready.status.clone()));
            if self.needs_ready {
                let reason = ready.reason.as_deref().filter(|reason| !reason.is_empty());
                node.excluded.push(not_ready(reason));
                return node;
            }
        }
        let (primary, all, kind) = if self.host_network {
            (&status.host_ip, &status.host_ips, "host port")
        } else {
            (&status.pod_ip, &status.pod_ips, "port")
        };
        let ports = spec
            .containers
            .iter()
            .flat_map(|container| &container.ports);
        let number = |port: &Port| match self.host_network {
            true => port.host_port,
            false => port.container_port,
        };
        let port_of = |name: &str| {
            let named = ports.clone().filter(|port| port.name == name);
            named.map(number).find(|port| *port != 0)
        };
        let annotation = || {
            let annotations = PORT_ANNOTATIONS.iter();
            let mut annotations = annotations.filter_map(|name| metadata.annotations.get(*name));
            annotations.find(|port| !port.is_empty())
        };
        let wanted = self.port.as_ref().or_else(annotation);
        let port = match wanted.map(|wanted| port(wanted, port_of)).transpose() {
            Ok(port) => port,
            Err(wanted) => {
                let reason = format!("the pod has no {kind} of that name");
                node.excluded.push(no_port(&wanted, &reason));
                return node;
            }
        };
        let others = all.iter().map(|address| &address.ip);
        let others = others.filter(|ip| self.address_type.is_some() && *ip != primary);
        self.add_addresses(&mut node, std::iter::once(primary).chain(others), port);
        node.tags = metadata.labels.into_iter().collect();
        node
    }

    /// The nodes for the endpoints of a slice.
    pub(crate) fn slice(&self, slice: EndpointSlice) -> Vec<Node> {
        let EndpointSlice {
            metadata,
            address_type,
            endpoints,
            ports,
        } = slice;
        let ports = ports.unwrap_or_default();
        let port_of = |name: &str| {
            ports
                .iter()
                .find(|port| port.name == name && port.container_port != 0)
                .map(|port| port.container_port)
        };
        let port = self
            .port
            .as_ref()
            .map(|wanted| port(wanted, port_of))
            .transpose();
        let node = |endpoint: Endpoint| {
            let first = endpoint.addresses.first().cloned().unwrap_or_default();
            let id = format!("{}/{first}", metadata.name);
            let name = endpoint.target_ref.map(|pod| pod.name);
            let name = name.or(endpoint.hostname).unwrap_or(first);
            let mut node = Node::new("endpoint", id, name);
            node.add_attribute("namespace", Some(self.namespace.clone()));
            node.add_attribute("endpoint slice", Some(metadata.name.clone()));
            node.add_attribute("node", endpoint.node_name);
            node.add_attribute("zone", endpoint.zone);
            if self.needs_ready && endpoint.conditions.get("ready") == Some(&Some(false)) {
                node.excluded.push(not_ready(None));
                return node;
            }
            match &port {
                Err(wanted) => node
                    .excluded
                    .push(no_port(wanted, "the service has no port of that name")),
                Ok(port) if address_type == "FQDN" => {
                    node.addresses = endpoint.addresses.into_iter().map(Address::name).collect();
                    node.addresses
                        .iter_mut()
                        .for_each(|address| address.port = *port);
                }
                Ok(port) => self.add_addresses(&mut node, endpoint.addresses.iter(), *port),
            }
            node
        };
        endpoints
            .unwrap_or_default()
            .into_iter()
            .map(node)
            .collect()
    }

    fn add_addresses<'a>(
        &self,
        node: &mut Node,
        addresses: impl Iterator<Item = &'a String>,
        port: Option<u16>,
    ) {
        for ip in addresses.filter_map(|text| text.parse::<IpAddr>().ok()) {
            match self.address_type {
                Some(wanted) if !wanted.includes(ip, AddressScope::Private) => {
                    node.excluded.push(Exclusion::OtherAddressType {
                        found: ip.to_string(),
                        wanted: wanted.word().to_owned(),
                    });
                }
                _ => {
                    let mut address = Address::ip(ip).with_instance(node.name.clone());
                    address.port = port;
                    node.addresses.push(address);
                }
            }
        }
        if node.addresses.is_empty() && node.excluded.is_empty() {
            node.excluded.push(Exclusion::NoAddress);
        }
    }
}

fn not_ready(reason: Option<&str>) -> Exclusion {
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    Exclusion::Other(format!("{NOT_READY}{reason}").into())
}

fn no_port(wanted: &str, reason: &str) -> Exclusion {
    Exclusion::Other(
        format!("port `{wanted}`: {reason}, and it isn't a number from 1 to 65535").into(),
    )
}

/// The port that `wanted` names or is; `wanted` itself if there is none.
fn port(wanted: &str, of_name: impl Fn(&str) -> Option<u16>) -> Result<u16, String> {
    of_name(wanted)
        .or_else(|| number(wanted))
        .ok_or_else(|| wanted.to_owned())
}

/// A port as go-discover reads numbers, by Go's syntax for literals: `8301`, `0x206d`, `8_301`.
fn number(text: &str) -> Option<u16> {
    let digits = text
        .strip_prefix('+')
        .unwrap_or(text)
        .replace('_', "")
        .to_ascii_lowercase();
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x', ..] => (&digits[2..], 16),
        [b'0', b'o', ..] => (&digits[2..], 8),
        [b'0', b'b', ..] => (&digits[2..], 2),
        [b'0', ..] => (digits.as_str(), 8),
        _ => (digits.as_str(), 10),
    };
    let is_number = !digits.starts_with(['+', '-']);
    u16::from_str_radix(digits, radix)
        .ok()
        .filter(|port| is_number && *port != 0)
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
