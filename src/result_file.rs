//! Results on disk: the one format of a watch's last good result and of the cache.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use cloud_autojoin_core::{Address, Provider};
use serde::{Deserialize, Serialize};

/// The largest file that is read: room for more than a hundred thousand addresses.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

pub(crate) const VERSION: u32 = 1;

/// Where addresses were found: names and values.
pub(crate) type Scope = BTreeMap<String, String>;

/// The contents of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub version: u32,
    /// What was looked for, without secrets.
    pub identity: String,
    /// [`Provider::scope`] when the addresses were found.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// When the cloud last confirmed these addresses; RFC 3339, UTC.
    pub confirmed: String,
    pub addresses: Vec<Entry>,
    /// What only a result of the cache has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Cached>,
}

/// What makes a result usable by another process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cached {
    /// The time since the machine started, which no correction of its clock changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootTime>,
    /// The names of the environment variables that were read.
    pub variables: Vec<String>,
    /// A keyed hash of the join strings with their secrets, and of the variables.
    pub fingerprint: String,
    /// What came from each source; empty if that isn't known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceEntry>,
    /// Warnings about the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingEntry>,
}

/// A time since the machine started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootTime {
    /// The id of this run of the machine.
    pub id: String,
    pub milliseconds: u64,
}

/// One source of several.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SourceEntry {
    pub provider: String,
    pub subject: String,
    /// Its addresses; `None` if it is the only source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<Entry>>,
}

/// A warning.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FindingEntry {
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<String>,
}

impl Record {
    /// Parses the contents of a file.
    ///
    /// # Errors
    ///
    /// It is damaged, or of another version.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if record.version != VERSION {
            return Err(format!("its version is {}, not {VERSION}", record.version));
        }
        Ok(record)
    }

    /// When the cloud confirmed the addresses.
    ///
    /// # Errors
    ///
    /// It isn't a time.
    pub(crate) fn confirmed(&self) -> Result<SystemTime, String> {
        humantime::parse_rfc3339(&self.confirmed).map_err(|error| format!("`confirmed`: {error}"))
    }

    /// The contents of the file.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// A time as records have it. It is rounded down, so that no result looks younger than it is.
pub(crate) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Entries as addresses: sorted, without duplicates.
pub(crate) fn addresses(entries: Vec<Entry>) -> Vec<Address> {
    let mut addresses: Vec<Address> = entries.into_iter().map(Address::from).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Addresses as entries.
pub(crate) fn entries(addresses: &[Address]) -> Vec<Entry> {
    addresses.iter().map(Entry::from).collect()
}

/// The scope of a provider as far as it is known now.
pub(crate) fn scope_of(provider: &dyn Provider) -> Scope {
    scope(provider.scope())
}

/// Pairs as a scope.
pub(crate) fn scope(pairs: Vec<(&'static str, String)>) -> Scope {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The names whose values differ. A name that one side lacks is unknown there and doesn't differ.
pub(crate) fn differing(before: &Scope, now: &Scope) -> Vec<String> {
    let differs =
        |(name, value): &(&String, &String)| now.get(*name).is_some_and(|now| now != *value);
    before
        .iter()
        .filter(differs)
        .map(|(name, _)| name.clone())
        .collect()
}

impl From<&Address> for Entry {
    fn from(address: &Address) -> Self {
        let Address {
            host,
            port,
            instance,
            network_interface,
            ..
        } = address;
        Self {
            host: host.to_string(),
            port: *port,
            instance: instance.clone(),
            network_interface: network_interface.clone(),
        }
    }
}

impl From<Entry> for Address {
    fn from(entry: Entry) -> Self {
        let mut address = entry
            .host
            .parse::<IpAddr>()
            .map_or_else(|_| Self::name(entry.host), Self::ip);
        (address.port, address.instance, address.network_interface) =
            (entry.port, entry.instance, entry.network_interface);
        address
    }
}
