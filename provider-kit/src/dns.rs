//! The resolver of the system's configuration (`/etc/resolv.conf`), by hickory-resolver.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::dns::{DnsError, DnsResolver, SrvRecord};
use cloud_autojoin_core::{Call, Context, Error, TransportError, TransportFailure};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError as Refusal, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

/// How many aliases are followed, as by other resolvers.
const MAX_ALIASES: usize = 8;

/// What a query found, or why there is nothing: the name doesn't exist or has no such record.
pub type Found<T> = Result<Vec<T>, DnsError>;

/// Resolves names for a provider: by the resolver of its context, or the system's.
#[derive(Debug, Clone)]
pub struct Resolver {
    provider: &'static str,
    dns: Arc<dyn DnsResolver>,
}

impl Resolver {
    /// The resolver of `context`, or the system's.
    pub fn new(provider: &'static str, context: &Context) -> Self {
        let system = || Arc::new(SystemResolver) as Arc<dyn DnsResolver>;
        let dns = context.dns().map_or_else(system, Arc::clone);
        Self { provider, dns }
    }

    /// The SRV records of `name`.
    ///
    /// # Errors
    ///
    /// No name server could determine whether there are any.
    pub async fn srv(&self, name: &str, call: &Call) -> Result<Found<SrvRecord>, Error> {
        self.judge(name, self.dns.srv(name, call).await)
    }

    /// The addresses of `name`.
    ///
    /// # Errors
    ///
    /// As [`Resolver::srv`].
    pub async fn addresses(&self, name: &str, call: &Call) -> Result<Found<IpAddr>, Error> {
        self.judge(name, self.dns.addresses(name, call).await)
    }

    fn judge<T>(&self, name: &str, found: Found<T>) -> Result<Found<T>, Error> {
        match found {
            Err(cause) if cause.is_transient() => {
                let error = TransportError::new(
                    format!("resolve `{name}`"),
                    "the name server",
                    TransportFailure::Connect,
                );
                Err(error.of_provider(self.provider).with_cause(cause).into())
            }
            found => Ok(found),
        }
    }
}

/// Resolves names by the system's configuration: servers, search list, attempts. The
/// configuration is read at every query and nothing is cached, so a long-running process sees
/// changes of both.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl SystemResolver {
    /// Runs a query within the call's deadline and records it.
    async fn query<T>(
        call: &Call,
        operation: String,
        query: impl AsyncFnOnce(TokioResolver) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        let started = call.elapsed();
        let result = match Self::configured() {
            Ok(resolver) => tokio_timeout(call, query(resolver)).await,
            Err(error) => Err(error),
        };
        call.record_result(&operation, &operation, started, &result);
        result
    }

    fn configured() -> Result<TokioResolver, NetError> {
        let mut builder = TokioResolver::builder_tokio()?;
        builder.options_mut().cache_size = 0;
        builder.build()
    }
}

async fn tokio_timeout<T>(
    call: &Call,
    query: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    match tokio::time::timeout(call.remaining(), query).await {
        Ok(result) => result,
        Err(_) => Err(NetError::Timeout),
    }
}

impl SystemResolver {
    /// The SRV records that the name itself has.
    async fn own_srv(name: &str, call: &Call) -> Result<Vec<SrvRecord>, DnsError> {
        let query = async |resolver: TokioResolver| resolver.srv_lookup(name).await;
        let lookup = Self::query(call, format!("SRV {name}"), query)
            .await
            .map_err(|error| judge(name, "SRV", error))?;
        let records = lookup.answers().iter();
        let records = records.filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(SrvRecord::new(
                srv.priority,
                srv.weight,
                srv.port,
                srv.target.to_utf8(),
            )),
            _ => None,
        });
        Ok(records.collect())
    }

    /// The name that this one is an alias of.
    async fn alias(name: &str, call: &Call) -> Option<String> {
        let query = async |resolver: TokioResolver| resolver.lookup(name, RecordType::CNAME).await;
        let lookup = Self::query(call, format!("CNAME {name}"), query).await;
        let lookup = lookup.ok()?;
        let mut targets = lookup.answers().iter();
        targets.find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.to_utf8()),
            _ => None,
        })
    }
}

#[async_trait]
impl DnsResolver for SystemResolver {
    /// hickory looks for the targets of SRV records behind an alias and finds none of their kind,
    /// so aliases are followed here.
    async fn srv(&self, name: &str, call: &Call) -> Result<Vec<SrvRecord>, DnsError> {
        let mut current = name.to_owned();
        for _ in 0..MAX_ALIASES {
            match Self::own_srv(&current, call).await {
                Ok(records) if !records.is_empty() => return Ok(records),
                Ok(_) | Err(DnsError::NoRecords { .. }) => {}
                Err(error) => return Err(error),
            }
            match Self::alias(&current, call).await {
                Some(target) => current = target,
                None => break,
            }
        }
        Err(DnsError::NoRecords {
            name: name.to_owned(),
            record: "SRV",
        })
    }

    async fn addresses(&self, name: &str, call: &Call) -> Result<Vec<IpAddr>, DnsError> {
        let query = async |resolver: TokioResolver| resolver.lookup_ip(name).await;
        let record = "A or AAAA";
        let lookup = Self::query(call, format!("A, AAAA {name}"), query)
            .await
            .map_err(|error| judge(name, record, error))?;
        let addresses: Vec<IpAddr> = lookup.iter().collect();
        if addresses.is_empty() {
            return Err(DnsError::NoRecords {
                name: name.to_owned(),
                record,
            });
        }
        Ok(addresses)
    }
}

/// The error for a failed query.
fn judge(name: &str, record: &'static str, error: NetError) -> DnsError {
    let name = name.to_owned();
    match error {
        NetError::Dns(Refusal::NoRecordsFound(found))
            if found.response_code == ResponseCode::NXDomain =>
        {
            DnsError::NoSuchName(name)
        }
        NetError::Dns(Refusal::NoRecordsFound(found))
            if found.response_code == ResponseCode::NoError =>
        {
            DnsError::NoRecords { name, record }
        }
        NetError::Dns(Refusal::NoRecordsFound(found)) => {
            DnsError::Refused(found.response_code.to_string())
        }
        NetError::Dns(Refusal::ResponseCode(code)) => DnsError::Refused(code.to_string()),
        other => DnsError::Unreachable(io::Error::other(other)),
    }
}
