//! What every simulated service shares: endpoints, TLS, the forward proxy, faults, latency and the
//! record of requests. It is independent of any cloud: `service.rs` is the interface to one.

mod body;
pub(crate) mod builder;
pub(crate) mod clock;
mod compress;
mod endpoint;
pub(crate) mod exchange;
pub(crate) mod fault;
mod key_file;
pub(crate) mod message;
mod proxy;
pub(crate) mod record;
pub(crate) mod service;
pub(crate) mod simulator;
mod socket;
pub(crate) mod state;
#[cfg(test)]
mod testing;
mod tls;

pub use builder::{SimulatorBuilder, StartError};
pub use fault::{Fault, FaultAction, FaultBody, FaultError, RetryAfter, parse_duration};
pub use message::{Handled, Reply, Request};
pub use record::SeenRequest;
pub use service::{Endpoint, FaultContext, Operation, Scheme, Service};
pub use simulator::Simulator;
