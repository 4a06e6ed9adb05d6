//! The error for a result without addresses.

use std::borrow::Cow;
use std::fmt;

use crate::discovery::Discovery;

/// The discovery succeeded and found no address.
///
/// Its message has what was examined and why it was excluded; [`NothingMatched::discovery`] has
/// the details.
#[derive(Debug)]
pub struct NothingMatched {
    discovery: Discovery,
}

impl NothingMatched {
    /// The error for `discovery`, which has no addresses.
    pub fn new(discovery: Discovery) -> Self {
        Self { discovery }
    }

    /// The provider.
    pub fn provider(&self) -> &str {
        self.discovery.provider()
    }

    /// The result without addresses.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// What to do about the likely cause.
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
