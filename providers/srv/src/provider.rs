//! From options to the one query there is: `SRV _SERVICE._PROTO.DOMAIN`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::dns::{DnsError, DnsResolver, SrvRecord};
use cloud_autojoin_core::{
    Address, Call, ConfigString, Context, Discovery, Exclusion, Finding, Node, Provider, Result,
};
use cloud_autojoin_provider_kit::{Options, dns};

use crate::keys::{DOMAIN, PROTO, RESOLVE, SERVICE};

/// The name after `provider=`.
pub(crate) const NAME: &str = "srv";

/// The SRV records of one service.
pub struct Srv {
    name: String,
    resolve: bool,
    dns: Arc<dyn DnsResolver>,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let label = |text: String| text.strip_prefix('_').unwrap_or(&text).to_owned();
    let (service, proto) = (
        options.text(&SERVICE).map(label),
        options.text(&PROTO).map(label),
    );
    let (domain, resolve) = (options.text(&DOMAIN), options.boolean(&RESOLVE));
    options.finish(|| {
        let name = format!("_{}._{}.{}", service?, proto?, domain?);
        Some(Box::new(Srv {
            name,
            resolve,
            dns: dns::resolver(context),
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Srv {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        format!("the SRV records of `{}`", self.name)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        match self.dns.srv(&self.name, call).await {
            Ok(mut records) => {
                records.sort();
                for record in records {
                    discovery.record(self.node(record, call).await?);
                }
            }
            Err(error @ (DnsError::NoSuchName(_) | DnsError::NoRecords { .. })) => {
                let hint = "check `service`, `proto` and `domain`; a domain without a final dot goes through the search list";
                discovery.add_finding(Finding::new(error.to_string()).with_hint(hint));
            }
            Err(error) => return Err(dns::error(NAME, format!("resolve `{}`", self.name), error)),
        }
        Ok(discovery)
    }
}

impl Srv {
    /// The node for one record, with its name or its addresses.
    async fn node(&self, record: SrvRecord, call: &Call) -> Result<Node> {
        let SrvRecord {
            priority,
            weight,
            port,
            target,
            ..
        } = record;
        let mut node = Node::new("SRV record", format!("{target}:{port}"), target.clone());
        node.attributes = vec![
            ("priority", priority.to_string()),
            ("weight", weight.to_string()),
        ];
        // RFC 2782: a target of "." means that the service is not available.
        if target == "." || port == 0 {
            node.excluded.push(Exclusion::Other(
                "the record says that the service isn't available".into(),
            ));
            return Ok(node);
        }
        if !self.resolve {
            node.addresses.push(Address::name(target).with_port(port));
            return Ok(node);
        }
        match self.dns.addresses(&target, call).await {
            Ok(addresses) => {
                let address = |ip| {
                    Address::ip(ip)
                        .with_port(port)
                        .with_instance(target.clone())
                };
                node.addresses = addresses.into_iter().map(address).collect();
            }
            Err(error @ (DnsError::NoSuchName(_) | DnsError::NoRecords { .. })) => {
                node.excluded
                    .push(Exclusion::Other(error.to_string().into()));
            }
            Err(error) => return Err(dns::error(NAME, format!("resolve `{target}`"), error)),
        }
        Ok(node)
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = Vec::new();
    if config.get(RESOLVE.name).is_some() {
        differences.push("ignores `resolve` and returns names".to_owned());
    }
    if [SERVICE.name, PROTO.name]
        .iter()
        .any(|key| config.get(key).is_some_and(|text| text.starts_with('_')))
    {
        differences.push("doubles an underscore that is given".to_owned());
    }
    differences
}

impl fmt::Debug for Srv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srv")
            .field("name", &self.name)
            .field("resolve", &self.resolve)
            .finish_non_exhaustive()
    }
}
