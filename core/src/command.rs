//! Runs other programs, such as a cloud's command line, and reads their standard output.
//!
//! A program runs as the leader of its own process group ([`ProcessGroup`]), so that its child
//! processes are killed with it.

use std::fmt;
use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Standard output and standard error beyond this size are dropped.
const MAX_OUTPUT: u64 = 4 << 20;

/// How long the output is read after a program has ended: its background processes may hold the
/// pipes open.
const LINGER: Duration = Duration::from_millis(200);

/// Variables that hold a secret or are meant for this process only, and belong to no provider:
/// tokens of agents, and those of the service manager. Programs that a user configures don't
/// inherit them.
pub const PRIVATE_VARIABLES: &[&str] = &[
    "CONSUL_HTTP_TOKEN",
    "NOMAD_TOKEN",
    "VAULT_TOKEN",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// The result of a program.
#[derive(Clone)]
#[non_exhaustive]
pub struct CommandOutput {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output. It may contain a token and must not be logged.
    pub stdout: Vec<u8>,
    /// Its standard error, as text.
    pub stderr: String,
}

impl CommandOutput {
    /// An output for tests.
    pub fn new(status: i32, stdout: impl Into<Vec<u8>>, stderr: impl Into<String>) -> Self {
        Self {
            status: Some(status),
            signal: None,
            stdout: stdout.into(),
            stderr: stderr.into(),
        }
    }
}

impl fmt::Debug for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandOutput")
            .field("status", &self.status)
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}

/// Runs programs: [`ProcessRunner`], or a fake in tests.
#[async_trait]
pub trait CommandRunner: fmt::Debug + Send + Sync {
    /// Runs `program` with `arguments` and closed standard input. A program that is still running
    /// after `limit`, or when the future is dropped, is killed with its child processes.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such program, `TimedOut` after `limit`, and any other error of
    /// the system.
    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput>;

    /// Runs a program as [`CommandRunner::run`] does, with these environment variables beside the
    /// inherited ones. They may hold secrets, which an argument list must not.
    ///
    /// # Errors
    ///
    /// As [`CommandRunner::run`]; `Unsupported` from a runner that can't set variables.
    async fn run_with_env(
        &self,
        program: &str,
        arguments: &[&str],
        env: &[(String, String)],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        if env.is_empty() {
            self.run(program, arguments, limit).await
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Runs a program as [`CommandRunner::run`] does, without these environment variables: for
    /// programs that a user configures. The default is [`CommandRunner::run`], for runners whose
    /// programs inherit no environment.
    ///
    /// # Errors
    ///
    /// As [`CommandRunner::run`].
    async fn run_without_env(
        &self,
        variables: &[&str],
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        _ = variables;
        self.run(program, arguments, limit).await
    }
}

/// Runs real programs, found on `PATH`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessRunner;

#[async_trait]
impl CommandRunner for ProcessRunner {
    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        Self::collect(Command::new(program), arguments, limit).await
    }

    async fn run_with_env(
        &self,
        program: &str,
        arguments: &[&str],
        env: &[(String, String)],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        let mut command = Command::new(program);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        Self::collect(command, arguments, limit).await
    }

    async fn run_without_env(
        &self,
        variables: &[&str],
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        let mut command = Command::new(program);
        variables
            .iter()
            .for_each(|name| _ = command.env_remove(name));
        Self::collect(command, arguments, limit).await
    }
}

impl ProcessRunner {
    /// Runs `command` to its end.
    async fn collect(
        mut command: Command,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = ProcessGroup::spawn(&mut command)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (from_stdout, from_stderr) = (group.child().stdout.take(), group.child().stderr.take());
        let ended = {
            let gather = async {
                tokio::join!(
                    gather(from_stdout, &mut stdout),
                    gather(from_stderr, &mut stderr)
                )
            };
            let linger =
                || async { _ = tokio::time::timeout(LINGER, std::future::pending::<()>()).await };
            tokio::time::timeout(limit, wait_and_gather(group.child().wait(), gather, linger)).await
        };
        let Ok((status, _)) = ended else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        let status = status?;
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        Ok(CommandOutput {
            status: status.code(),
            signal,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

/// Waits for the end of a program while reading its output, which is read to its end, or until
/// `linger` has elapsed after the program ended. `None` when output may be missing.
pub async fn wait_and_gather<Status, Output, Linger: Future<Output = ()>>(
    wait: impl Future<Output = Status>,
    gather: impl Future<Output = Output>,
    linger: impl FnOnce() -> Linger,
) -> (Status, Option<Output>) {
    let (mut wait, mut gather) = (pin!(wait), pin!(gather));
    tokio::select! {
        status = &mut wait => {
            tokio::select! {
                output = &mut gather => (status, Some(output)),
                () = linger() => (status, None),
            }
        }
        output = &mut gather => (wait.await, Some(output)),
    }
}

/// Reads into `kept` and drops the excess: a program whose output isn't read would block.
async fn gather(output: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(output) = output else { return };
    let mut output = output.take(MAX_OUTPUT);
    if output.read_to_end(kept).await.is_ok() {
        let _ = tokio::io::copy(&mut output.into_inner(), &mut tokio::io::sink()).await;
    }
}

/// A program that runs as the leader of its own process group. Dropping it before the program has
/// ended kills the group; background processes of an ended program keep running.
///
/// On platforms other than Unix only the program itself is killed.
#[derive(Debug)]
pub struct ProcessGroup(Child);

impl ProcessGroup {
    /// Starts the program.
    ///
    /// # Errors
    ///
    /// It can't be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        command.kill_on_drop(true).spawn().map(Self)
    }

    /// The program itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Without an id it has been waited for, and the id may have been reused.
        #[cfg(unix)]
        if let Some(pid) = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            // It may have just ended.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_program_gives_its_status_and_both_outputs() {
        let output = ProcessRunner
            .run(
                "sh",
                &["-c", "echo out; echo err >&2; exit 3"],
                Duration::from_secs(30),
            )
            .await
            .unwrap();
        assert_eq!(
            (
                output.status,
                output.stdout.as_slice(),
                output.stderr.as_str()
            ),
            (Some(3), b"out\n".as_slice(), "err\n")
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_a_signal_ends_gives_the_signal() {
        let output = ProcessRunner
            .run("sh", &["-c", "kill -9 $$"], Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!((output.status, output.signal), (None, Some(9)));
    }

    /// `cargo test` sets `CARGO_PKG_NAME`.
    #[tokio::test]
    async fn a_program_runs_without_the_variables_that_are_kept_from_it() {
        let script = ["-c", "echo ${CARGO_PKG_NAME-none}"];
        let with = ProcessRunner
            .run("/bin/sh", &script, Duration::from_secs(30))
            .await
            .unwrap();
        let without = ProcessRunner
            .run_without_env(
                &["CARGO_PKG_NAME"],
                "/bin/sh",
                &script,
                Duration::from_secs(30),
            )
            .await
            .unwrap();
        assert_eq!(
            (with.stdout.as_slice(), without.stdout.as_slice()),
            (b"cloud-autojoin-core\n".as_slice(), b"none\n".as_slice())
        );
    }

    #[tokio::test]
    async fn a_program_gets_the_variables_given_beside_the_inherited_ones() {
        let env = [("AUTOJOIN_TEST".to_owned(), "a b".to_owned())];
        let output = ProcessRunner
            .run_with_env(
                "sh",
                &["-c", "echo $AUTOJOIN_TEST; test -n \"$PATH\""],
                &env,
                Duration::from_secs(30),
            )
            .await
            .unwrap();
        assert_eq!(
            (output.status, output.stdout.as_slice()),
            (Some(0), b"a b\n".as_slice())
        );
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_not_found() {
        let error = ProcessRunner
            .run("no-such-program-anywhere", &[], Duration::from_secs(30))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_at_the_limit() {
        let error = ProcessRunner
            .run(
                "sh",
                &["-c", "exec tail -f /dev/null"],
                Duration::from_millis(20),
            )
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// `az` is a shell script around Python: killing the script alone leaves Python running.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_is_given_up_ends_with_everything_it_started() {
        use tokio::io::AsyncReadExt;
        use tokio::net::unix::pipe;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alive");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let mut alive = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        // The child of the script holds the pipe open for as long as it lives.
        let script = format!(
            "(echo started; exec tail -f /dev/null) > {} & wait",
            path.display()
        );
        let arguments = ["-c", script.as_str()];
        let run = ProcessRunner.run("sh", &arguments, Duration::from_secs(60));
        let mut started = [0; 8];
        tokio::select! {
            ended = run => panic!("{ended:?}"),
            read = read_when_written(&mut alive, &mut started) => read.unwrap(),
        }
        assert_eq!(&started, b"started\n");
        // The end of the pipe is the end of the child; that it doesn't come is the fault.
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(30), alive.read_to_end(&mut rest))
            .await
            .expect("the child still runs")
            .unwrap();
    }

    /// A pipe without a writer is at its end, so it is examined until there is one.
    #[cfg(unix)]
    async fn read_when_written(
        pipe: &mut tokio::net::unix::pipe::Receiver,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        loop {
            match pipe.read_exact(bytes).await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tokio::task::yield_now().await
                }
                other => return other.map(drop),
            }
        }
    }
}
