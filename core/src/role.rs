//! The least role that a join string needs, as a document for whoever grants it.

use crate::config::ConfigString;
use crate::context::Context;
use crate::error::Result;

/// What a role is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleFormat {
    /// What the cloud's own command line takes, such as JSON.
    Native,
    /// Terraform, in HCL.
    Terraform,
}

/// A role, written out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleDocument {
    /// The document, with its line end.
    pub text: String,
    /// What to know before it is used, as placeholders to be filled in: sentences without a full
    /// stop.
    pub notes: Vec<String>,
}

impl RoleDocument {
    /// A document about which nothing needs to be known.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            notes: Vec::new(),
        }
    }

    /// The same document with one more note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Writes the least role that a join string needs. Sends nothing.
///
/// # Errors
///
/// [`Error::Config`](crate::Error::Config) as the provider's `build`.
pub type WriteRole = fn(&ConfigString, &Context, RoleFormat) -> Result<RoleDocument>;

/// What go-discover would do with a join string, in sentences without a full stop; empty: the same.
pub type CompareWithGoDiscover = fn(&ConfigString, &Context) -> Vec<String>;
