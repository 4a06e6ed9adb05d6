//! Objects as files of a directory that all members see, say on a network file system.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::document::hash;
use super::store::{Object, Put, Store, StoreError, Version};
use crate::atomic_file::AtomicFile;
use crate::result_file::MAX_BYTES;

/// How often a lock is tried that another member holds, which takes it milliseconds.
const LOCK_TRIES: u32 = 100;

/// The time between two tries.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A directory. Writers exclude each other by a lock, readers see whole objects.
#[derive(Debug, Clone)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// The store in this directory, which must exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }
}

impl fmt::Display for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.directory.display())
    }
}

#[async_trait]
impl Store for FileStore {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        let path = self.directory.join(name);
        let contents = blocking(move || read(&path)).await?;
        Ok(match contents {
            None => Object::Absent,
            Some(contents) => {
                let version = Version(hash(&contents));
                if known == Some(&version) {
                    Object::Unchanged
                } else {
                    Object::Found(contents.into(), version)
                }
            }
        })
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        let (path, expected) = (self.directory.join(name), expected.cloned());
        blocking(move || replace(&path, &contents, expected.as_ref())).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| StoreError::new(error.to_string())),
        Err(error) => Err(StoreError::new(error.to_string())),
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    use cloud_autojoin_core::file::{FileKind, read_blocking};
    match read_blocking(path, FileKind::Regular, MAX_BYTES) {
        Ok(contents) => Ok(Some(contents.bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, contents: &[u8], expected: Option<&Version>) -> io::Result<Put> {
    let lock = lock(path)?;
    let present = read(path)?.map(|present| Version(hash(&present)));
    if present.as_ref() != expected {
        return Ok(Put::Conflict);
    }
    AtomicFile::new(path)
        .with_mode(0o644)
        .write(contents)
        .map_err(io::Error::other)?;
    drop(lock);
    Ok(Put::Done(Version(hash(contents))))
}

/// The lock of an object. The file stays: removing it would let two processes hold it.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))?;
    for _ in 0..LOCK_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => wait(),
            locked => return locked.map(|()| file).map_err(Into::into),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::WouldBlock,
        "another member has locked the object for seconds",
    ))
}

#[expect(clippy::disallowed_methods, reason = "a thread that may block")]
fn wait() {
    std::thread::sleep(LOCK_RETRY_INTERVAL);
}
