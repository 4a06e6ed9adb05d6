//! From options to the queries: A and AAAA for each name.

use std::net::IpAddr;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Address, Call, Context, Discovery, Exclusion, Finding, Node, Provider, Result,
};
use cloud_autojoin_provider_kit::dns::Resolver;
use cloud_autojoin_provider_kit::{Options, words};

use crate::keys;

/// The name after `provider=`.
pub(crate) const NAME: &str = "dns";

words! {
    /// Which addresses are returned.
    Family {
        /// Those of both families.
        #[default]
        Any = "any",
        /// IPv4 addresses.
        V4 = "v4",
        /// IPv6 addresses.
        V6 = "v6",
    }
}

impl Family {
    fn includes(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// The addresses of some DNS names.
#[derive(Debug)]
pub struct Dns {
    names: Vec<String>,
    family: Family,
    port: Option<u16>,
    dns: Resolver,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let mut names = options.list(&keys::NAME);
    names.sort();
    names.dedup();
    let family = options.word(&keys::FAMILY, Family::from_word);
    let port = options
        .number(&keys::PORT)
        .and_then(|port| u16::try_from(port).ok());
    options.finish(|| {
        Some(Box::new(Dns {
            names,
            family: family?,
            port,
            dns: Resolver::new(NAME, context),
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Dns {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        format!("the addresses of `{}`", self.names.join("`, `"))
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        for name in &self.names {
            match self.dns.addresses(name, call).await? {
                Ok(addresses) => discovery.record(self.node(name, addresses)),
                Err(error) => {
                    let reason = error.to_string();
                    let mut node = Node::new("DNS name", name, name);
                    node.excluded.push(Exclusion::Other(reason.clone().into()));
                    discovery.record(node);
                    let hint =
                        "check `name`; a name without a final dot goes through the search list";
                    discovery.add_finding(Finding::new(reason).with_hint(hint));
                }
            }
        }
        Ok(discovery)
    }
}

impl Dns {
    /// The node for a name with its addresses.
    fn node(&self, name: &str, addresses: Vec<IpAddr>) -> Node {
        let mut node = Node::new("DNS name", name, name);
        for ip in addresses {
            if self.family.includes(ip) {
                let mut address = Address::ip(ip).with_instance(name);
                address.port = self.port;
                node.addresses.push(address);
            } else {
                let wanted = if self.family == Family::V4 {
                    "IPv4"
                } else {
                    "IPv6"
                };
                node.excluded.push(Exclusion::OtherAddressType {
                    found: ip.to_string(),
                    wanted: wanted.to_owned(),
                });
            }
        }
        node
    }
}
