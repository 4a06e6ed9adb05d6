//! The options of the subcommands that start a simulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{self, Azure, Endpoint};
use cloud_autojoin_simulator::engine::{
    self, FaultError, Service, Simulator, SimulatorBuilder, parse_duration,
};

use super::control::{self, Change};
use crate::CommandError;

/// The options of every simulator.
#[derive(Debug, Args)]
pub(crate) struct Shared {
    /// The latency of every response, such as `50ms`
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = parse_duration)]
    latency: Duration,
    /// The port of the forward proxy; by default the system chooses
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    proxy_port: u16,
    /// Keep the certificate authority here, for the next start too: `ca.pem` to trust, `ca.key` its
    /// key [default: a temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Take changes (`add`, `remove`, `replace`, `fault`) at this loopback address; port 0 lets the
    /// system choose
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = control::parse_address)]
    control: SocketAddr,
}

/// A simulator and its control address.
pub(crate) struct Started<S: Service> {
    pub(crate) simulator: Arc<Simulator<S>>,
    pub(crate) control: SocketAddr,
}

impl Shared {
    /// Opens all endpoints and the control address, whose changes `apply` applies.
    pub(crate) async fn start<S: Service>(
        self,
        builder: SimulatorBuilder<S>,
        apply: fn(&Simulator<S>, Change) -> Result<String, String>,
    ) -> Result<Started<S>, CommandError> {
        let proxy = <S::Endpoint as engine::Endpoint>::PROXY;
        let mut builder = builder.latency(self.latency).port(proxy, self.proxy_port);
        if let Some(directory) = self.directory {
            // The command may run in another directory.
            let directory = std::path::absolute(&directory).unwrap_or(directory);
            builder = builder.directory(directory);
        }
        let simulator = Arc::new(builder.start().await.map_err(|error| with_causes(&error))?);
        // The files of the simulator are deleted with its last reference, which the control address
        // isn't.
        let changed = Arc::downgrade(&simulator);
        let apply = move |change| {
            changed.upgrade().map_or_else(
                || Err("the simulator ends".to_owned()),
                |simulator| apply(&simulator, change),
            )
        };
        let control = control::open(self.control, apply).await?;
        Ok(Started { simulator, control })
    }
}

/// Adds the fault, or ends all; other changes are those of a cloud with scale sets.
pub(crate) fn apply_fault<S: Service>(
    simulator: &Simulator<S>,
    change: Change,
) -> Result<String, String> {
    match change {
        Change::Fault { fault } => simulator.add_fault(
            fault
                .parse()
                .map_err(|error: FaultError| error.to_string())?,
        ),
        Change::ClearFaults {} => simulator.clear_faults(),
        Change::Add { .. } | Change::Remove { .. } | Change::Replace { .. } => {
            return Err(
                "a scripted service has no scale sets: only faults can change it".to_owned(),
            );
        }
    }
    Ok(String::new())
}

/// The simulated Azure.
#[derive(Debug, Args)]
pub(crate) struct SimulatorOptions {
    /// A world that comes with the program (see `worlds`), or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "nomad-consul")]
    world: String,
    /// Injects a fault, such as `status=429,retry-after=2,times=1` or `hang,operation=token`; may
    /// be repeated
    ///
    /// Keys: action (status, hang, reset, cut-body, cut-chunked-body, cut-json, redirect,
    /// next-link, next-link-loop, unauthorized, delay, not-found), operation, endpoint (arm,
    /// authority, metadata, proxy), path-contains, skip, times, status, retry-after (seconds, or
    /// `date:SECONDS`), body (json, html, empty, text:...), to, delay.
    #[arg(long = "fault", value_name = "KEY=VALUE,...", verbatim_doc_comment)]
    faults: Vec<azure::Fault>,
    /// The port of ARM; by default the system chooses, here and below
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    arm_port: u16,
    /// The port of Entra ID
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    authority_port: u16,
    /// The port of instance metadata
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    metadata_port: u16,
    #[command(flatten)]
    shared: Shared,
}

impl SimulatorOptions {
    /// Opens all endpoints and the control address.
    pub(crate) async fn start(self) -> Result<Started<Azure>, CommandError> {
        let world = read_world(&self.world)?;
        let builder = azure::Simulator::builder(world)
            .port(Endpoint::Arm, self.arm_port)
            .port(Endpoint::Authority, self.authority_port)
            .port(Endpoint::Metadata, self.metadata_port);
        let builder = self
            .faults
            .into_iter()
            .fold(builder, SimulatorBuilder::fault);
        self.shared.start(builder, apply).await
    }
}

/// Applies a change; returns the text to print.
fn apply(simulator: &azure::Simulator, change: Change) -> Result<String, String> {
    let added = match change {
        Change::Add { scale_set } => simulator
            .with_world(|world| world.add_instance(&scale_set))
            .map(Some),
        Change::Replace {
            scale_set,
            instance,
        } => simulator
            .with_world(|world| world.replace_instance(&scale_set, &instance))
            .map(Some),
        Change::Remove {
            scale_set,
            instance,
        } => simulator
            .with_world(|world| world.remove_instance(&scale_set, &instance))
            .map(|()| None),
        change => return apply_fault(simulator, change),
    };
    let added = added.map_err(|error| error.to_string())?;
    Ok(added.map_or_else(String::new, |instance| format!("{instance}\n")))
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> CommandError {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        .into()
}

/// A shipped world by its name, else a file.
fn read_world(name: &str) -> Result<World, CommandError> {
    const HINT: &str =
        "`discover-sim worlds` lists the worlds that ship; a file needs a `/` or a `.` in its name";
    if World::shipped_names().any(|known| known == name) {
        return World::shipped(name).map_err(|error| error.to_string().into());
    }
    if !name.contains(['/', '.']) && !Path::new(name).exists() {
        return World::shipped(name)
            .map_err(|error| CommandError::from(error.to_string()).with_hint(HINT));
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        CommandError::from(format!("cannot read the world `{name}`: {error}")).with_hint(HINT)
    })?;
    World::from_toml(&text).map_err(|error| {
        CommandError::from(format!("{name}: {error}"))
            .with_hint("simulator/README.md describes every key of a world file")
    })
}
