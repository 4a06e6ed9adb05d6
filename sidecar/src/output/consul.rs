//! Consul's `retry_join`, as a file of its own beside the agent's configuration: Consul puts the lists of several files together.
//!
//! It is read at the agent's start only; a running agent is told by `agent/consul.rs`.

use super::retry_join::{self, Syntax};
use crate::failure::Failure;

/// Consul's LAN gossip.
pub(crate) const PORT: u16 = 8301;

const PATH: &[&str] = &["retry_join"];

pub(super) fn render(syntax: Syntax, addresses: &[String]) -> Result<String, Failure> {
    retry_join::render(syntax, PATH, addresses)
}

pub(super) fn verify(syntax: Syntax, addresses: &[String], text: &str) -> Result<(), Failure> {
    retry_join::verify(syntax, PATH, addresses, text)
}
