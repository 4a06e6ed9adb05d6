//! Consul's `retry_join` in a separate file beside the agent's configuration: Consul merges the
//! lists of several files.
//!
//! An agent reads it at its start only; `agent/consul.rs` joins a running one.

use super::retry_join::{self, Syntax};
use crate::failure::Failure;

/// The port of Consul's LAN gossip.
pub(crate) const PORT: u16 = 8301;

const PATH: &[&str] = &["retry_join"];

pub(super) fn render(syntax: Syntax, addresses: &[String]) -> Result<String, Failure> {
    retry_join::render(syntax, PATH, addresses)
}

pub(super) fn verify(syntax: Syntax, addresses: &[String], text: &str) -> Result<(), Failure> {
    retry_join::verify(syntax, PATH, addresses, text)
}
