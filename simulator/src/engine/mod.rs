//! What every simulated service shares: endpoints, TLS, the forward proxy, faults, latency and the
//! record of requests.

mod body;
pub(crate) mod builder;
pub(crate) mod clock;
mod compress;
mod endpoint;
mod exchange;
pub(crate) mod fault;
mod key_file;
pub mod message;
mod proxy;
pub(crate) mod record;
pub(crate) mod simulator;
mod socket;
pub(crate) mod state;
mod tls;
