//! A directory whose files no other user can have made, changed or redirected.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::CacheError;
use crate::atomic_file::SUFFIX;
use crate::result_file::MAX_BYTES;

/// An open directory. Files are used relative to it, so that it can't be swapped for another one.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
}

impl Directory {
    /// Opens a directory, which is created if it doesn't exist.
    pub(super) fn create(path: &Path) -> Result<Self, CacheError> {
        if let Some(directory) = Self::open(path)? {
            return Ok(directory);
        }
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        created.map_err(|error| unusable(path, &error))?;
        Self::open(path)?.ok_or_else(|| unusable(path, &io::ErrorKind::NotFound.into()))
    }

    /// Opens a directory; `None` if it doesn't exist.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, CacheError> {
        // A slash at the end would follow a symbolic link.
        let path = path.components().as_path();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => {
                // With O_DIRECTORY, a symbolic link is reported as something else than a directory.
                if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
                    return Err(refused(path, "is a symbolic link"));
                }
                return Err(unusable(path, &error.into()));
            }
        };
        let stat = rustix::fs::fstat(&handle).map_err(|error| unusable(path, &error.into()))?;
        if stat.st_uid != user() {
            return Err(refused(path, &format!("belongs to user {}", stat.st_uid)));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(refused(path, "can be written to by other users"));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            handle,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its files.
    pub(super) fn names(&self) -> Result<Vec<String>, CacheError> {
        let entries =
            Dir::read_from(&self.handle).map_err(|error| unusable(&self.path, &error.into()))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str().ok()?.to_owned()))
            .collect())
    }

    /// The contents of a file; `None` if it doesn't exist.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let Some(file) = self.open_file(name, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let mut contents = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut contents)
            .map_err(|error| self.failed("read", name, &error))?;
        Ok(Some(contents))
    }

    /// Opens a file; `None` if it doesn't exist and isn't created.
    ///
    /// # Errors
    ///
    /// It can't be opened, or isn't a file of this user alone.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> Result<Option<File>, CacheError> {
        // A named pipe would block.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = match rustix::fs::openat(&self.handle, name, flags, mode) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => {
                return Err(refused(&self.path.join(name), "is a symbolic link"));
            }
            Err(error) => return Err(self.failed("open", name, &error.into())),
        };
        let metadata = file
            .metadata()
            .map_err(|error| self.failed("read", name, &error))?;
        let path = || self.path.join(name);
        if !metadata.is_file() {
            return Err(refused(&path(), "is not a regular file"));
        }
        if metadata.uid() != user() {
            return Err(refused(
                &path(),
                &format!("belongs to user {}", metadata.uid()),
            ));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(refused(&path(), "can be read or written by other users"));
        }
        Ok(Some(file))
    }

    /// Replaces a file, whatever is there.
    pub(super) fn write(&self, name: &str, contents: &[u8]) -> Result<(), CacheError> {
        let temporary = self.create_temporary(name, contents)?;
        // Without the flush a crash of the machine may undo the rename.
        rustix::fs::renameat(&self.handle, &temporary, &self.handle, name)
            .and_then(|()| rustix::fs::fsync(&self.handle))
            .map_err(|error| {
                let _ = self.remove(&temporary);
                self.failed("replace", name, &error.into())
            })
    }

    /// Creates a file unless one is there. Returns whether it did.
    pub(super) fn create_file(&self, name: &str, contents: &[u8]) -> Result<bool, CacheError> {
        let temporary = self.create_temporary(name, contents)?;
        let flags = AtFlags::empty();
        let linked = rustix::fs::linkat(&self.handle, &temporary, &self.handle, name, flags);
        self.remove(&temporary)?;
        match linked {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(self.failed("create", name, &error.into())),
        }
    }

    /// Creates a file with these contents, which becomes `name`. Returns its own name.
    fn create_temporary(&self, name: &str, contents: &[u8]) -> Result<String, CacheError> {
        let temporary = format!(".{name}.{:016x}{SUFFIX}", fastrand::u64(..));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = self.open_file(&temporary, flags)?.ok_or_else(removed)?;
        let written = file.write_all(contents).and_then(|()| file.sync_all());
        written.map_err(|error| {
            let _ = self.remove(&temporary);
            self.failed("write", name, &error)
        })?;
        Ok(temporary)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> Result<(), CacheError> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("remove", name, &error.into())),
        }
    }

    fn failed(&self, what: &str, name: &str, error: &io::Error) -> CacheError {
        CacheError::new(format!(
            "cannot {what} `{}`: {error}",
            self.path.join(name).display()
        ))
    }
}

/// Why no file can be created.
pub(super) fn removed() -> CacheError {
    CacheError::new("the cache directory was removed")
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn refused(path: &Path, why: &str) -> CacheError {
    CacheError::new(format!("`{}` {why}", path.display())).with_hint(
        "the cache takes a directory and files of this user alone; choose another directory with `--cache-directory`, or remove it",
    )
}

fn unusable(path: &Path, error: &io::Error) -> CacheError {
    CacheError::new(format!(
        "cannot use the cache directory `{}`: {error}",
        path.display()
    ))
    .with_hint("choose a directory that this user may write into with `--cache-directory`")
}
