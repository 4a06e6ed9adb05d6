//! Name resolution from a table, for providers that query name servers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::dns::{DnsError, DnsResolver, SrvRecord};
use cloud_autojoin_core::{Call, Context, Discovery, Env, Error, ProviderSpec};

/// The names that exist. Any other one doesn't, and one without records fails.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    addresses: BTreeMap<&'static str, Vec<IpAddr>>,
    services: BTreeMap<&'static str, Vec<SrvRecord>>,
}

impl Zone {
    /// Adds a name with its addresses.
    #[must_use]
    pub fn with_addresses(mut self, name: &'static str, addresses: &[&str]) -> Self {
        let addresses = addresses
            .iter()
            .map(|text| text.parse().expect("an address"));
        self.addresses.insert(name, addresses.collect());
        self
    }

    /// Adds a name with its SRV records: priority, weight, port, target.
    #[must_use]
    pub fn with_services(
        mut self,
        name: &'static str,
        records: &[(u16, u16, u16, &'static str)],
    ) -> Self {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &'static str)| {
            SrvRecord::new(*priority, *weight, *port, *target)
        };
        self.services
            .insert(name, records.iter().map(record).collect());
        self
    }

    /// Discovers by a join string in this zone.
    ///
    /// # Errors
    ///
    /// Those of the provider.
    pub async fn discover(&self, spec: &ProviderSpec, join: &str) -> Result<Discovery, Error> {
        let context = Context::builder()
            .env(Env::empty())
            .dns(Arc::new(self.clone()))
            .build()?;
        let provider = spec.build(&join.parse().expect("the join string parses"), &context)?;
        let call = Call::new(context.clock(), Duration::from_secs(9));
        provider.discover(&call).await
    }

    /// The addresses that a join string finds in this zone, as they are printed.
    pub async fn addresses_of(&self, spec: &ProviderSpec, join: &str) -> Vec<String> {
        let found = self.discover(spec, join).await.expect("a discovery");
        let addresses = found.addresses();
        addresses.iter().map(ToString::to_string).collect()
    }
}

fn look_up<T: Clone>(table: &BTreeMap<&str, Vec<T>>, name: &str) -> Result<Vec<T>, DnsError> {
    match table.get(name) {
        Some(found) if found.is_empty() => Err(DnsError::Refused("SERVFAIL".into())),
        Some(found) => Ok(found.clone()),
        None => Err(DnsError::NoSuchName(name.to_owned())),
    }
}

#[async_trait]
impl DnsResolver for Zone {
    async fn srv(&self, name: &str, _: &Call) -> Result<Vec<SrvRecord>, DnsError> {
        look_up(&self.services, name)
    }

    async fn addresses(&self, name: &str, _: &Call) -> Result<Vec<IpAddr>, DnsError> {
        look_up(&self.addresses, name)
    }
}
