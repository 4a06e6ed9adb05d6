//! From a pod or an endpoint of a service to a node.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Discovery, Exclusion, Node};
use cloud_autojoin_provider_kit::{AddressScope, Instance, InstanceAddress, Selection};
use serde::de::DeserializeOwned;

use crate::api::{EndpointSlice, Pod, Port};

/// What a pod that isn't ready, but would match, is excluded for.
pub(crate) const NOT_READY: &str = "not ready";

/// What of the listed pods or endpoints is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) namespace: String,
    pub(crate) needs_ready: bool,
    pub(crate) host_network: bool,
    pub(crate) port: Option<String>,
    /// Whether the primary address is the only one that counts.
    pub(crate) is_primary_only: bool,
    pub(crate) selection: Selection,
}

/// What a list holds.
pub(crate) trait Resource: DeserializeOwned {
    /// The path of its API.
    const API: &'static [&'static str];
    /// Its name there.
    const RESOURCE: &'static str;

    /// Records it, or its parts.
    fn record(self, conditions: &Conditions, discovery: &mut Discovery);
}

impl Resource for Pod {
    const API: &'static [&'static str] = &["api", "v1"];
    const RESOURCE: &'static str = "pods";

    fn record(self, conditions: &Conditions, discovery: &mut Discovery) {
        let status = self.status;
        let annotations = self.metadata.annotations;
        let mut annotated = [annotations.port, annotations.documented_port].into_iter();
        let annotated = annotated.find(|port| !port.is_empty());
        let ports = self.spec.containers.iter().flat_map(|each| &each.ports);
        let port = match &status.not_ready {
            _ if status.phase != "Running" => Err(Exclusion::NotRunning {
                state: status.phase.clone(),
            }),
            Some(condition) if conditions.needs_ready => Err(not_ready(&condition.reason)),
            _ => conditions.port("pod", ports, annotated),
        };
        let (primary, all) = match conditions.host_network {
            true => (status.host_ip, status.host_ips),
            false => (status.pod_ip, status.pod_ips),
        };
        let others = all.into_iter().map(|entry| entry.ip);
        let others = others.filter(|ip| !conditions.is_primary_only && *ip != primary);
        let ips = std::iter::once(primary).chain(others).filter_map(|ip| ip.0);
        let ready = status.not_ready.map(|condition| condition.status);
        let pod = Instance::new("pod", self.metadata.uid, self.metadata.name)
            .with_attribute("namespace", conditions.namespace.clone())
            .with_attribute("phase", status.phase)
            .with_attribute("node", self.spec.node_name)
            .with_attribute("ready", ready.unwrap_or_default())
            .with_tags(self.metadata.labels);
        discovery.record(conditions.node(pod, ips, port));
    }
}

impl Resource for EndpointSlice {
    const API: &'static [&'static str] = &["apis", "discovery.k8s.io", "v1"];
    const RESOURCE: &'static str = "endpointslices";

    fn record(self, conditions: &Conditions, discovery: &mut Discovery) {
        let slice = &self.metadata.name;
        let ports = self.ports.unwrap_or_default();
        for endpoint in self.endpoints.into_iter().flatten() {
            let first = endpoint.addresses.first().cloned().unwrap_or_default();
            let pod = endpoint.target_ref.map(|pod| pod.name);
            let name = pod.or(endpoint.hostname).unwrap_or_else(|| first.clone());
            let port = match endpoint.conditions.ready {
                Some(false) if conditions.needs_ready => Err(not_ready("")),
                _ => conditions.port("service", &ports, None),
            };
            let instance = Instance::new("endpoint", format!("{slice}/{first}"), name)
                .with_attribute("namespace", conditions.namespace.clone())
                .with_attribute("endpoint slice", slice.clone())
                .with_attribute("node", endpoint.node_name.unwrap_or_default())
                .with_attribute("zone", endpoint.zone.unwrap_or_default());
            let names = port.clone().ok().filter(|_| self.address_type == "FQDN");
            let texts = endpoint.addresses.iter();
            let ips = texts.filter_map(|text| text.parse().ok());
            let mut node = conditions.node(instance, ips, port);
            if let Some(port) = names {
                node.excluded.clear();
                let named = |name| {
                    let mut address = Address::name(name);
                    address.port = port;
                    address
                };
                node.addresses = endpoint.addresses.into_iter().map(named).collect();
            }
            discovery.record(node);
        }
    }
}

impl Conditions {
    /// The node for `instance`: with those of `ips` that are selected and with the port, or with
    /// the reason for its exclusion.
    fn node(
        &self,
        mut instance: Instance,
        ips: impl Iterator<Item = IpAddr>,
        port: Result<Option<u16>, Exclusion>,
    ) -> Node {
        match port {
            Ok(port) => instance.addresses.extend(ips.map(|ip| InstanceAddress {
                ip,
                scope: AddressScope::Private,
                interface: None,
                is_primary: true,
                port,
            })),
            Err(reason) => instance.excluded = Some(reason),
        }
        self.selection.apply(instance)
    }

    /// The port that the key names or is, else that of the annotation, of those that a pod or
    /// service has.
    fn port<'a>(
        &self,
        owner: &str,
        ports: impl IntoIterator<Item = &'a Port>,
        annotated: Option<String>,
    ) -> Result<Option<u16>, Exclusion> {
        let Some(wanted) = self.port.as_ref().or(annotated.as_ref()) else {
            return Ok(None);
        };
        let (kind, number_of): (_, fn(&Port) -> u16) = match self.host_network {
            true => ("host port", |port| port.host_port),
            false => ("port", |port| port.container_port),
        };
        let named = ports.into_iter().filter(|port| port.name == *wanted);
        let found = named.map(number_of).find(|port| *port != 0);
        found.or_else(|| number(wanted)).map(Some).ok_or_else(|| {
            let reason = format!("the {owner} has no {kind} of that name");
            let reason =
                format!("port `{wanted}`: {reason}, and it isn't a number from 1 to 65535");
            Exclusion::Other(reason.into())
        })
    }
}

fn not_ready(reason: &str) -> Exclusion {
    Exclusion::Other(match reason {
        "" => NOT_READY.into(),
        reason => format!("{NOT_READY} ({reason})").into(),
    })
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
