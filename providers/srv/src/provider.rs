//! From options to the one query there is: `SRV _SERVICE._PROTO.DOMAIN`.

use async_trait::async_trait;
use cloud_autojoin_core::dns::SrvRecord;
use cloud_autojoin_core::{
    Address, Call, ConfigString, Context, Discovery, Exclusion, Finding, Node, Provider, Result,
};
use cloud_autojoin_provider_kit::Options;
use cloud_autojoin_provider_kit::dns::Resolver;
use cloud_autojoin_provider_kit::go_discover::{When, differences};

use crate::keys::{DOMAIN, NAME, PROTO, RESOLVE, SERVICE};

/// The SRV records of one service.
#[derive(Debug)]
pub struct Srv {
    name: String,
    resolve: bool,
    dns: Resolver,
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
        let dns = Resolver::new(NAME, context);
        Some(Box::new(Srv { name, resolve, dns }) as Box<dyn Provider>)
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
        match self.dns.srv(&self.name, call).await? {
            Ok(mut records) => {
                records.sort();
                for record in records {
                    discovery.record(self.node(record, call).await?);
                }
            }
            Err(error) => {
                let hint = "check `service`, `proto` and `domain`; a domain without a final dot goes through the search list";
                discovery.add_finding(Finding::new(error.to_string()).with_hint(hint));
            }
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
        match self.dns.addresses(&target, call).await? {
            Ok(addresses) => {
                let address = |ip| {
                    Address::ip(ip)
                        .with_port(port)
                        .with_instance(target.clone())
                };
                node.addresses = addresses.into_iter().map(address).collect();
            }
            Err(error) => {
                let reason = error.to_string();
                node.excluded.push(Exclusion::Other(reason.into()));
            }
        }
        Ok(node)
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let is_underscored = |key| config.get(key).is_some_and(|text| text.starts_with('_'));
    let mut table = vec![(When::Given(&RESOLVE), "ignores `resolve` and returns names")];
    if is_underscored(SERVICE.name) || is_underscored(PROTO.name) {
        table.push((When::Always, "doubles an underscore that is given"));
    }
    differences(config, &table)
}
