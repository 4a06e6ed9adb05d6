//! Replacing a file so that every reader, at any moment, sees the old one or the new one, whole; also when this process or the machine dies.
//!
//! The new text is written beside the target, flushed, read back and checked, and renamed over it; then the directory is flushed. A file that says it already is not touched.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::watch::failure::Failure;

/// Ends the names of files that are not finished, which no reader of a configuration directory takes for its own.
const UNFINISHED: &str = ".discover-tmp";

/// What came of bringing a file up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It has a new text.
    Replaced,
    /// It said so already and was not touched.
    Unchanged,
}

/// Makes `target` hold `text`. Owner, group and permissions of a file that is there are kept; a new one gets `mode`.
///
/// # Errors
///
/// A step failed, or `verify` refused what was read back. The old file is whole then.
pub(crate) fn replace(target: &Path, text: &[u8], mode: u32, verify: impl FnOnce(&[u8]) -> Result<(), Failure>) -> Result<Written, Failure> {
    let target = &resolve(target);
    let failed = |error: io::Error| failure(target, &error);
    let old = match fs::metadata(target) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if let Some(old) = &old {
        if !old.is_file() {
            return Err(Failure::new(format!("cannot write {}: it is there and no file", target.display())).with_hint("name a file"));
        }
        if old.len() == text.len() as u64 && fs::read(target).is_ok_and(|present| present == text) {
            return Ok(Written::Unchanged);
        }
    }
    let directory = directory_of(target);
    let prefix = prefix_of(target);
    sweep(directory, &prefix);
    let mut unfinished = tempfile::Builder::new().prefix(&prefix).suffix(UNFINISHED).tempfile_in(directory).map_err(failed)?;
    unfinished.write_all(text).map_err(failed)?;
    give(unfinished.as_file(), old.as_ref(), mode, target)?;
    unfinished.as_file().sync_all().map_err(failed)?;
    verify(&read_back(&mut unfinished).map_err(failed)?)?;
    unfinished.persist(target).map_err(|error| failed(error.error))?;
    // Without this the rename itself may be lost with the machine; the file system is then as it was before.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(Written::Replaced)
}

/// Where a symbolic link leads; a rename would replace the link itself.
fn resolve(target: &Path) -> PathBuf {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(target).unwrap_or_else(|_| target.to_owned()),
        _ => target.to_owned(),
    }
}

fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn prefix_of(target: &Path) -> String {
    format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what an earlier run left unfinished when it was killed.
fn sweep(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(UNFINISHED) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Gives the new file the owner, group and permissions of the old one, so that whoever could read it still can.
fn give(file: &File, old: Option<&Metadata>, mode: u32, target: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| failure(target, &error);
    let Some(old) = old else { return file.set_permissions(Permissions::from_mode(mode)).map_err(failed) };
    let new = file.metadata().map_err(failed)?;
    let refused = |what: &str, id: u32| {
        Failure::new(format!("cannot write {}: its {what} {id} could not be kept", target.display()))
            .with_hint(format!("run the sidecar as a user who may give files to that {what}, or change the file's {what}"))
    };
    if new.gid() != old.gid() {
        fchown(file, None, Some(old.gid())).map_err(|_| refused("group", old.gid()))?;
    }
    let mode = old.mode() & 0o7777;
    if new.uid() != old.uid() && fchown(file, Some(old.uid()), None).is_err() && mode & 0o044 == 0 {
        // Its owner was the only one who could read it.
        return Err(refused("owner", old.uid()));
    }
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)
}

fn read_back(unfinished: &mut NamedTempFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    unfinished.rewind()?;
    unfinished.as_file_mut().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says which step of the operator helps.
fn failure(target: &Path, error: &io::Error) -> Failure {
    let directory = directory_of(target).display();
    let shown = target.display();
    let said = error.to_string();
    // tempfile adds the path that it tried, which differs each time.
    let said = said.split(" at path \"").next().unwrap_or_default();
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("make room on the file system of {directory}"),
        io::ErrorKind::NotFound => format!("make the directory {directory}"),
        io::ErrorKind::NotADirectory => format!("a part of {directory} is a file"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{directory} is mounted read-only, or is not in the unit's `ReadWritePaths`"),
        io::ErrorKind::PermissionDenied => format!("give the sidecar's user the right to write in {directory}"),
        io::ErrorKind::FileTooLarge => "raise the limit on the size of files (`ulimit -f`)".to_owned(),
        _ => return Failure::new(format!("cannot write {shown}: {said}; the old file stays")),
    };
    Failure::new(format!("cannot write {shown}: {said}; the old file stays")).with_hint(hint)
}
