//! What is done when the addresses change: a command, or a signal to the process of a pid file.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use cloud_autojoin::{Address, Clock, file};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::failure::{Failure, first_line};

/// Longer lists are on standard input only: Linux takes no variable of more than 128 KiB.
const LONGEST_VARIABLE: usize = 100 << 10;

/// How long after the end of a command what it said is waited for.
const LINGER: Duration = Duration::from_millis(200);

/// So much of what a failed command says on standard error is kept.
const SAID: u64 = 4096;

/// More than this is no pid file.
const MAX_PID_FILE: u64 = 4096;

/// An action and its manners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnChange {
    /// What is done.
    pub(crate) action: Action,
    /// How long the addresses must keep still first.
    pub(crate) debounce: Duration,
    /// How long a command may take before it is killed.
    pub(crate) timeout: Duration,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A program with its arguments, found on `PATH`; no shell.
    Command(Vec<String>),
    /// A signal to the process whose number is in a file.
    Signal {
        /// The signal.
        signal: Signal,
        /// The file.
        pid_file: PathBuf,
    },
}

/// What a change was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed<'a> {
    /// The name of the watch.
    pub(crate) watch: &'a str,
    /// All addresses.
    pub(crate) addresses: &'a [Address],
    /// The new ones.
    pub(crate) joined: &'a [Address],
    /// Those that are gone.
    pub(crate) left: &'a [Address],
}

impl OnChange {
    /// What it is, for people: the program alone, since arguments may hold more than people should see.
    pub(crate) fn shown(&self) -> String {
        match &self.action {
            Action::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
            Action::Signal { pid_file, .. } => format!("signal to {}", pid_file.display()),
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// The program cannot be started, fails, or takes too long; the process is not there.
    pub(crate) async fn run(&self, changed: Changed<'_>, clock: &Clock) -> Result<(), Failure> {
        match &self.action {
            Action::Command(words) => self.command(words, changed, clock).await,
            Action::Signal { signal, pid_file } => send(*signal, pid_file).await,
        }
    }

    async fn command(&self, words: &[String], changed: Changed<'_>, clock: &Clock) -> Result<(), Failure> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let failed = |what: String| Failure::new(format!("command {program}: {what}"));
        let mut command = Command::new(program);
        command.args(arguments).env("DISCOVER_WATCH", changed.watch);
        for (name, list) in [("DISCOVER_ADDRESSES", changed.addresses), ("DISCOVER_JOINED", changed.joined), ("DISCOVER_LEFT", changed.left)] {
            let text = list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            if text.len() <= LONGEST_VARIABLE {
                command.env(name, text);
            } else {
                command.env_remove(name);
            }
        }
        // What the service manager says to this process is not for another: a command that answered for it would be believed.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A script's children end with it.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")).with_hint("check the path of the program and its permissions"))?;
        let mut group = Group(child);
        let lines: String = changed.addresses.iter().map(|address| format!("{address}\n")).collect();
        let (stdin, stderr) = (group.0.stdin.take(), group.0.stderr.take());
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A command that does not read its standard input is none the worse for it.
                let _ = stdin.write_all(lines.as_bytes()).await;
            }
        };
        let listen = async move {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let mut stderr = stderr.take(SAID);
                let _ = stderr.read_to_end(&mut said).await;
                // Read on, or a talkative command would wait for ever.
                let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
            }
            said
        };
        let gather = async { tokio::join!(feed, listen).1 };
        let ended = tokio::select! {
            ended = both(group.0.wait(), gather, clock) => Some(ended),
            () = clock.sleep(self.timeout) => None,
        };
        let Some((status, said)) = ended else {
            return Err(
                failed(format!("killed after {} s", self.timeout.as_secs_f64())).with_hint("raise its `timeout`, or let it do its work in the background")
            );
        };
        let status = status.map_err(|error| failed(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let said = first_line(&said);
        let said = if said.is_empty() { said } else { format!(", {said}") };
        Err(match (status.code(), status.signal()) {
            (Some(code), _) => failed(format!("exit status {code}{said}")),
            (None, Some(signal)) => failed(format!("ended by signal {signal}{said}")),
            (None, None) => failed(format!("failed{said}")),
        })
    }
}

/// The end of a command, and what it said: that which comes a moment after the end at the latest, since what it left in the background may hold its standard error open for ever.
async fn both<Status>(wait: impl Future<Output = Status>, gather: impl Future<Output = Vec<u8>>, clock: &Clock) -> (Status, Vec<u8>) {
    let (mut wait, mut gather) = (pin!(wait), pin!(gather));
    tokio::select! {
        status = &mut wait => {
            tokio::select! {
                said = &mut gather => (status, said),
                () = clock.sleep(LINGER) => (status, Vec::new()),
            }
        }
        said = &mut gather => (wait.await, said),
    }
}

/// A child and what it started, which end when this is dropped before they did.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // No id: it has been waited for, and its number may be another's by now.
        if let Some(pid) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // It may be gone this very moment.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn send(signal: Signal, pid_file: &Path) -> Result<(), Failure> {
    let shown = pid_file.display();
    let text = file::read_text(pid_file, MAX_PID_FILE)
        .await
        .map_err(|error| Failure::new(format!("cannot read the pid file {shown}: {error}")).with_hint("check that the agent runs and writes it"))?;
    // 1 is the service manager, and what is below means whole groups.
    let pid = text.trim().parse().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(format!("there is no process number in {shown}")))?;
    kill_process(pid, signal).map_err(|error| Failure::new(format!("cannot signal process {} of {shown}: {error}", pid.as_raw_nonzero())))
}

/// The signal of a name, with `SIG` or without.
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
