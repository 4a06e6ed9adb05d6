//! `discover-sim add`, `remove`, `replace` and `fault`: they change a simulator that runs.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::control::{self, Change, VARIABLE};
use crate::CommandError;

/// The simulator to change.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// The control address of the simulator [default: DISCOVER_SIM_CONTROL, which `run` sets for
    /// its command]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = control::parse_address)]
    control: Option<SocketAddr>,
}

impl Running {
    /// Sends `change` and prints the reply.
    async fn apply(self, change: Change) -> Result<ExitCode, CommandError> {
        let reply = control::send(self.address()?, &change).await?;
        // A closed pipe is no failure: the change was applied.
        let _ = std::io::stdout().write_all(reply.as_bytes());
        Ok(ExitCode::SUCCESS)
    }

    fn address(&self) -> Result<SocketAddr, CommandError> {
        if let Some(address) = self.control {
            return Ok(address);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this program has no `Env`: it knows no production crate"
        )]
        let text = std::env::var(VARIABLE).map_err(|_| {
            CommandError::from("it isn't known which simulator to change").with_hint(format!(
                "name its control address: `--control 127.0.0.1:PORT` or {VARIABLE}"
            ))
        })?;
        control::parse_address(&text).map_err(|problem| format!("{VARIABLE} {problem}").into())
    }
}

/// Changes of a running simulator.
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// Adds an instance to a scale set of a running simulator and prints its name
    ///
    /// In a Uniform set, its number.
    Add {
        /// The scale set
        scale_set: String,
        #[command(flatten)]
        running: Running,
    },
    /// Removes an instance from a scale set of a running simulator
    ///
    /// With its interfaces.
    Remove {
        /// The scale set
        scale_set: String,
        /// The name of the virtual machine (Flexible) or the number of the instance (Uniform)
        instance: String,
        #[command(flatten)]
        running: Running,
    },
    /// Replaces an instance of a scale set of a running simulator and prints the new one's name
    ///
    /// In a Uniform set, its number.
    Replace {
        /// The scale set
        scale_set: String,
        /// The name of the virtual machine (Flexible) or the number of the instance (Uniform)
        instance: String,
        #[command(flatten)]
        running: Running,
    },
    /// Adds a fault to a running simulator, or ends all faults
    ///
    /// It comes after those in force.
    Fault {
        /// The fault, as `run --fault` takes it: `status=429,retry-after=2,times=1`
        #[arg(
            value_name = "KEY=VALUE,...",
            required_unless_present = "clear",
            conflicts_with = "clear"
        )]
        fault: Option<String>,
        /// Remove all faults, including those of the world
        #[arg(long)]
        clear: bool,
        #[command(flatten)]
        running: Running,
    },
}

impl ChangeCommand {
    /// Sends the change and prints the reply.
    pub(crate) async fn run(self) -> Result<ExitCode, CommandError> {
        let (running, change) = match self {
            Self::Add { scale_set, running } => (running, Change::Add { scale_set }),
            Self::Remove {
                scale_set,
                instance,
                running,
            } => (
                running,
                Change::Remove {
                    scale_set,
                    instance,
                },
            ),
            Self::Replace {
                scale_set,
                instance,
                running,
            } => (
                running,
                Change::Replace {
                    scale_set,
                    instance,
                },
            ),
            Self::Fault { fault, running, .. } => (
                running,
                fault.map_or(Change::ClearFaults {}, |fault| Change::Fault { fault }),
            ),
        };
        running.apply(change).await
    }
}
