//! What `run` and `serve` have in common: the world, the endpoints, latency and faults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultError, Simulator};
use cloud_autojoin_simulator::engine::parse_duration;

use super::control::{self, Change};
use crate::Failure;

/// The pretend cloud.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A world that comes with the program (see `worlds`), or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "nomad-consul")]
    world: String,
    /// How long every answer takes, such as `50ms`
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = parse_duration)]
    latency: Duration,
    /// Breaks answers, such as `status=429,retry-after=2,times=1` or `hang,operation=token`; may be given again
    ///
    /// Keys: action (status, hang, reset, cut-body, cut-chunked-body, cut-json, redirect, next-link, next-link-loop, unauthorized, delay, not-found), operation,
    /// endpoint (arm, authority, metadata, proxy), path-contains, skip, times, status, retry-after (seconds, or `date:SECONDS`), body (json, html, empty,
    /// text:...), to, delay.
    #[arg(long = "fault", value_name = "KEY=VALUE,...", verbatim_doc_comment)]
    faults: Vec<Fault>,
    /// The port of ARM; the system chooses unless told, here and below
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    arm_port: u16,
    /// The port of Entra ID
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    authority_port: u16,
    /// The port of instance metadata
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    metadata_port: u16,
    /// The port of the forward proxy
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    proxy_port: u16,
    /// Keep the certificate authority here, for the next start too: `ca.pem` to trust, `ca.key` its key [default: a temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Take changes (`add`, `remove`, `replace`, `fault`) at this loopback address; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = control::parse_address)]
    control: SocketAddr,
}

/// A simulator, and where changes are taken.
pub(crate) struct Started {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) control: SocketAddr,
}

impl Options {
    /// Opens all endpoints and the control address.
    pub(crate) async fn start(self) -> Result<Started, Failure> {
        let world = read_world(&self.world)?;
        let mut builder = Simulator::builder(world)
            .latency(self.latency)
            .port(Endpoint::Arm, self.arm_port)
            .port(Endpoint::Authority, self.authority_port)
            .port(Endpoint::Metadata, self.metadata_port)
            .port(Endpoint::Proxy, self.proxy_port);
        if let Some(directory) = self.directory {
            // Commands may run in another directory.
            let directory = std::path::absolute(&directory).unwrap_or(directory);
            builder = builder.directory(directory);
        }
        for fault in self.faults {
            builder = builder.fault(fault);
        }
        let simulator = Arc::new(builder.start().await.map_err(|error| with_causes(&error))?);
        // The files of the simulator go with its last owner, which is not the control address.
        let changed = Arc::downgrade(&simulator);
        let apply = move |change| changed.upgrade().map_or_else(|| Err("the simulator ends".to_owned()), |simulator| apply(&simulator, change));
        let control = control::open(self.control, apply).await?;
        Ok(Started { simulator, control })
    }
}

/// Applies a change; returns the text to print.
fn apply(simulator: &Simulator, change: Change) -> Result<String, String> {
    let (name, changed) = match change {
        Change::Add { scale_set } => (true, simulator.with_world(|world| world.add_instance(&scale_set))),
        Change::Replace { scale_set, instance } => (true, simulator.with_world(|world| world.replace_instance(&scale_set, &instance))),
        Change::Remove { scale_set, instance } => (false, simulator.with_world(|world| world.remove_instance(&scale_set, &instance)).map(|()| instance)),
        Change::Fault { fault } => {
            simulator.add_fault(fault.parse().map_err(|error: FaultError| error.to_string())?);
            return Ok(String::new());
        }
        Change::ClearFaults {} => {
            simulator.clear_faults();
            return Ok(String::new());
        }
    };
    let instance = changed.map_err(|error| error.to_string())?;
    Ok(if name { format!("{instance}\n") } else { String::new() })
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> Failure {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")).into()
}

/// A shipped world by its name, else a file.
fn read_world(name: &str) -> Result<World, Failure> {
    const HINT: &str = "`discover-sim worlds` lists the worlds that ship; a file needs a `/` or a `.` in its name";
    if World::shipped_names().any(|known| known == name) {
        return World::shipped(name).map_err(|error| error.to_string().into());
    }
    if !name.contains(['/', '.']) && !Path::new(name).exists() {
        return World::shipped(name).map_err(|error| Failure::from(error.to_string()).with_hint(HINT));
    }
    let text = std::fs::read_to_string(name).map_err(|error| Failure::from(format!("cannot read the world `{name}`: {error}")).with_hint(HINT))?;
    World::from_toml(&text).map_err(|error| Failure::from(format!("{name}: {error}")).with_hint("simulator/README.md describes every key of a world file"))
}
