//! Errors, by what the operator has to do.
//!
//! Each variant's payload is in its own file. `Display` prints one level only, `source()` returns
//! the next, and the caller joins them.

use std::borrow::Cow;
use std::time::Duration;

mod api;
mod config;
mod credential;
mod nothing;
mod transport;

pub use api::{ApiError, DecodeError};
pub use config::{ConfigError, ConfigProblem};
pub use credential::{CredentialError, SourceOutcome, SourceReport};
pub use nothing::NothingMatched;
pub use transport::{TransportError, TransportFailure};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call gave no addresses.
///
/// The variant determines what to do next: correct the string; correct the identity; retry, or
/// check the network; read the cloud's message; report a bug; check what was found instead.
/// Payloads are boxed, so an `Error` is two words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The join string or the environment is invalid; nothing was sent.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// There is no credential, or the configured one was rejected.
    #[error(transparent)]
    Credential(Box<CredentialError>),
    /// No complete response: connection, TLS, deadline, a truncated body, a cross-origin link.
    #[error(transparent)]
    Transport(Box<TransportError>),
    /// The cloud returned an error.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The cloud's response isn't as documented.
    #[error(transparent)]
    Decode(Box<DecodeError>),
    /// The discovery succeeded and found no address.
    #[error(transparent)]
    NothingMatched(Box<NothingMatched>),
}

impl Error {
    /// The name of the provider the error belongs to, if one was already selected.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Config(error) => error.provider(),
            Self::Credential(error) => Some(error.provider()),
            Self::Transport(error) => error.provider(),
            Self::Api(error) => Some(error.provider()),
            Self::Decode(error) => Some(error.provider()),
            Self::NothingMatched(error) => Some(error.provider()),
        }
    }

    /// Whether the same call may succeed later: throttling, outages, lost connections, permissions
    /// that aren't effective yet.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Config(_) | Self::Decode(_) => false,
            Self::Credential(error) => error.is_transient(),
            Self::Transport(error) => error.is_transient(),
            Self::Api(error) => error.is_transient(),
            Self::NothingMatched(_) => true,
        }
    }

    /// The wait that the cloud requests before the next call, if any.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(error) => error.retry_after(),
            Self::Credential(error) => error.retry_after(),
            Self::Config(_) | Self::Transport(_) | Self::Decode(_) | Self::NothingMatched(_) => {
                None
            }
        }
    }

    /// The error and its causes on one line, outermost first, without the hint. A cause that
    /// repeats the end of the text is omitted.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let words = next.to_string();
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            cause = next.source();
        }
        text
    }

    /// The same error with another hint. [`Error::Config`] and [`Error::NothingMatched`] keep
    /// theirs, which belong to single problems and to the result.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Credential(error) => error.with_hint(hint).into(),
            Self::Transport(error) => error.with_hint(hint).into(),
            Self::Api(error) => error.with_hint(hint).into(),
            Self::Decode(error) => error.with_hint(hint).into(),
            Self::Config(_) | Self::NothingMatched(_) => self,
        }
    }

    /// What to do next, in one sentence without a full stop; printed on a separate `hint:` line.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Credential(error) => error.hint(),
            Self::Transport(error) => error.hint(),
            Self::Api(error) => error.hint(),
            Self::Decode(error) => Some(error.hint()),
            Self::NothingMatched(error) => error.hint(),
        }
    }
}

macro_rules! from_payload {
    ($($payload:ident => $variant:ident),+ $(,)?) => {$(
        impl From<$payload> for Error {
            fn from(error: $payload) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )+};
}

from_payload! {
    ConfigError => Config,
    CredentialError => Credential,
    TransportError => Transport,
    ApiError => Api,
    DecodeError => Decode,
    NothingMatched => NothingMatched,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_replaced_where_there_is_one_alone() {
        let refused = Error::from(ApiError::new("example", "list servers", 403));
        assert_eq!(refused.with_hint("ask").hint().as_deref(), Some("ask"));
        let problem = ConfigProblem::of_key("tag", "`tag` is missing").with_hint("add `tag=...`");
        let invalid = Error::from(ConfigError::new(None, problem)).with_hint("ask");
        assert_eq!(invalid.hint().as_deref(), Some("add `tag=...`"));
    }

    #[test]
    fn an_error_is_two_words() {
        assert!(size_of::<Error>() <= 16);
    }
}
