//! The flags of `discover watch`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cloud_autojoin_sidecar::DEFAULT_LISTEN;

use super::go::whole_number;

const AFTER: &str = "\
With flags one join string is watched; a configuration file has any number of them, and every setting. Files are written when the addresses change, and only then; running agents are told through their API; a command is run.

Kinds of files: consul, nomad-server, nomad-client, vault (HCL or JSON, by the ending of the path), lines, file_sd, template. Kinds of agents: consul, nomad-server, nomad-client.

Examples:
  discover watch --file consul:/etc/consul.d/join.hcl --agent consul --min 3 @/etc/discover/consul
  discover watch --once --file nomad-server:/etc/nomad.d/join.hcl @/etc/discover/nomad
  discover watch --check --config /etc/discover/watch.toml

Files: those of the configuration, the join strings, templates and tokens that it names, and the last good answer of each watch in the state directory.

Signals: SIGHUP reads the configuration and what it names again, and asks the cloud at once. SIGTERM and SIGINT end it: no file is left half written.

Exit status: 0 ended as asked (--once: all files are up to date; --check: nothing is wrong), 1 failed, 2 wrong usage, 3 asked once and nothing matched.";

/// `discover watch`
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Watch {
    /// The join string: KEY=VALUE ..., or @FILE
    #[arg(value_name = "KEY=VALUE|@FILE", conflicts_with = "config")]
    pub(crate) words: Vec<OsString>,

    /// Read everything from this TOML file, again at each SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Keep this file up to date, as consul:/etc/consul.d/join.hcl; may be repeated
    #[arg(long, value_name = "KIND:PATH", conflicts_with = "config")]
    pub(crate) file: Vec<String>,

    /// The template of the files of kind template and vault
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) template: Option<PathBuf>,

    /// The port that is written with addresses that have none of their own
    #[arg(long, value_name = "PORT", conflicts_with = "config")]
    pub(crate) port: Option<u16>,

    /// Tell this agent of new peers, as consul or consul:http://127.0.0.1:8500; may be repeated
    #[arg(long, value_name = "KIND[:URL]", conflicts_with = "config")]
    pub(crate) agent: Vec<String>,

    /// The file with the ACL token of the agents
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) token_file: Option<PathBuf>,

    /// Run this when the addresses change: words, split at blanks, without a shell; may be repeated
    #[arg(long, value_name = "COMMAND", conflicts_with = "config")]
    pub(crate) on_change: Vec<String>,

    /// Time between two questions [default: 30s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) interval: Option<String>,

    /// Give up a question after this time [default: 60s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) timeout: Option<String>,

    /// Hold back answers with fewer addresses [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = whole_number(1_u32, 100_000), conflicts_with = "config")]
    pub(crate) min: Option<u32>,

    /// Hold back a changed answer until it was seen unchanged for so long [default: 0s]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) stable_for: Option<String>,

    /// Let at most so many percent of the addresses go at once, the others after five minutes
    /// [default: 40]
    #[arg(long, value_name = "PERCENT", value_parser = whole_number(0_u8, 100), conflicts_with = "config")]
    pub(crate) max_shrink: Option<u8>,

    /// Keep the last good answer in this directory [default: the unit's StateDirectory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "config")]
    pub(crate) state_directory: Option<PathBuf>,

    /// Keep results in this directory for `discover addrs --max-age`
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "config", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cache_directory: Option<PathBuf>,

    /// Warn loudly when the last good answer that is used is older than this [default: 24h]
    #[arg(long, value_name = "DURATION", conflicts_with = "config")]
    pub(crate) restore_max_age: Option<String>,

    /// Serve status, health and metrics here; none for nowhere
    #[arg(long, value_name = "ADDRESS:PORT", default_value = DEFAULT_LISTEN, conflicts_with = "config")]
    pub(crate) listen: String,

    /// Write the files once and end: for an ExecStartPre
    #[arg(long)]
    pub(crate) once: bool,

    /// Judge the configuration without asking anybody, and print everything that is wrong with it
    #[arg(long, conflicts_with = "once")]
    pub(crate) check: bool,

    /// What the log on standard error looks like
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log: LogFormat,
}

/// What the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people, with the time unless the journal adds it
    Text,
    /// One JSON object a line
    Json,
}
