//! What went wrong in a part of the sidecar, in words, with what to do about it.

use std::fmt;

use cloud_autojoin::atomic_file::WriteError;

/// A failure of an output, an agent or a command. It never ends the sidecar: it is logged, counted, shown on the status page, and tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure, as ``cannot write /etc/consul.d/join.hcl: no space left on device``.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self { message: error.to_string(), hint: error.hint() }
    }
}

/// The first line of what an agent or a command says, without what a terminal would act on. Agents repeat addresses and reasons here, never tokens.
pub(crate) fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|letter| !crate::output::is_obeyed(*letter)).take(300).collect()
}
