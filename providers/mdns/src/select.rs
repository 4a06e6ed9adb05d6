//! From an instance to a node: one address, of the preferred family.

use std::net::IpAddr;

use cloud_autojoin_core::{Address, Exclusion, Node};
use hickory_proto::rr::Name;

use crate::answers::Instance;

/// Which addresses are returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Families {
    pub(crate) v4: bool,
    pub(crate) v6: bool,
}

impl Families {
    /// The node for an instance: its IPv6 address before its IPv4 address, as in go-discover.
    pub(crate) fn node(self, name: &Name, instance: &Instance, addresses: Vec<IpAddr>) -> Node {
        let label = name.iter().next().map(String::from_utf8_lossy);
        let label = label.unwrap_or_default().into_owned();
        let mut node = Node::new("mDNS instance", shown(name), label.clone());
        let txt = instance.txt.iter();
        let txt = txt.map(|text| text.split_once('=').unwrap_or((text, "")));
        node.tags = txt.map(|(key, value)| (key.into(), value.into())).collect();
        let Some((host, port)) = &instance.target else {
            let what = "no SRV record came in time".into();
            node.excluded.push(Exclusion::Incomplete { what });
            return node;
        };
        node.add_attribute("host", Some(shown(host)));
        if host.is_root() || *port == 0 {
            let reason = "its SRV record says that the service isn't available";
            node.excluded.push(Exclusion::Other(reason.into()));
            return node;
        }
        if addresses.is_empty() {
            let what = format!("no address of `{}` came in time", shown(host)).into();
            node.excluded.push(Exclusion::Incomplete { what });
        }
        let is_usable = |ip: &&IpAddr| match ip {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6 && !is_link_local(ip),
        };
        let usable: Vec<&IpAddr> = addresses.iter().filter(is_usable).collect();
        // Sorted, IPv4 before IPv6: the last family wins, with its first address.
        let ipv6 = usable.iter().find(|ip| ip.is_ipv6());
        match ipv6.or_else(|| usable.first()) {
            Some(ip) => node
                .addresses
                .push(Address::ip(**ip).with_port(*port).with_instance(label)),
            None => {
                let reasons = addresses.iter().map(|ip| self.reason(ip));
                node.excluded.extend(reasons);
            }
        }
        node
    }

    fn reason(self, ip: &IpAddr) -> Exclusion {
        if self.v6 && is_link_local(ip) {
            let reason =
                format!("{ip} is a link-local address, which is of no use without its interface");
            return Exclusion::Other(reason.into());
        }
        let wanted = if ip.is_ipv4() { "IPv6" } else { "IPv4" };
        Exclusion::OtherAddressType {
            found: ip.to_string(),
            wanted: wanted.to_owned(),
        }
    }
}

/// Whether an address means nothing outside of its link.
fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The name as people write it: labels may hold blanks and any UTF-8.
pub(crate) fn shown(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn node(v4: bool, v6: bool, port: u16, addresses: &[&str]) -> (Vec<String>, Vec<String>) {
        let name = |labels: &[&str]| {
            Name::from_labels(labels.iter().map(|label| label.as_bytes())).unwrap()
        };
        let instance = Instance {
            target: Some((name(&["host", "local"]), port)),
            txt: vec!["dc=a".into(), "x".into()],
            ..Instance::default()
        };
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let node = Families { v4, v6 }.node(
            &name(&["Node 1", "_consul", "_tcp", "local"]),
            &instance,
            addresses,
        );
        assert_eq!(
            (node.id.as_str(), node.name.as_str()),
            ("Node 1._consul._tcp.local", "Node 1")
        );
        (
            node.addresses.iter().map(ToString::to_string).collect(),
            node.excluded.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn an_instance_gives_one_address_ipv6_before_ipv4() {
        let all = ["10.0.0.1", "10.0.0.2", "fd00::1", "fe80::1"];
        assert_eq!(node(true, true, 1, &all).0, ["[fd00::1]:1"]);
        assert_eq!(node(true, false, 1, &all).0, ["10.0.0.1:1"]);
        assert_eq!(node(false, true, 1, &all).0, ["[fd00::1]:1"]);
        assert_eq!(
            node(true, true, 1, &["10.0.0.1", "fe80::1"]).0,
            ["10.0.0.1:1"]
        );
    }

    #[test]
    fn an_instance_without_an_address_has_the_reason() {
        assert_eq!(
            node(true, true, 1, &["fe80::1"]).1,
            ["fe80::1 is a link-local address, which is of no use without its interface"]
        );
        assert_eq!(
            node(false, true, 1, &["10.0.0.1"]).1,
            ["10.0.0.1 is not IPv6"]
        );
        assert_eq!(
            node(true, false, 1, &["fe80::1"]).1,
            ["fe80::1 is not IPv4"]
        );
        assert_eq!(
            node(true, true, 1, &[]).1,
            ["the response is incomplete: no address of `host.local` came in time"]
        );
        assert_eq!(
            node(true, true, 0, &["10.0.0.1"]).1,
            ["its SRV record says that the service isn't available"]
        );
    }
}
