//! Actions when the addresses change: a command, or a signal to the process of a pid file.
//!
//! A command runs in its own process group, without the secrets of the environment. Its output is
//! logged line by line (`hook_log.rs`).

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cloud_autojoin::command::{PRIVATE_VARIABLES, ProcessGroup, wait_and_gather};
use cloud_autojoin::{Address, Clock, Registry, file};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tracing::Level;

use super::failure::Failure;
use super::hook_log::{self, Hook};

/// Longer lists are on standard input only: Linux limits a variable to 128 KiB.
const LONGEST_VARIABLE: usize = 100 << 10;

/// How long after the end of a command its output is still read. Its background processes may keep
/// the pipes open.
const LINGER: Duration = Duration::from_millis(200);

/// The largest pid file that is read.
const MAX_PID_FILE: u64 = 4096;

/// An action, its debounce and its timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnChange {
    /// The action.
    pub(crate) action: Action,
    /// How long the addresses must stay the same before it runs.
    pub(crate) debounce: Duration,
    /// After how long a command is killed.
    pub(crate) timeout: Duration,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A program with its arguments, found on `PATH`; no shell.
    Command(Vec<String>),
    /// A signal to the process of a pid file.
    Signal {
        /// The signal.
        signal: Signal,
        /// The file.
        pid_file: PathBuf,
    },
}

/// A change of the addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressChange<'a> {
    /// The name of the watch.
    pub(crate) watch: &'a str,
    /// All addresses.
    pub(crate) addresses: &'a [Address],
    /// The new ones.
    pub(crate) joined: &'a [Address],
    /// The removed ones.
    pub(crate) left: &'a [Address],
}

impl OnChange {
    /// Its name for messages: the program alone, since arguments may hold secrets.
    pub(crate) fn shown(&self) -> String {
        match &self.action {
            Action::Command(words) => {
                format!("command {}", words.first().map_or("", String::as_str))
            }
            Action::Signal { pid_file, .. } => format!("signal to {}", pid_file.display()),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// The program can't be started, fails or times out; the process doesn't exist.
    pub(crate) async fn run(
        &self,
        changed: AddressChange<'_>,
        clock: &Clock,
    ) -> Result<(), Failure> {
        match &self.action {
            Action::Command(words) => self.command(words, changed, clock).await,
            Action::Signal { signal, pid_file } => send(*signal, pid_file).await,
        }
    }

    async fn command(
        &self,
        words: &[String],
        changed: AddressChange<'_>,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let Some((program, arguments)) = words.split_first() else {
            return Ok(());
        };
        let failed = |what: String| Failure::new(format!("command {program}: {what}"));
        let mut command = Command::new(program);
        command.args(arguments).env("DISCOVER_WATCH", changed.watch);
        for (name, list) in [
            ("DISCOVER_ADDRESSES", changed.addresses),
            ("DISCOVER_JOINED", changed.joined),
            ("DISCOVER_LEFT", changed.left),
        ] {
            let text = list
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ");
            if text.len() <= LONGEST_VARIABLE {
                command.env(name, text);
            } else {
                command.env_remove(name);
            }
        }
        for name in secret_variables() {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = ProcessGroup::spawn(&mut command).map_err(|error| {
            failed(format!("cannot be started: {error}"))
                .with_hint("check the path of the program and its permissions")
        })?;
        let lines: String = changed
            .addresses
            .iter()
            .map(|address| format!("{address}\n"))
            .collect();
        let child = group.child();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A command may ignore its standard input.
                let _ = stdin.write_all(lines.as_bytes()).await;
            }
        };
        let shown = self.shown();
        let hook = Hook {
            watch: changed.watch,
            action: &shown,
        };
        let mut first = String::new();
        let gather = async {
            tokio::join!(
                feed,
                hook_log::copy(stdout, hook, Level::INFO, None),
                hook_log::copy(stderr, hook, Level::WARN, Some(&mut first))
            )
        };
        let ended = tokio::select! {
            ended = wait_and_gather(child.wait(), gather, || clock.sleep(LINGER)) => Some(ended.0),
            () = clock.sleep(self.timeout) => None,
        };
        let Some(status) = ended else {
            return Err(
                failed(format!("killed after {} s", self.timeout.as_secs_f64()))
                    .with_hint("raise its `timeout`, or let it do its work in the background"),
            );
        };
        let status = status.map_err(|error| failed(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let first_line = if first.is_empty() {
            first
        } else {
            format!(", {first}")
        };
        Err(match (status.code(), status.signal()) {
            (Some(code), _) => failed(format!("exit status {code}{first_line}")),
            (None, Some(signal)) => failed(format!("ended by signal {signal}{first_line}")),
            (None, None) => failed(format!("failed{first_line}")),
        })
    }
}

/// The environment variables that hold a secret, or that speak for this process.
fn secret_variables() -> impl Iterator<Item = &'static str> {
    let of_providers: Vec<&str> = Registry::compiled_in().secret_variables().collect();
    PRIVATE_VARIABLES.iter().copied().chain(of_providers)
}

async fn send(signal: Signal, pid_file: &Path) -> Result<(), Failure> {
    let shown = pid_file.display();
    let text = file::read_text(pid_file, MAX_PID_FILE)
        .await
        .map_err(|error| {
            Failure::new(format!("cannot read the pid file {shown}: {error}"))
                .with_hint("check that the agent runs and writes it")
        })?;
    // 1 is the service manager, and lower numbers are process groups.
    let pid = text
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(format!("there is no process number in {shown}")))?;
    kill_process(pid, signal).map_err(|error| {
        Failure::new(format!(
            "cannot signal process {} of {shown}: {error}",
            pid.as_raw_nonzero()
        ))
    })
}

/// The signal of that name, with or without `SIG`.
pub(crate) fn signal_of(name: &str) -> Option<Signal> {
    Some(match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "TERM" => Signal::TERM,
        "QUIT" => Signal::QUIT,
        "WINCH" => Signal::WINCH,
        "CONT" => Signal::CONT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_secret_keys_are_secret() {
        let secret: Vec<&str> = secret_variables().collect();
        for name in [
            "ARM_CLIENT_SECRET",
            "AZURE_CLIENT_SECRET",
            "VAULT_TOKEN",
            "NOTIFY_SOCKET",
        ] {
            assert!(secret.contains(&name), "{name}");
        }
        assert!(!secret.contains(&"ARM_CLIENT_ID"));
    }
}
