//! The HTTP client over real sockets: what servers, networks and proxies do to a response, and that
//! a truncated response is never used.
//!
//! Waits are those of a leaping clock, so nothing waits in real time but for a silent server, and
//! that as long as the idle limit set here.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "http/connections.rs"]
mod connections;
#[path = "http/faults.rs"]
mod faults;
#[path = "http/proxy.rs"]
mod proxy;
#[path = "http/reuse.rs"]
mod reuse;
#[path = "http/server.rs"]
mod server;
#[path = "http/tls.rs"]
mod tls;
