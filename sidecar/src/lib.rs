//! The sidecar of a cluster's agents: polls a cloud and keeps join files and running agents up to
//! date.
//!
//! Polling is [`cloud_autojoin::watch`]; this crate acts on its results. A configuration is read
//! ([`ConfigSource`]) and checked ([`ConfigSource::check`]), then [`run`] runs it until shutdown,
//! or [`run_once`] writes its files once. `daemon.rs` starts a `runner.rs` for each watch, which
//! writes files (`output`), joins agents (`agent`) and runs commands (`on_change.rs`). `status.rs`
//! holds the state of all of them; `server` and `systemd.rs` report it.
//!
//! The caller owns the listening socket and the signals:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cloud_autojoin::Context;
//! use cloud_autojoin_sidecar::{CheckDepth, ConfigSource};
//!
//! let context = Context::from_process()?;
//! let problems = |problems: Vec<cloud_autojoin::ConfigProblem>| format!("{problems:?}");
//! let source = ConfigSource::read("watch.toml".as_ref()).await.map_err(problems)?;
//! let config = source.check(CheckDepth::Text, &context).await.map_err(problems)?.config;
//! let listener = config.bind().await?;
//! let shutdown = async { _ = tokio::signal::ctrl_c().await };
//! cloud_autojoin_sidecar::run(config, listener, (), shutdown).await?;
//! # Ok(())
//! # }
//! ```

#![cfg(unix)]

mod agent;
mod config;
mod event_log;
mod failure;
mod hook_log;
mod join_order;
mod on_change;
mod once;
mod output;
mod runner;
mod status;
mod status_server;
mod supervisor;
mod systemd;

pub use config::{
    AGENT_KINDS, CheckDepth, CheckedConfig, Config, ConfigSource, DEFAULT_LISTEN, FILE_KINDS,
};
pub use failure::Failure;
pub use once::{OnceError, run_once};
pub use supervisor::{ReloadSource, run};
