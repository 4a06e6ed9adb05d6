//! What differs between operating systems. Elsewhere than on Unix files have neither owner nor
//! mode, and nothing is swept.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

/// Gives the new file to owner and group of the old one; an error is `owner` or `group` and its id.
#[cfg(unix)]
pub(super) fn keep_owner(
    file: &File,
    new: &Metadata,
    old: &Metadata,
) -> Result<(), (&'static str, u32)> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    if new.gid() != old.gid() {
        fchown(file, None, Some(old.gid())).map_err(|_| ("group", old.gid()))?;
    }
    if new.uid() != old.uid()
        && fchown(file, Some(old.uid()), None).is_err()
        && old.mode() & 0o044 == 0
    {
        // Only its owner could read it.
        return Err(("owner", old.uid()));
    }
    Ok(())
}

/// Locks a new file until it is closed, which keeps it from a sweep. `false` when a sweep was
/// quicker.
#[cfg(unix)]
pub(super) fn lock(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        // Some network file systems can't lock; a sweep leaves their files alone.
        _ => Ok(file.metadata()?.nlink() > 0),
    }
}

/// Whether files may be created in a directory.
#[cfg(unix)]
pub(super) fn can_create_in(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    if !std::fs::metadata(directory)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Removes a file unless it is locked, or that can't be known.
#[cfg(unix)]
pub(super) fn remove_unlocked(path: &Path) {
    use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
    // Without blocking: the name may be that of a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()) else {
        return;
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        // Names are not reused, so what can't be removed does no harm.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems can't flush a directory.
        Err(error)
            if [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported]
                .contains(&error.kind()) =>
        {
            Ok(())
        }
        flushed => flushed,
    }
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn keep_owner(_: &File, _: &Metadata, _: &Metadata) -> Result<(), (&'static str, u32)> {
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn lock(_: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
pub(super) fn can_create_in(directory: &Path) -> io::Result<()> {
    std::fs::metadata(directory).map(drop)
}

#[cfg(not(unix))]
pub(super) fn remove_unlocked(_: &Path) {}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
