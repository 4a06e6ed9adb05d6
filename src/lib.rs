//! From a cloud auto-join string to the addresses of a cluster's first members.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloud_autojoin::Error> {
//! let addresses = cloud_autojoin::discover("provider=srv service=consul domain=cluster.example").await?;
//! for address in addresses {
//!     println!("{address}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`discover`] uses this process' environment and network and a deadline of one minute, and
//! returns at least one address or an error with a hint. To replace any of its steps, call them
//! separately:
//!
//! 1. a [`ConfigString`] is parsed from the join string, by go-discover's grammar;
//! 2. the [`Registry`] finds the provider and builds it in a [`Context`] (HTTP, environment,
//!    clock), which checks the whole string and sends nothing;
//! 3. [`Provider::discover`] sends the requests, within a [`Call`] that has the deadline and
//!    records each request;
//! 4. the [`Discovery`] has the addresses, and every excluded resource with the reason.
//!
//! Several join strings make one list of addresses with [`sources`].
//!
//! For a long-running program, [`watch`] polls within a request budget and reports changes.
//!
//! Each provider is a cargo feature; all are enabled by default. [`Registry::with`] adds a provider
//! from outside this workspace; see `examples/custom_provider.rs`.

use std::time::Duration;

pub mod atomic_file;
#[cfg(unix)]
pub mod cache;
pub mod escape;
pub mod join_string;
mod registry;
mod result_file;
#[cfg(all(feature = "shared", unix))]
pub mod shared;
pub mod sources;
pub mod watch;

pub use cloud_autojoin_core::*;
pub use registry::{Registry, UnknownKey};
pub use watch::Watch;

/// The deadline of [`discover`], for agents that don't set their own.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Resolves a join string to addresses: at least one, sorted (IPv4, IPv6, names; each by value),
/// without duplicates.
///
/// Uses this process' environment variables, proxies and CA certificates, and takes at most
/// [`DEFAULT_TIMEOUT`].
///
/// # Errors
///
/// Every variant of [`Error`]; nothing matched is [`Error::NothingMatched`], never an empty list.
pub async fn discover(join_string: &str) -> Result<Vec<Address>> {
    let registry = Registry::compiled_in();
    let config = registry.parse(join_string)?;
    let context = Context::from_process()?;
    let provider = registry.build(&config, &context)?;
    provider
        .discover(&Call::new(context.clock(), DEFAULT_TIMEOUT))
        .await?
        .require_addresses()
}
