//! The error for an answer without addresses, which says what was looked at instead.

use std::borrow::Cow;
use std::fmt;

use crate::discovery::Discovery;

/// Everything was asked and answered, and no address came of it.
///
/// Its message says what was looked at, how much of it, and why it was left out;
/// [`NothingMatched::discovery`] has it all.
#[derive(Debug)]
pub struct NothingMatched {
    discovery: Discovery,
}

impl NothingMatched {
    /// The error for `discovery`, which has no address.
    pub fn new(discovery: Discovery) -> Self {
        Self { discovery }
    }

    /// The provider that was asked.
    pub fn provider(&self) -> &str {
        self.discovery.provider()
    }

    /// What was looked at.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The likely cause's remedy.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        self.discovery.hint().map(Cow::Borrowed)
    }
}

impl fmt::Display for NothingMatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no address found for {}: {}",
            self.discovery.subject(),
            self.discovery.summary()
        )
    }
}

impl std::error::Error for NothingMatched {}
