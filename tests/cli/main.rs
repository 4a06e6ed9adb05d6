//! The command `discover` from outside: the whole of both outputs and the exit code.
//!
//! One file a topic. `../command.rs` runs the real binary; the cloud is the simulator.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../command.rs"]
mod command;

mod addrs;
mod bad_input;
mod cache;
mod check;
mod explain;
mod help;
mod interrupt;
mod refusals;
mod role;
mod shared;
mod sources;
mod usage;
