//! `discover-sim`: the command of the simulator.
//!
//! `run` starts a command with a simulated cloud, `serve` serves one until interrupted, `worlds`
//! lists the worlds that ship; `add`, `remove`, `replace` and `fault` change a running simulator.
//! Each has its file in `command/`.

mod command {
    pub(crate) mod change;
    pub(crate) mod control;
    pub(crate) mod environment;
    pub(crate) mod join_string;
    pub(crate) mod options;
    pub(crate) mod record;
    pub(crate) mod run;
    pub(crate) mod scripted;
    pub(crate) mod serve;
    pub(crate) mod worlds;
}
mod usage;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{change, run, scripted, serve, worlds};

/// Simulates a cloud on this machine.
///
/// Join strings, agents and the Azure CLI can be tried with it without an account; no request
/// leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "discover-sim", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs a command in a simulated cloud and prints a summary of its requests
    Run(run::Run),
    /// Serves a simulated cloud until interrupted
    Serve(serve::Serve),
    /// Serves recorded responses for small clouds, to a command or until interrupted
    Scripted(scripted::Scripted),
    /// Lists the worlds that ship with the program, or prints one
    Worlds(worlds::Worlds),
    #[command(flatten)]
    Change(change::ChangeCommand),
}

/// An error message in one line, with a hint.
#[derive(Debug)]
struct CommandError {
    message: String,
    hint: Option<String>,
}

impl CommandError {
    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<Text: Into<String>> From<Text> for CommandError {
    fn from(message: Text) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::report(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}").into()),
    };
    let ended = runtime.block_on(async {
        match arguments.action {
            Action::Run(run) => run::run(run).await,
            Action::Serve(serve) => serve::serve(serve).await,
            Action::Scripted(scripted) => scripted::scripted(scripted).await,
            Action::Worlds(worlds) => worlds::worlds(&worlds).map(|()| ExitCode::SUCCESS),
            Action::Change(change) => change.run().await,
        }
    });
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| fail(&failure))
}

fn fail(failure: &CommandError) -> ExitCode {
    print_failure(failure);
    ExitCode::FAILURE
}

/// Writes a failure to standard error as `discover` does: `discover-sim: ...`, then `hint: ...`.
fn print_failure(failure: &CommandError) {
    let hint = failure
        .hint
        .as_ref()
        .map_or_else(String::new, |hint| format!("hint: {hint}\n"));
    let _ = write!(
        std::io::stderr(),
        "discover-sim: {}\n{hint}",
        failure.message
    );
}
