//! What a store must do: read an object, and replace it on a condition.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// How long a request to the store may take: a member that waits longer would be late itself.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// A version of an object, in the store's own words: an ETag, an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// There is none of this name.
    Absent,
    /// It is still the version that is known.
    Unchanged,
    /// Its contents and version.
    Found(Bytes, Version),
    /// The same, from a store that knows that the member that wrote it is gone.
    Released(Bytes, Version),
}

/// What came of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The object has the new contents, as this version.
    Done(Version),
    /// The object was another version, or there. Nothing was written.
    Conflict,
}

/// A place that all members of a fleet can read and write. `Display` shows it without secrets.
#[async_trait]
pub trait Store: fmt::Debug + fmt::Display + Send + Sync {
    /// Reads an object; one that still is the `known` version needn't be sent.
    ///
    /// # Errors
    ///
    /// The store didn't answer as it should.
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError>;

    /// Writes an object if it is still the `expected` version; without one, if there is none.
    ///
    /// # Errors
    ///
    /// The store didn't answer as it should. It may have written.
    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError>;
}

/// Why a store can't be used, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError(String);

impl StoreError {
    /// An error in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}
