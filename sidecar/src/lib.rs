//! The sidecar of a cluster's agents: polls a cloud and keeps join files and running agents up to date.
//!
//! Polling is [`cloud_autojoin::watch`]; this crate acts on its results. A configuration is read
//! ([`ConfigSource`]) and checked ([`ConfigSource::check`]), then [`run`] runs it until shutdown, or
//! [`run_once`] writes its files once. `daemon.rs` starts a `keeper.rs` for each watch, which writes
//! files (`output`), joins agents (`agent`) and runs commands (`on_change.rs`). `board.rs` holds the
//! state of all of them; `admin` and `systemd.rs` report it.
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

mod admin;
mod agent;
mod board;
mod config;
mod daemon;
mod failure;
mod hook_log;
mod keeper;
mod log;
mod on_change;
mod once;
mod output;
mod systemd;

pub use config::{AGENT_KINDS, CheckDepth, CheckedConfig, Config, ConfigSource, DEFAULT_LISTEN, FILE_KINDS};
pub use daemon::{ReloadSource, run};
pub use failure::Failure;
pub use once::{OnceError, run_once};
