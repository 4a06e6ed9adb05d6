//! What can go wrong, sorted by what the operator does next.
//!
//! Each variant's payload stands in its own file next door. One message per level: `Display` says
//! this level only, `source()` gives the next, and a printer joins them.

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

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call gave no addresses.
///
/// The variants answer "what do I do now?": correct the string; correct the identity; try again, or
/// look at the network; read what the cloud said; report a bug; look at what was found instead. The
/// payloads are boxed, so an `Error` is two words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The join string or the environment is wrong: nothing was sent.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// No credential could be had, or the one that is configured was refused.
    #[error(transparent)]
    Credential(Box<CredentialError>),
    /// No whole answer came: connection, TLS, deadline, a body cut short, a link to a foreign host.
    #[error(transparent)]
    Transport(Box<TransportError>),
    /// The cloud answered, and the answer is a refusal or a failure.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The cloud's answer is not what its documentation says.
    #[error(transparent)]
    Decode(Box<DecodeError>),
    /// Everything was asked and answered, and no address came of it.
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

    /// Whether the same call may well succeed later without anybody's help: throttling, outages,
    /// cut connections, rights that have not arrived yet.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Config(_) | Self::Decode(_) => false,
            Self::Credential(error) => error.is_transient(),
            Self::Transport(error) => error.is_transient(),
            Self::Api(error) => error.is_transient(),
            Self::NothingMatched(_) => true,
        }
    }

    /// How long the cloud asks callers to wait before they come back, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(error) => error.retry_after(),
            Self::Credential(error) => error.retry_after(),
            Self::Config(_) | Self::Transport(_) | Self::Decode(_) | Self::NothingMatched(_) => {
                None
            }
        }
    }

    /// The error and its causes on one line, outermost first, a cause that repeats the end of what
    /// is there left out. Without the hint.
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

    /// What to do next, in one sentence without a full stop; printed on a `hint:` line of its own.
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
    fn an_error_is_two_words() {
        assert!(size_of::<Error>() <= 16);
    }
}
