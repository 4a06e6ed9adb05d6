//! Authorisation of requests.

use std::fmt;

use async_trait::async_trait;

use super::Request;
use crate::call::Call;
use crate::error::Result;

/// Adds credentials to a request: a bearer token, a key in a header, a signature.
///
/// It runs before every attempt, since a signature covers the time or a nonce and a token may have
/// been renewed while the client waited.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Authorises `request`. Requests it makes itself (for a token) are recorded in `call`.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](crate::Error::Credential) when there is no credential.
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()>;

    /// Drops the credential of `refused`, which the service rejected as expired. A credential that
    /// has replaced it meanwhile is kept: each of several concurrent requests may be rejected.
    ///
    /// Returns whether another attempt can get a new one; `false`, the default, for a credential
    /// that never changes.
    async fn refresh(&self, refused: &Request) -> bool {
        _ = refused;
        false
    }

    /// The identity of the requests, for display and without secrets: `managed identity`,
    /// `access key AKIA...`.
    fn identity(&self) -> Option<String> {
        None
    }
}
