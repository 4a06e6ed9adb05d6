//! `discover-sim scripted`: services that a script describes, for one command or until interrupted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cloud_autojoin_simulator::engine::SimulatorBuilder;
use cloud_autojoin_simulator::scripted::{Endpoint, Fault, Script, Simulator};
use serde_json::json;

use super::options::{Shared, apply_fault, with_causes};
use super::{run, serve};
use crate::CommandError;

/// Serves the responses of a script to a command, or until interrupted.
///
/// The command finds the services under their real names, through HTTPS_PROXY and SSL_CERT_FILE. A
/// client whose endpoint can be set finds all of them at DISCOVER_SIM_SERVICE_ENDPOINT. The exit
/// status is the command's.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Scripted {
    /// A script that comes with the program (digitalocean), a TOML file, or a directory of them
    script: String,
    /// Injects a fault, as `run --fault` does; endpoint is `service` or `proxy`, operation a name
    /// of the script
    #[arg(long = "fault", value_name = "KEY=VALUE,...")]
    faults: Vec<Fault>,
    /// The port of the services; by default the system chooses
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    service_port: u16,
    #[command(flatten)]
    shared: Shared,
    /// Writes the endpoints to this file, as JSON, when all endpoints are open
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    ready_file: Option<PathBuf>,
    /// Prints no summary on standard error
    #[arg(long, short, requires = "command")]
    quiet: bool,
    /// Writes the requests to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "command")]
    record: Option<PathBuf>,
    /// The command and its arguments; without one the services stay open until interrupted
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Serves the script.
pub(crate) async fn scripted(scripted: Scripted) -> Result<ExitCode, CommandError> {
    let script = read(&scripted.script)?;
    let join_string = script.join_string().map(ToOwned::to_owned);
    let builder = Simulator::builder(script).port(Endpoint::Service, scripted.service_port);
    let builder = scripted
        .faults
        .into_iter()
        .fold(builder, SimulatorBuilder::fault);
    let started = scripted.shared.start(builder, apply_fault).await?;
    let simulator = &started.simulator;
    let service = simulator.url(Endpoint::Service);
    if !scripted.command.is_empty() {
        let variables = vec![("DISCOVER_SIM_SERVICE_ENDPOINT".to_owned(), service.into())];
        return run::command(
            &started,
            &scripted.command,
            variables,
            scripted.quiet,
            scripted.record.as_deref(),
        )
        .await;
    }
    let (proxy, file, control) = (
        simulator.proxy_endpoint(),
        simulator.ca_file().display(),
        started.control,
    );
    let join = join_string
        .as_ref()
        .map_or_else(String::new, |text| format!("A join string:\n{text}\n\n"));
    let greeting = format!(
        "services   {service}\n\
         proxy      {proxy}\n\
         trust      {file}\n\
         control    {control}\n\n\
         {join}Unchanged clients:\n\
         HTTPS_PROXY={proxy} SSL_CERT_FILE={file} COMMAND\n"
    );
    let ready = json!({
        "service_endpoint": service,
        "control": control.to_string(),
        "proxy": proxy,
        "ca_file": simulator.ca_file(),
        "join_string": join_string,
        "process": std::process::id(),
    });
    serve::until_interrupted(&started, &greeting, scripted.ready_file.as_deref(), &ready).await
}

/// A script that ships by its name, else a file or directory.
fn read(name: &str) -> Result<Script, CommandError> {
    let script = Script::shipped(name).unwrap_or_else(|| Script::read(Path::new(name)));
    script.map_err(|error| {
        let known = Script::shipped_names().collect::<Vec<_>>().join(", ");
        with_causes(&error).with_hint(format!(
            "scripts that ship: {known}; simulator/README.md describes every key of one"
        ))
    })
}
