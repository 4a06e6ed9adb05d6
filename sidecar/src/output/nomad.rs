//! Nomad's `server_join.retry_join`, for servers and for clients.
//!
//! Nomad puts the blocks of several files together; a later file's list takes the place of an earlier one's, so this file should be the last to name one. It is read at the
//! agent's start only; a running agent is told by `agent/nomad.rs`.

use super::retry_join::{self, Syntax};
use crate::failure::Failure;

/// The gossip of servers.
pub(crate) const SERVER_PORT: u16 = 4648;

/// The calls of clients.
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
    /// The port that the reader takes for an address without one.
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

pub(super) fn verify(role: Role, syntax: Syntax, addresses: &[String], text: &str) -> Result<(), Failure> {
    retry_join::verify(syntax, role.path(), addresses, text)
}
