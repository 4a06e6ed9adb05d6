//! Bounded reads of small files: configuration, templates, tokens, certificates, join strings.
//!
//! A read has a size limit and a time limit, and runs on a thread that may block. A named pipe
//! or a device in place of a file is an error, not a wait that never ends.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time limit of [`read_text`] and [`files_in`], for files on a network file system that hangs.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The size limit for tokens, certificates and keys.
pub const MAX_SECRET_FILE: u64 = 1 << 20;

/// The kinds of files that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file, or a symbolic link to one.
    Regular,
    /// Anything that can be read: pipes and terminals as well.
    Any,
}

/// A file that was read.
#[derive(Clone)]
#[non_exhaustive]
pub struct FileContents {
    /// The content. It may be a secret, so `Debug` doesn't show it.
    pub bytes: Vec<u8>,
    /// The metadata of the file that was opened.
    pub metadata: Metadata,
}

impl std::fmt::Debug for FileContents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileContents")
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Reads a file of at most `max_bytes` within `timeout`.
///
/// # Errors
///
/// `InvalidInput` for a kind of file that `kind` excludes, `FileTooLarge` above `max_bytes`,
/// `TimedOut` after `timeout`, and any error of the system.
pub async fn read(
    path: impl Into<PathBuf>,
    kind: FileKind,
    max_bytes: u64,
    timeout: Duration,
) -> io::Result<FileContents> {
    let path = path.into();
    run_blocking(timeout, move || read_blocking(&path, kind, max_bytes)).await
}

/// Reads a regular file of at most `max_bytes` that holds UTF-8.
///
/// # Errors
///
/// As [`read`], and `InvalidData` when it isn't UTF-8.
pub async fn read_text(path: impl Into<PathBuf>, max_bytes: u64) -> io::Result<String> {
    let bytes = read(path, FileKind::Regular, max_bytes, READ_TIMEOUT)
        .await?
        .bytes;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("not UTF-8 (after {at} bytes)"),
        )
    })
}

/// The files of a directory by name, without hidden ones; a link counts as what it refers to.
///
/// # Errors
///
/// `TimedOut` after [`READ_TIMEOUT`], and any error of the system.
pub async fn files_in(directory: impl Into<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let directory = directory.into();
    run_blocking(READ_TIMEOUT, move || {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && entry.path().is_file() {
                paths.push(entry.path());
            }
        }
        paths.sort_unstable();
        Ok(paths)
    })
    .await
}

/// Runs `work` on a thread that may block, and waits for at most `timeout`.
async fn run_blocking<T: Send + 'static>(
    timeout: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::time::timeout(timeout, tokio::task::spawn_blocking(work)).await {
        Ok(done) => done.map_err(io::Error::other)?,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// As [`read`], on this thread and without a time limit.
///
/// # Errors
///
/// As [`read`].
pub fn read_blocking(path: &Path, kind: FileKind, max_bytes: u64) -> io::Result<FileContents> {
    let file = open(path, kind)?;
    let metadata = file.metadata()?;
    if kind == FileKind::Regular && !metadata.is_file() {
        let found = describe(&metadata);
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{found}, not a regular file"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {max_bytes} bytes"),
        ));
    }
    Ok(FileContents { bytes, metadata })
}

#[cfg(unix)]
fn open(path: &Path, kind: FileKind) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let mut options = OpenOptions::new();
    options.read(true);
    if kind == FileKind::Regular {
        // Opening a named pipe would otherwise wait for its writer, and a terminal would become the
        // controlling one. Neither flag affects regular files.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    options.open(path)
}

#[cfg(not(unix))]
fn open(path: &Path, _: FileKind) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn describe(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    match metadata.file_type() {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn describe(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() {
        "a directory"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_regular_file_is_read_up_to_its_size_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3).await.unwrap(), "abc");
        let error = read_text(&path, 2).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::FileTooLarge, "larger than 2 bytes")
        );
        std::fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(
            read_text(&path, 3).await.unwrap_err().to_string(),
            "not UTF-8 (after 2 bytes)"
        );
        let error = read_text(directory.path().join("b"), 3).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    /// Real time, as the fault is a read that never ends.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_named_pipe_a_directory_and_a_device_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        for (path, found) in [
            (pipe.as_path(), "a named pipe"),
            (directory.path(), "a directory"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = read_text(path, 8).await.unwrap_err();
            assert_eq!(error.to_string(), format!("{found}, not a regular file"));
        }
        let zeros = read("/dev/zero", FileKind::Any, 8, READ_TIMEOUT)
            .await
            .unwrap_err();
        assert_eq!(zeros.kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_that_may_be_read_and_has_no_writer_ends_at_the_time_limit() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let error = read(&pipe, FileKind::Any, 8, Duration::from_millis(20))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Lets the thread that waits for a writer end, which the runtime would wait for.
        drop(
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(&pipe)
                .unwrap(),
        );
    }
}
