//! Keeps results on this host for other processes of the same user, so that a result that is fresh
//! enough costs no request.
//!
//! The terms are those of HTTP caching. A result is *fresh* while its age is below
//! [`CachePolicy::max_age`] (RFC 9111), and a stale one may be used when the cloud fails while its
//! age is at most [`CachePolicy::stale_if_error`] (RFC 5861, but counted from the time of the
//! result). A result is used for the same [`Query`] only, and only while the environment variables
//! that it depends on have the same values, as with HTTP's `Vary`.
//!
//! `directory.rs` reads and writes files that no other user can have made, `query.rs` identifies a
//! result, `age.rs` measures its age, `entry.rs` reads and stores it, `lock.rs` lets one process
//! make the requests of all. Nothing but [`CacheEntry::lock`] needs a runtime.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use ring::rand::SecureRandom as _;

use crate::result_file::Record;

mod age;
mod directory;
mod entry;
mod lock;
mod query;

pub use age::Now;
pub use entry::{CacheEntry, CachedResult, CachedSource};
pub use lock::{CacheLock, SharedFailure};
pub use query::Query;

use directory::Directory;

/// The name of the file with the key of all hashes.
const KEY_FILE: &str = "key";

/// The length of the key.
const KEY_BYTES: usize = 32;

/// Which results may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// A younger result is used without a request.
    pub max_age: Duration,
    /// A result that isn't older is used when the cloud fails.
    pub stale_if_error: Duration,
}

impl CachePolicy {
    /// The policy with these two; zero disables either.
    pub const fn new(max_age: Duration, stale_if_error: Duration) -> Self {
        Self {
            max_age,
            stale_if_error,
        }
    }

    /// Whether no result is ever used.
    pub fn is_off(&self) -> bool {
        self.max_age.is_zero() && self.stale_if_error.is_zero()
    }

    /// Whether a result of this age is used without a request. One of unknown age isn't.
    pub fn is_fresh(&self, age: Option<Duration>) -> bool {
        age.is_some_and(|age| age < self.max_age)
    }

    /// Whether a result of this age is used when the cloud fails. One of unknown age isn't.
    pub fn allows_stale(&self, age: Option<Duration>) -> bool {
        !self.stale_if_error.is_zero() && age.is_some_and(|age| age <= self.stale_if_error)
    }
}

/// Why the cache can't be used. A call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheError {
    message: String,
    hint: Option<String>,
}

impl CacheError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CacheError {}

/// A directory of cached results. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    directory: Arc<Directory>,
    key: Arc<hmac::Key>,
}

/// A result as `discover cache list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedSummary {
    /// What was looked for, without secrets.
    pub identity: String,
    /// Its age; `None` if it is of the future by the clock.
    pub age: Option<Duration>,
    /// How many addresses it has.
    pub addresses: usize,
    /// Its file.
    pub file: PathBuf,
}

impl Cache {
    /// Opens the directory, which is created for this user alone if it doesn't exist.
    ///
    /// # Errors
    ///
    /// It can't be used, or another user could write into it.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let directory = Directory::create(path)?;
        let key = match directory.read(KEY_FILE)? {
            Some(key) if key.len() == KEY_BYTES => key,
            _ => new_key(&directory)?,
        };
        Ok(Self::with_key(directory, &key))
    }

    /// Opens the directory as far as it has results; `None` if it has none.
    ///
    /// # Errors
    ///
    /// As [`Cache::open`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, CacheError> {
        let Some(directory) = Directory::open(path)? else {
            return Ok(None);
        };
        let key = directory.read(KEY_FILE)?;
        Ok(key
            .filter(|key| key.len() == KEY_BYTES)
            .map(|key| Self::with_key(directory, &key)))
    }

    fn with_key(directory: Directory, key: &[u8]) -> Self {
        Self {
            directory: Arc::new(directory),
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The place of the results of `query`.
    pub fn entry(&self, query: &Query) -> CacheEntry {
        CacheEntry::new(Arc::clone(&self.directory), &self.key, query)
    }

    /// All results that can be read, of any age, by what was looked for.
    ///
    /// # Errors
    ///
    /// The directory can't be read.
    pub fn list(&self, now: &Now) -> Result<Vec<CachedSummary>, CacheError> {
        let names = self.directory.names()?;
        let results = names.iter().filter(|name| entry::is_result(name));
        let mut summaries: Vec<CachedSummary> = results
            .filter_map(|name| {
                let record = Record::parse(&self.directory.read(name).ok()??).ok()?;
                Some(CachedSummary {
                    age: now.age_of(&record),
                    identity: record.identity,
                    addresses: record.addresses.len(),
                    file: self.directory.path().join(name),
                })
            })
            .collect();
        summaries
            .sort_by(|one, other| (&one.identity, &one.file).cmp(&(&other.identity, &other.file)));
        Ok(summaries)
    }

    /// Removes every file that a cache makes, and no other. Returns how many results there were.
    ///
    /// # Errors
    ///
    /// The directory can't be read, or a file can't be removed.
    pub fn clear(path: &Path) -> Result<usize, CacheError> {
        let Some(directory) = Directory::open(path)? else {
            return Ok(0);
        };
        let mut results = 0;
        for name in directory.names()? {
            if entry::is_own(&name) {
                directory.remove(&name)?;
                results += usize::from(entry::is_result(&name));
            }
        }
        Ok(results)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// Creates the key. Of several processes that do so at once, all take the first one's.
fn new_key(directory: &Directory) -> Result<Vec<u8>, CacheError> {
    let mut key = vec![0; KEY_BYTES];
    ring::rand::SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| CacheError::new("the system has no random numbers"))?;
    if directory.create_file(KEY_FILE, &key)? {
        return Ok(key);
    }
    match directory.read(KEY_FILE)? {
        Some(key) if key.len() == KEY_BYTES => Ok(key),
        // Damaged: what it was made for can't be found any more.
        _ => {
            directory.write(KEY_FILE, &key)?;
            Ok(key)
        }
    }
}

#[cfg(test)]
mod tests;
