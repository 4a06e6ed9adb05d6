//! `discover-sim serve`: serves a simulated cloud until interrupted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cloud_autojoin_simulator::azure::Azure;
use cloud_autojoin_simulator::engine::Service;
use serde_json::{Value, json};
use tokio::signal::unix::SignalKind;

use super::join_string::join_string;
use super::options::{SimulatorOptions, Started};
use super::run::listen;
use crate::CommandError;

/// Serves a simulated cloud until interrupted.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: SimulatorOptions,
    /// Writes the endpoints to this file, as JSON, when all endpoints are open
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Serves.
pub(crate) async fn serve(serve: Serve) -> Result<ExitCode, CommandError> {
    let started = serve.options.start().await?;
    let ready = ready(&started);
    until_interrupted(
        &started,
        &greeting(&started),
        serve.ready_file.as_deref(),
        &ready,
    )
    .await
}

/// Prints `greeting`, writes `ready` to its file, and serves until SIGINT or SIGTERM.
pub(crate) async fn until_interrupted<S: Service>(
    Started { simulator, .. }: &Started<S>,
    greeting: &str,
    ready_file: Option<&Path>,
    ready: &Value,
) -> Result<ExitCode, CommandError> {
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let _ = std::io::stdout().write_all(greeting.as_bytes());
    if let Some(path) = ready_file {
        write_ready(ready, path)?;
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let _ = write!(
        std::io::stderr(),
        "discover-sim: {} requests\n{}",
        simulator.requests().len(),
        simulator.summary()
    );
    if let Some(path) = ready_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(ExitCode::SUCCESS)
}

fn greeting(Started { simulator, control }: &Started<Azure>) -> String {
    let (proxy, file) = (simulator.proxy_endpoint(), simulator.ca_file().display());
    format!(
        "ARM        {}\n\
         Entra ID   {}\n\
         metadata   {}\n\
         proxy      {proxy}\n\
         trust      {file}\n\
         control    {control}\n\n\
         A join string (with SSL_CERT_FILE={file}):\n\
         {}\n\n\
         Unchanged clients:\n\
         HTTPS_PROXY={proxy} SSL_CERT_FILE={file} COMMAND\n",
        simulator.arm_endpoint(),
        simulator.authority_host(),
        simulator.metadata_endpoint(),
        join_string(simulator),
    )
}

fn ready(Started { simulator, control }: &Started<Azure>) -> Value {
    json!({
        "arm_endpoint": simulator.arm_endpoint(),
        "authority_host": simulator.authority_host(),
        "metadata_endpoint": simulator.metadata_endpoint(),
        "control": control.to_string(),
        "proxy": simulator.proxy_endpoint(),
        "ca_file": simulator.ca_file(),
        "app_service_endpoint": simulator.app_service_endpoint(),
        "app_service_header": simulator.app_service_header(),
        "arc_endpoint": simulator.arc_endpoint(),
        "join_string": join_string(simulator),
        "process": std::process::id(),
    })
}

/// Atomically: a script that waits for the file may read it at once.
fn write_ready(ready: &Value, path: &Path) -> Result<(), CommandError> {
    let problem = |error: std::io::Error| {
        CommandError::from(format!("cannot write {}: {error}", path.display()))
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(problem)?;
    writeln!(file, "{ready:#}").map_err(problem)?;
    file.persist(path).map_err(|error| problem(error.error))?;
    Ok(())
}
