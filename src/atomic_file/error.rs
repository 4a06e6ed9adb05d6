//! Why a file was not written, and what the operator can do.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::directory_of;

/// A file could not be written.
#[derive(Debug)]
pub struct WriteError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    NotAFile,
    Owner { what: &'static str, id: u32 },
}

impl WriteError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            cause: Cause::Io(error),
        }
    }

    pub(super) fn not_a_file(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            cause: Cause::NotAFile,
        }
    }

    pub(super) fn owner(path: &Path, what: &'static str, id: u32) -> Self {
        Self {
            path: path.to_owned(),
            cause: Cause::Owner { what, id },
        }
    }

    /// The file, with symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason alone, without the path.
    pub fn reason(&self) -> String {
        match &self.cause {
            Cause::Io(error) => {
                let text = error.to_string();
                // tempfile adds the path that it tried, which differs each time.
                text.split(" at path \"")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
            Cause::NotAFile => "it exists and is not a regular file".to_owned(),
            Cause::Owner { what, id } => format!("its {what} {id} could not be kept"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let directory = directory_of(&self.path).display();
        let error = match &self.cause {
            Cause::Io(error) => error,
            Cause::NotAFile => return Some("name a regular file".to_owned()),
            Cause::Owner { what, .. } => {
                return Some(format!(
                    "run the process as a user who may give files to that {what}, or change the file's {what}"
                ));
            }
        };
        Some(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("make room on the file system of {directory}")
            }
            io::ErrorKind::NotFound => format!("make the directory {directory}"),
            io::ErrorKind::NotADirectory => format!("a part of {directory} is a file"),
            io::ErrorKind::ReadOnlyFilesystem => format!(
                "{directory} is mounted read-only, or is not in the unit's `ReadWritePaths`"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("give the user of this process the right to write in {directory}")
            }
            io::ErrorKind::FileTooLarge => {
                "raise the limit on the size of files (`ulimit -f`)".to_owned()
            }
            io::ErrorKind::ResourceBusy => {
                "a file that is itself a mount point can't be replaced: mount its directory instead"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot write {}: {}; the old file stays",
            self.path.display(),
            self.reason()
        )
    }
}

// No `source`: the reason is part of the text.
impl std::error::Error for WriteError {}
