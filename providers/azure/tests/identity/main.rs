//! Every identity by its real wire format, against a pretended Entra, metadata service and ARM in
//! one server on loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod chain;
mod client_secret;
mod clouds;
mod command_lines;
mod environment;
mod late_metadata;
mod managed_identity;
mod simulated;
mod stage;
mod workload_identity;
