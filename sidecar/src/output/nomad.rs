//! Nomad's `server_join.retry_join`, for servers and for clients.
//!
//! Nomad merges the blocks of several files, and a later file's list replaces an earlier one's, so
//! this file should be the last with a list. It is read at the agent's start only; `agent/nomad.rs`
//! joins a running one.

use super::retry_join::{self, Syntax};
use crate::failure::Failure;

/// The port of the servers' gossip.
pub(crate) const SERVER_PORT: u16 = 4648;

/// The port for clients' RPC.
pub(crate) const CLIENT_PORT: u16 = 4647;

/// Which of Nomad's two roles the file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The servers' block.
    Server,
    /// The clients' block.
    Client,
}

impl Role {
    /// The reader's default port.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Server => SERVER_PORT,
            Self::Client => CLIENT_PORT,
        }
    }

    fn path(self) -> &'static [&'static str] {
        match self {
            Self::Server => &["server", "server_join", "retry_join"],
            Self::Client => &["client", "server_join", "retry_join"],
        }
    }
}

pub(super) fn render(role: Role, syntax: Syntax, addresses: &[String]) -> Result<String, Failure> {
    retry_join::render(syntax, role.path(), addresses)
}

pub(super) fn verify(
    role: Role,
    syntax: Syntax,
    addresses: &[String],
    text: &str,
) -> Result<(), Failure> {
    retry_join::verify(syntax, role.path(), addresses, text)
}
