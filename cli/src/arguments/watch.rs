//! The flags of `discover watch`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use cloud_autojoin_sidecar::DEFAULT_LISTEN;

use super::go::whole_number;

const AFTER: &str = "\
Flags configure one watch; a configuration file has any number of watches, and every setting. When the addresses change, and only then, files are written, running agents join new peers through their API, and commands are run.

Kinds of files: consul, nomad-server, nomad-client, vault (HCL or JSON, by the extension of the path), lines, file_sd, template. Kinds of agents: consul, nomad-server, nomad-client.

Examples:
  discover watch --file consul:/etc/consul.d/join.hcl --agent consul --min 3 @/etc/discover/consul
  discover watch --once --file nomad-server:/etc/nomad.d/join.hcl @/etc/discover/nomad
  discover watch --check --config /etc/discover/watch.toml

Files: the files of the configuration, the join strings, templates and tokens that it names, and the last good result of each watch in the state directory.

Signals: SIGHUP reloads the configuration and the files that it names, and polls at once. SIGTERM and SIGINT end it; no file is left half written.

Exit status: 0 ended by a signal (--once: all files are up to date; --check: no problem found), 1 failed, 2 invalid usage, 3 --once and nothing matched.";

/// `discover watch`
#[derive(Debug, Args)]
#[command(after_help = AFTER, group(ArgGroup::new("table").args(["config", "shared"])))]
pub(crate) struct Watch {
    /// The join string: KEY=VALUE ..., or @FILE
    #[arg(value_name = "KEY=VALUE|@FILE", conflicts_with = "config")]
    pub(crate) words: Vec<OsString>,

    /// Read the configuration from this TOML file, and reload it at SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Keep this file up to date, as consul:/etc/consul.d/join.hcl; may be repeated
    #[arg(long, value_name = "KIND:PATH", conflicts_with = "config")]
    pub(crate) file: Vec<String>,

    /// The template of files of the kinds template and vault
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) template: Option<PathBuf>,

    /// The port to write with addresses that have none
    #[arg(long, value_name = "PORT", conflicts_with = "config")]
    pub(crate) port: Option<u16>,

    /// Let this agent join new peers, as consul or consul:http://127.0.0.1:8500; may be repeated
    #[arg(long, value_name = "KIND[:URL]", conflicts_with = "config")]
    pub(crate) agent: Vec<String>,

    /// The file that holds the ACL token of the agents
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) token_file: Option<PathBuf>,

    /// Run this command when the addresses change, split at spaces, without a shell; may be
    /// repeated
    #[arg(long, value_name = "COMMAND", conflicts_with = "config")]
    pub(crate) on_change: Vec<String>,

    /// Time between two polls [default: 30s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) interval: Option<String>,

    /// Time limit of one poll [default: 60s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) timeout: Option<String>,

    /// Hold back results with fewer addresses [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = whole_number(1_u32, 100_000), conflicts_with = "config")]
    pub(crate) min: Option<u32>,

    /// Hold back a changed result until it has been stable for this time [default: 0s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) stable_for: Option<String>,

    /// Remove at most this percentage of the addresses at once, and the rest after five minutes
    /// [default: 40]
    #[arg(long, value_name = "PERCENT", value_parser = whole_number(0_u8, 100), conflicts_with = "config")]
    pub(crate) max_shrink: Option<u8>,

    /// Keep the last good result in this directory [default: the unit's StateDirectory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "config")]
    pub(crate) state_directory: Option<PathBuf>,

    /// Keep results in this directory for `discover addrs --max-age`
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "config", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cache_directory: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) shared: super::Shared,

    /// Log an error when a restored last good result is older than this [default: 24h]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) restore_max_age: Option<String>,

    /// Serve status, health and metrics at this address; none to disable
    #[arg(long, value_name = "ADDRESS:PORT", default_value = DEFAULT_LISTEN, conflicts_with = "config")]
    pub(crate) listen: String,

    /// Write the files once and exit, as for ExecStartPre
    #[arg(long)]
    pub(crate) once: bool,

    /// Check the configuration without network access, and print all problems
    #[arg(long, conflicts_with = "once")]
    pub(crate) check: bool,

    /// The format of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log: LogFormat,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Human-readable lines, with the time unless the journal adds it
    Text,
    /// One JSON object per line
    Json,
}
