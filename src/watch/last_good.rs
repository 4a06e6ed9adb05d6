//! The last good result on disk: read at the start, replaced atomically after a change.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use cloud_autojoin_core::Address;

use crate::atomic_file::AtomicFile;
use crate::result_file::{self, MAX_BYTES, Record, Scope, VERSION, differing};

/// How old the time in the file may become while the result stays the same. It bounds both the
/// number of writes and the error of the age.
const REFRESH: Duration = Duration::from_secs(600);

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
                    "cannot read the last good result `{shown}`: {error}"
                ));
            }
        };
        let broken = |why: &dyn std::fmt::Display| {
            format!(
                "the last good result `{shown}` is not used: {why}; it is replaced by the next good one"
            )
        };
        let record = Record::parse(text.as_bytes()).map_err(|error| broken(&error))?;
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
        let confirmed = record.confirmed().map_err(|error| broken(&error))?;
        let addresses = result_file::addresses(record.addresses);
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
            confirmed: result_file::time(self.confirmed),
            addresses: result_file::entries(&self.addresses),
            cached: None,
        };
        let wrong = |error: &dyn std::fmt::Display| {
            format!(
                "cannot write the last good result `{}`: {error}",
                self.file.path().display()
            )
        };
        let text = record.to_bytes().map_err(|error| wrong(&error))?;
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

#[cfg(test)]
mod tests;
