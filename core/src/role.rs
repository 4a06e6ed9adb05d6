//! The least-privilege role that a join string needs, as a document.

use crate::config::ConfigString;
use crate::context::Context;
use crate::error::Result;

/// The format of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleFormat {
    /// The format of the cloud's own command line, such as JSON.
    Native,
    /// Terraform, in HCL.
    Terraform,
}

/// A role as text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleDocument {
    /// The document, with a final newline.
    pub text: String,
    /// Notes for its user, such as placeholders to fill in: sentences without a full stop.
    pub notes: Vec<String>,
}

impl RoleDocument {
    /// A document without notes.
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

/// Writes the least-privilege role that a join string needs. Sends nothing.
///
/// # Errors
///
/// [`Error::Config`](crate::Error::Config) as the provider's `build`.
pub type WriteRole = fn(&ConfigString, &Context, RoleFormat) -> Result<RoleDocument>;

/// What go-discover would do with a join string, in sentences without a full stop; empty: the same.
pub type CompareWithGoDiscover = fn(&ConfigString, &Context) -> Vec<String>;
