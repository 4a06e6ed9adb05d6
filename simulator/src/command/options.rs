//! What `run` and `serve` have in common: the world, the doors, latency and faults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cloud_autojoin_simulator::world::World;
use cloud_autojoin_simulator::{Door, Fault, Simulator, parse_duration};

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
    /// door (arm, authority, metadata, proxy), path-contains, skip, times, status, retry-after (seconds, or `date:SECONDS`), body (json, html, empty,
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
    /// Where to write `ca.pem`, the certificate to trust; a temporary directory unless told
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Options {
    /// Opens all doors.
    pub(crate) async fn start(self) -> Result<Simulator, Failure> {
        let world = read_world(&self.world)?;
        let mut builder = Simulator::builder(world)
            .latency(self.latency)
            .port(Door::Arm, self.arm_port)
            .port(Door::Authority, self.authority_port)
            .port(Door::Metadata, self.metadata_port)
            .port(Door::Proxy, self.proxy_port);
        if let Some(directory) = self.directory {
            // Commands may run in another directory.
            let directory = std::path::absolute(&directory).unwrap_or(directory);
            builder = builder.directory(directory);
        }
        for fault in self.faults {
            builder = builder.fault(fault);
        }
        builder.start().await.map_err(|error| with_causes(&error))
    }
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> Failure {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A shipped world by its name, else a file.
fn read_world(name: &str) -> Result<World, Failure> {
    if World::shipped_names().any(|known| known == name) {
        return World::shipped(name).map_err(|error| error.to_string());
    }
    if !name.contains(['/', '.']) && !Path::new(name).exists() {
        return World::shipped(name).map_err(|error| format!("{error}; and there is no such file"));
    }
    let text = std::fs::read_to_string(name).map_err(|error| format!("cannot read the world `{name}`: {error}"))?;
    World::from_toml(&text).map_err(|error| format!("{name}: {error}"))
}
