//! How the command ends.

use std::process::ExitCode;

use cloud_autojoin::Error;

/// What the exit code says. The README's table lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0: what was asked for was printed.
    Done,
    /// 1: it failed; standard error says why.
    Failed,
    /// 2: the command line makes no sense; nothing was tried.
    Usage,
    /// 3: the cloud was asked and answered, and nothing matched; standard output is empty.
    NothingMatched,
    /// 128 and the number of the signal that ended it, as in a shell.
    #[cfg(unix)]
    Interrupted(i32),
}

impl Status {
    /// How a command ends that failed with this error.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::NothingMatched(_) => Self::NothingMatched,
            _ => Self::Failed,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::NothingMatched => 3,
            #[cfg(unix)]
            Status::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        })
    }
}
