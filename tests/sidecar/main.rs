//! The sidecar `discover watch` from outside: the real binary, its files, its status page, and the
//! agents beside it.
//!
//! One file a topic; `harness.rs` starts it. The cloud is the simulator.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, which print what they skip and measure"
)]

mod agents;
mod daemon;
mod faults;
mod gossip;
mod growth;
mod harness;
mod joins;
mod kill;
mod log;
mod on_change;
