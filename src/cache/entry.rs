//! One result: where it is kept, how it is read and stored.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::{Address, Discovery, Env, Finding};
use ring::hmac;

use super::directory::Directory;
use super::query::{Query, source_of};
use super::{CacheError, KEY_FILE, Now};
use crate::atomic_file::SUFFIX;
use crate::result_file::{self, Cached, FindingEntry, Record, Scope, SourceEntry, VERSION};

/// How many bytes of the hash are in the name of a file.
const NAME_BYTES: usize = 16;

/// The place of the results of one query. Cheap to clone.
#[derive(Clone)]
pub struct CacheEntry {
    pub(super) directory: Arc<Directory>,
    /// The hash of the query so far; the values of further variables are added to it.
    hash: hmac::Context,
    /// The name of its files, without the ending.
    pub(super) name: String,
    identity: Arc<str>,
    env: Env,
}

/// A result of an earlier call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CachedResult {
    /// At least one, sorted, without duplicates.
    pub addresses: Vec<Address>,
    /// What came from each source; empty if that isn't known.
    pub sources: Vec<CachedSource>,
    /// Warnings about the result.
    pub findings: Vec<Finding>,
    /// Its age; `None` if it is of the future by the clock.
    pub age: Option<Duration>,
    /// Whether the machine restarted since. It may be another machine then.
    pub is_of_earlier_boot: bool,
    scope: Scope,
}

/// What came from one source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedSource {
    /// The name of the provider.
    pub provider: String,
    /// What it looked for.
    pub subject: String,
    /// What it found.
    pub addresses: Vec<Address>,
}

impl CachedResult {
    /// The names whose values differ from those of `scope`, which a provider resolved since: it
    /// isn't a result of that scope.
    pub fn differing(&self, scope: Vec<(&'static str, String)>) -> Vec<String> {
        result_file::differing(&self.scope, &result_file::scope(scope))
    }
}

impl CacheEntry {
    pub(super) fn new(directory: Arc<Directory>, key: &hmac::Key, query: &Query) -> Self {
        let mut hash = hmac::Context::with_key(key);
        hash.update(&query.material);
        Self {
            directory,
            name: hex(&hash.clone().sign().as_ref()[..NAME_BYTES]),
            hash,
            identity: query.identity.as_str().into(),
            env: query.env.clone(),
        }
    }

    /// The result, whatever its age. A file that can't be used counts as absent, with a warning in
    /// the log, and is replaced by the next result.
    pub fn lookup(&self, now: &Now) -> Option<CachedResult> {
        let warn = |why: &dyn fmt::Display| {
            let file = self.directory.path().join(self.result_name());
            warn_once(format!(
                "the cached result `{}` is not used: {why}",
                file.display()
            ));
        };
        let text = match self.directory.read(&self.result_name()) {
            Ok(text) => text?,
            Err(error) => {
                warn(&error);
                return None;
            }
        };
        let record = Record::parse(&text).map_err(|error| warn(&error)).ok()?;
        let age = now.age_of(&record);
        let cached = record.cached?;
        if cached.fingerprint != self.fingerprint(&cached.variables) {
            tracing::debug!("the cached result is of other environment variables");
            return None;
        }
        let addresses = result_file::addresses(record.addresses);
        if addresses.is_empty() {
            return None;
        }
        let sources = cached.sources.into_iter().map(|source| CachedSource {
            provider: source.provider,
            subject: source.subject,
            addresses: source
                .addresses
                .map_or_else(|| addresses.clone(), result_file::addresses),
        });
        let findings = cached.findings.into_iter().map(|entry| {
            let finding = Finding::new(entry.message);
            match entry.hint {
                Some(hint) => finding.with_hint(hint),
                None => finding,
            }
        });
        Some(CachedResult {
            sources: sources.collect(),
            findings: findings.collect(),
            addresses,
            age,
            is_of_earlier_boot: !now.is_same_boot(cached.boot.as_ref()),
            scope: record.scope,
        })
    }

    /// Stores the result of a call: that of each source, and the scope that they resolved. Blocks
    /// on the disk.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn store(
        &self,
        discoveries: &[&Discovery],
        scope: Vec<(&'static str, String)>,
        now: &Now,
    ) -> Result<(), CacheError> {
        let mut addresses: Vec<Address> = discoveries
            .iter()
            .flat_map(|found| found.addresses())
            .collect();
        addresses.sort();
        addresses.dedup();
        let is_only = discoveries.len() == 1;
        // A provider of several sources doesn't know which found what.
        let known = discoveries
            .iter()
            .filter(|discovery| discovery.provider() != crate::sources::SEVERAL);
        let variables = match &self.env {
            Env::Recorded(record) => record.names(),
            _ => Vec::new(),
        };
        let record = Record {
            version: VERSION,
            identity: self.identity.to_string(),
            scope: result_file::scope(scope),
            confirmed: result_file::time(now.wall()),
            addresses: result_file::entries(&addresses),
            cached: Some(Cached {
                boot: now.boot().cloned(),
                fingerprint: self.fingerprint(&variables),
                variables,
                sources: known
                    .map(|discovery| SourceEntry {
                        provider: discovery.provider().to_owned(),
                        subject: discovery.subject().to_owned(),
                        addresses: (!is_only).then(|| result_file::entries(&discovery.addresses())),
                    })
                    .collect(),
                findings: discoveries
                    .iter()
                    .flat_map(|discovery| discovery.findings())
                    .map(|finding| FindingEntry {
                        message: finding.message.clone(),
                        hint: finding.hint.clone(),
                    })
                    .collect(),
            }),
        };
        let text = record
            .to_bytes()
            .map_err(|error| CacheError::new(format!("cannot write a cached result: {error}")))?;
        self.directory.write(&self.result_name(), &text)
    }

    fn result_name(&self) -> String {
        format!("{}.json", self.name)
    }

    /// The hash of the query and of the present values of these variables.
    fn fingerprint(&self, variables: &[String]) -> String {
        let mut hash = self.hash.clone();
        hash.update(b"variables");
        let env = source_of(&self.env);
        for name in variables {
            for text in [Some(name), env.var(name).as_ref()] {
                let length = text.map_or(u64::MAX, |text| text.len() as u64);
                hash.update(&length.to_le_bytes());
                hash.update(text.map_or(b"", |text| text.as_bytes()));
            }
        }
        hex(hash.sign().as_ref())
    }
}

impl fmt::Debug for CacheEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheEntry")
            .field("identity", &self.identity)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Logs a warning, unless it is the last one: a call looks for its result several times.
fn warn_once(warning: String) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if *last != warning {
        tracing::warn!("{warning}");
        *last = warning;
    }
}

/// Whether this is the name of a result.
pub(super) fn is_result(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(is_hash)
}

/// Whether this is the name of any file that a cache makes: its key, results, locks and temporary
/// files.
pub(super) fn is_own(name: &str) -> bool {
    let temporary = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(SUFFIX))
        .and_then(|name| name.rsplit_once('.'));
    let is_replaced = |name: &str| name == KEY_FILE || is_result(name);
    is_replaced(name)
        || name.strip_suffix(".lock").is_some_and(is_hash)
        || temporary.is_some_and(|(name, _)| is_replaced(name))
}

fn is_hash(text: &str) -> bool {
    text.len() == 2 * NAME_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
