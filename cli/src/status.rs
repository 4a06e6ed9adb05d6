//! The exit status of the command.

use std::process::ExitCode;

use cloud_autojoin::Error;

/// The exit codes, as listed in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: the requested output was printed.
    Done,
    /// 1: failed; standard error has the reason.
    Failed,
    /// 2: invalid usage; nothing was sent.
    Usage,
    /// 3: the discovery succeeded and nothing matched; standard output is empty.
    NothingMatched,
    /// 128 plus the number of the signal that ended it, as in a shell.
    #[cfg(unix)]
    Interrupted(i32),
}

impl ExitStatus {
    /// The status for this error.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::NothingMatched(_) => Self::NothingMatched,
            _ => Self::Failed,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::NothingMatched => 3,
            #[cfg(unix)]
            ExitStatus::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        })
    }
}
