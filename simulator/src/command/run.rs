//! `discover-sim run`: one command in the simulated Azure, and what `scripted` shares with it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use clap::Args;
use cloud_autojoin_simulator::engine::{Service, Simulator};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::control;
use super::options::{SimulatorOptions, Started};
use super::{environment, record};
use crate::CommandError;

/// Runs a command in a simulated cloud and prints a summary of its requests on standard error.
///
/// The command finds the cloud under its real names, through HTTPS_PROXY and SSL_CERT_FILE; the
/// endpoints themselves are in DISCOVER_SIM_ARM_ENDPOINT, DISCOVER_SIM_AUTHORITY_HOST,
/// DISCOVER_SIM_METADATA_ENDPOINT, DISCOVER_SIM_PROXY and DISCOVER_SIM_CA_FILE.
/// DISCOVER_SIM_CONTROL is the address at which `add`, `remove`, `replace` and `fault` change it.
/// The exit status is the command's.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    #[command(flatten)]
    options: SimulatorOptions,
    /// Sets ARM_* and AZURE_* to the credentials of the world's first application
    #[arg(long)]
    credentials: bool,
    /// Print no summary
    #[arg(long, short)]
    quiet: bool,
    /// Write the requests to this file, as JSON
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

/// Runs it.
pub(crate) async fn run(run: Run) -> Result<ExitCode, CommandError> {
    let started = run.options.start().await?;
    let mut variables: Vec<(String, OsString)> = Vec::new();
    variables.extend(
        environment::azure_endpoints(&started.simulator)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    if run.credentials {
        variables.extend(environment::credentials(&started.simulator)?);
    }
    command(
        &started,
        &run.command,
        variables,
        run.quiet,
        run.record.as_deref(),
    )
    .await
}

/// Runs a command against a simulator, with these variables beside those of the proxy.
pub(crate) async fn command<S: Service>(
    Started { simulator, control }: &Started<S>,
    words: &[OsString],
    variables: Vec<(String, OsString)>,
    quiet: bool,
    record: Option<&Path>,
) -> Result<ExitCode, CommandError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("no command".into());
    };
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    for name in environment::REMOVED {
        command.env_remove(name);
    }
    command
        .envs(environment::proxy(simulator))
        .envs(variables)
        .env(control::VARIABLE, control.to_string());
    // A terminal also sends its interrupt to the command: it ends the command, and the summary is
    // still printed.
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Err(format!("cannot run `{}`: {error}", program.to_string_lossy()).into());
        }
    };
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(|error| format!("cannot wait for the command: {error}"))?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let _ = child.start_kill();
            }
        }
    };
    if !quiet {
        print_summary(simulator);
    }
    if let Some(path) = record {
        record::write(simulator, path)?;
    }
    Ok(exit_code(status))
}

pub(crate) fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, CommandError> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}").into())
}

/// The summary, and each request that was not expected.
fn print_summary<S: Service>(simulator: &Simulator<S>) {
    let mut text = format!(
        "discover-sim: {} requests\n{}",
        simulator.requests().len(),
        simulator.summary()
    );
    for request in simulator.unexpected_requests() {
        text.push_str(&format!("discover-sim: unexpected: {request}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The command's own status; as a shell writes it when a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
