//! Running another program, such as a cloud's own command line, for its standard output.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;

/// What a program left behind.
#[derive(Clone)]
#[non_exhaustive]
pub struct CommandOutput {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Its standard output. It may hold a token: it is for the parser, not for a log.
    pub stdout: Vec<u8>,
    /// Its standard error, as text.
    pub stderr: String,
}

impl CommandOutput {
    /// An output made by hand: for tests.
    pub fn new(status: i32, stdout: impl Into<Vec<u8>>, stderr: impl Into<String>) -> Self {
        Self { status: Some(status), stdout: stdout.into(), stderr: stderr.into() }
    }
}

impl fmt::Debug for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandOutput").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Runs programs. The real one is [`ProcessRunner`]; tests bring their own.
#[async_trait]
pub trait CommandRunner: fmt::Debug + Send + Sync {
    /// Runs `program` with `arguments`, standard input closed, and waits at most `limit`; a program that is still running then, or when the future is dropped, is killed.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such program, `TimedOut` after `limit`, and whatever else the system says.
    async fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> io::Result<CommandOutput>;
}

/// Runs real programs, found on `PATH`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessRunner;

#[async_trait]
impl CommandRunner for ProcessRunner {
    async fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> io::Result<CommandOutput> {
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = tokio::time::timeout(limit, child.wait_with_output()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(CommandOutput { status: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_program_gives_its_status_and_both_outputs() {
        let output = ProcessRunner.run("sh", &["-c", "echo out; echo err >&2; exit 3"], Duration::from_secs(30)).await.unwrap();
        assert_eq!((output.status, output.stdout.as_slice(), output.stderr.as_str()), (Some(3), b"out\n".as_slice(), "err\n"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_not_found() {
        let error = ProcessRunner.run("no-such-program-anywhere", &[], Duration::from_secs(30)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_at_the_limit() {
        let error = ProcessRunner.run("sh", &["-c", "exec tail -f /dev/null"], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
