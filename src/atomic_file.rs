//! Replaces files atomically: a reader sees the old content or the new one, never a part of either,
//! also when this process or the machine dies.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("peers");
//! use cloud_autojoin::atomic_file::{AtomicFile, Written};
//!
//! let file = AtomicFile::new(path).with_mode(0o644);
//! file.sweep(); // once, when the program starts
//! assert_eq!(file.write(b"10.0.0.4\n")?, Written::Replaced);
//! assert_eq!(file.write(b"10.0.0.4\n")?, Written::Unchanged);
//! # Ok(())
//! # }
//! ```

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

mod error;
mod platform;

pub use error::WriteError;

/// The suffix of temporary files. No program that reads a configuration directory takes such a file
/// for one of its own.
pub(crate) const SUFFIX: &str = ".discover-tmp";

/// How many random characters the name of a temporary file has.
const RANDOM: usize = 6;

/// How many times a temporary file is created anew because a sweep by another process removed it
/// before it was locked.
const MAX_CREATIONS: usize = 10;

/// How many symbolic links are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// Whether a write changed the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The file has new content.
    Replaced,
    /// The file had this content already and was not touched.
    Unchanged,
}

/// A file whose content is replaced as a whole.
///
/// The content is written to a temporary file in the same directory, `.NAME.XXXXXX.discover-tmp`,
/// flushed to disk and renamed over the target. Symbolic links are followed and stay: the file that
/// they lead to is replaced, or created where a link dangles. Several processes may write the same
/// file; the last one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtomicFile {
    path: PathBuf,
    mode: u32,
    keeps_owner: bool,
}

impl AtomicFile {
    /// The file at `path`. A new file gets the mode 0600; one that exists keeps its own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: 0o600,
            keeps_owner: false,
        }
    }

    /// Sets the mode of a file that doesn't exist yet.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Keeps owner and group of a file that exists, so that anyone who could read it still can. A
    /// write fails when this process may not give the new file to them. Without it the file belongs
    /// to the user of this process.
    #[must_use]
    pub fn keeping_owner(mut self) -> Self {
        self.keeps_owner = true;
        self
    }

    /// Where the file is, as given: symbolic links are not resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes temporary files of this file that killed processes left behind. Those of other
    /// files, and those that a process is writing at this moment, stay. To be called once at start;
    /// blocks.
    pub fn sweep(&self) {
        let Ok(target) = resolve(&self.path) else {
            return;
        };
        let Ok(entries) = fs::read_dir(directory_of(&target)) else {
            return;
        };
        let prefix = temporary_prefix(&target);
        for entry in entries.flatten() {
            if is_temporary(&entry.file_name().to_string_lossy(), &prefix) {
                platform::remove_unlocked(&entry.path());
            }
        }
    }

    /// Makes `content` the content of the file. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// A step failed. The old file is unchanged then, unless only the final flush of the directory
    /// failed.
    pub fn write(&self, content: &[u8]) -> Result<Written, WriteError> {
        self.write_verified(content, |_| Ok(()))
    }

    /// As [`AtomicFile::write`], and calls `verify` with what was read back from the disk before
    /// the file is replaced.
    ///
    /// # Errors
    ///
    /// As [`AtomicFile::write`], or `verify` failed.
    pub fn write_verified<E: From<WriteError>>(
        &self,
        content: &[u8],
        verify: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<Written, E> {
        let target = resolve(&self.path).map_err(|error| WriteError::io(&self.path, error))?;
        let failed = |error: io::Error| WriteError::io(&target, error);
        let old = match fs::metadata(&target) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error).into()),
        };
        if let Some(old) = &old {
            if !old.is_file() {
                return Err(WriteError::not_a_file(&target).into());
            }
            if old.len() == content.len() as u64
                && fs::read(&target).is_ok_and(|present| present == content)
            {
                return Ok(Written::Unchanged);
            }
        }
        let mut temporary = create_temporary(&target).map_err(failed)?;
        temporary.write_all(content).map_err(failed)?;
        self.set_attributes(temporary.as_file(), old.as_ref(), &target)?;
        temporary.as_file().sync_all().map_err(failed)?;
        verify(&read_back(&mut temporary).map_err(failed)?)?;
        temporary
            .persist(&target)
            .map_err(|error| failed(error.error))?;
        // Without this a crash of the machine may undo the rename.
        platform::sync_directory(directory_of(&target)).map_err(failed)?;
        Ok(Written::Replaced)
    }

    /// Whether a write could work, as far as that shows without one: the target is absent or a
    /// regular file, and its directory is there and writable. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// What a write would fail with.
    pub fn check_access(&self) -> Result<(), WriteError> {
        let target = resolve(&self.path).map_err(|error| WriteError::io(&self.path, error))?;
        match fs::metadata(&target) {
            Ok(old) if !old.is_file() => return Err(WriteError::not_a_file(&target)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(WriteError::io(&target, error));
            }
            _ => {}
        }
        platform::can_create_in(directory_of(&target))
            .map_err(|error| WriteError::io(&target, error))
    }

    fn set_attributes(
        &self,
        file: &File,
        old: Option<&Metadata>,
        target: &Path,
    ) -> Result<(), WriteError> {
        let failed = |error: io::Error| WriteError::io(target, error);
        if let Some(old) = old.filter(|_| self.keeps_owner) {
            let new = file.metadata().map_err(failed)?;
            platform::keep_owner(file, &new, old)
                .map_err(|(what, id)| WriteError::owner(target, what, id))?;
        }
        match old {
            Some(old) => file.set_permissions(old.permissions()).map_err(failed),
            None => platform::set_mode(file, self.mode).map_err(failed),
        }
    }
}

/// Where symbolic links lead, also when there is no file yet: a rename would replace the link.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            // Not a link, or nothing there: what else may be wrong shows when the file is used.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

fn directory_of(target: &Path) -> &Path {
    target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

fn temporary_prefix(target: &Path) -> String {
    format!(
        ".{}.",
        target.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Whether `name` is a temporary file of exactly the file with this prefix: those of `peers.json`
/// are not those of `peers`.
fn is_temporary(name: &str, prefix: &str) -> bool {
    let random = name
        .strip_prefix(prefix)
        .and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn create_temporary(target: &Path) -> io::Result<NamedTempFile> {
    let prefix = temporary_prefix(target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).rand_bytes(RANDOM).suffix(SUFFIX);
    for _ in 0..MAX_CREATIONS {
        let temporary = builder.tempfile_in(directory_of(target))?;
        if platform::lock(temporary.as_file())? {
            return Ok(temporary);
        }
    }
    Err(io::Error::other(
        "another process removes each new temporary file",
    ))
}

fn read_back(temporary: &mut NamedTempFile) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    temporary.rewind()?;
    temporary.as_file_mut().read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests;
