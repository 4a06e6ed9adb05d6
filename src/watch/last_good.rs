//! The last good result on disk: read at the start, replaced atomically after a change.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use cloud_autojoin_core::Address;
use serde::{Deserialize, Serialize};

use crate::atomic_file::AtomicFile;

/// How old the time in the file may become while the result stays the same. It bounds both the
/// number of writes and the error of the age.
const REFRESH: Duration = Duration::from_secs(600);

/// The largest file that is read: room for more than a hundred thousand addresses.
const MAX_BYTES: u64 = 16 << 20;

const VERSION: u32 = 1;

/// The contents of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    identity: String,
    /// [`Provider::scope`](cloud_autojoin_core::Provider::scope) when the addresses were found.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    scope: Scope,
    /// When the cloud last confirmed these addresses; RFC 3339, UTC.
    confirmed: String,
    addresses: Vec<Entry>,
}

/// Where addresses were found: names and values.
pub(super) type Scope = BTreeMap<String, String>;

/// The names whose values differ. A name that one side lacks is unknown there and doesn't differ.
pub(super) fn differing(before: &Scope, now: &Scope) -> Vec<String> {
    let differs =
        |(name, value): &(&String, &String)| now.get(*name).is_some_and(|now| now != *value);
    before
        .iter()
        .filter(differs)
        .map(|(name, _)| name.clone())
        .collect()
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network_interface: Option<String>,
}

/// The result of an earlier run.
#[derive(Debug)]
pub(super) struct Restored {
    /// At least one, sorted, without duplicates.
    pub addresses: Arc<[Address]>,
    /// Its age; `None` if the time in the file is ahead of this machine's clock.
    pub age: Option<Duration>,
    /// Where they were found.
    pub scope: Scope,
}

/// The file and its known contents.
#[derive(Debug)]
pub(super) struct LastGood {
    file: AtomicFile,
    identity: String,
    scope: Scope,
    written: Option<(Arc<[Address]>, SystemTime)>,
}

/// One write, for a thread that may block.
#[derive(Debug)]
pub(super) struct Write {
    file: AtomicFile,
    identity: String,
    scope: Scope,
    addresses: Arc<[Address]>,
    confirmed: SystemTime,
}

impl LastGood {
    /// The file of the watch called `identity`.
    pub(super) fn new(file: PathBuf, identity: String) -> Self {
        Self {
            file: AtomicFile::new(file),
            identity,
            scope: Scope::new(),
            written: None,
        }
    }

    /// Sets the scope in which addresses are found from now on.
    pub(super) fn set_scope(&mut self, scope: Scope) {
        if scope != self.scope {
            self.scope = scope;
            // The file has another scope.
            self.written = None;
        }
    }

    /// Reads the result of an earlier run; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// Why the file isn't used, such as fewer than `min` addresses.
    pub(super) fn restore(
        &mut self,
        now: SystemTime,
        min: usize,
    ) -> Result<Option<Restored>, String> {
        let shown = self.file.path().display();
        self.file.sweep();
        let text = match read(self.file.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(format!(
                    "cannot read the last good answer `{shown}`: {error}"
                ));
            }
        };
        let broken = |why: &dyn std::fmt::Display| {
            format!(
                "the last good answer `{shown}` is not used: {why}; it is replaced by the next good one"
            )
        };
        let record: Record = serde_json::from_str(&text).map_err(|error| broken(&error))?;
        if record.version != VERSION {
            return Err(broken(&format_args!(
                "its version is {}, not {VERSION}",
                record.version
            )));
        }
        if record.identity != self.identity {
            return Err(broken(&format_args!(
                "it is of another watch, `{}`",
                record.identity
            )));
        }
        let differing = differing(&record.scope, &self.scope);
        if !differing.is_empty() {
            return Err(broken(&format_args!(
                "it is of another scope: {} differs",
                differing.join(", ")
            )));
        }
        let confirmed = humantime::parse_rfc3339(&record.confirmed)
            .map_err(|error| broken(&format_args!("`confirmed`: {error}")))?;
        let mut addresses: Vec<Address> = record.addresses.into_iter().map(Address::from).collect();
        addresses.sort();
        addresses.dedup();
        let min = min.max(1);
        if addresses.len() < min {
            return Err(broken(&format_args!(
                "it has {} of at least {min} addresses",
                addresses.len()
            )));
        }
        let addresses: Arc<[Address]> = addresses.into();
        self.written = Some((Arc::clone(&addresses), confirmed));
        Ok(Some(Restored {
            addresses,
            age: now.duration_since(confirmed).ok(),
            scope: record.scope,
        }))
    }

    /// The write that is due for `addresses`; `None` if the file has them already.
    pub(super) fn due(&self, addresses: &Arc<[Address]>, now: SystemTime) -> Option<Write> {
        let is_written = self.written.as_ref().is_some_and(|(written, confirmed)| {
            written == addresses
                && now
                    .duration_since(*confirmed)
                    .is_ok_and(|age| age < REFRESH)
        });
        (!is_written).then(|| Write {
            file: self.file.clone(),
            identity: self.identity.clone(),
            scope: self.scope.clone(),
            addresses: Arc::clone(addresses),
            confirmed: now,
        })
    }

    /// Records that a write is done.
    pub(super) fn note(&mut self, written: Write) {
        self.written = Some((written.addresses, written.confirmed));
    }
}

impl Write {
    /// Replaces the file.
    ///
    /// # Errors
    ///
    /// Why the file wasn't replaced.
    pub(super) fn run(self) -> Result<Self, String> {
        let record = Record {
            version: VERSION,
            identity: self.identity.clone(),
            scope: self.scope.clone(),
            confirmed: humantime::format_rfc3339_seconds(self.confirmed).to_string(),
            addresses: self.addresses.iter().map(Entry::from).collect(),
        };
        let wrong = |error: &dyn std::fmt::Display| {
            format!(
                "cannot write the last good answer `{}`: {error}",
                self.file.path().display()
            )
        };
        let mut text = serde_json::to_vec_pretty(&record).map_err(|error| wrong(&error))?;
        text.push(b'\n');
        self.file
            .write(&text)
            .map_err(|error| wrong(&error.reason()))?;
        Ok(self)
    }
}

fn read(file: &Path) -> io::Result<String> {
    // A pipe would block.
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = String::new();
    fs::File::open(file)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
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

#[cfg(test)]
mod tests;
