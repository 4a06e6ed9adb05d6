//! How a request proves who sends it.

use std::fmt;

use async_trait::async_trait;

use super::Request;
use crate::call::Call;
use crate::error::Result;

/// Adds the proof of identity to a request: a bearer token, a key in a header, a signature.
///
/// It runs before every attempt, since a signature covers the time or a nonce and a token may have
/// been renewed while the client waited.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Authorises `request`. Requests it makes itself (for a token) are recorded in `call`.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](crate::Error::Credential) when there is no credential to do it with.
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()>;

    /// Drops the credential that authorised `refused`, which the service refused as expired. One
    /// that has replaced it meanwhile is kept: of several requests at once each may be refused.
    ///
    /// Returns whether another attempt can get a new one; `false`, the default, for a credential
    /// that never changes.
    async fn refresh(&self, refused: &Request) -> bool {
        _ = refused;
        false
    }

    /// Who the requests come from, for people and without anything secret:
    /// `managed identity`, `access key AKIA...`.
    fn identity(&self) -> Option<String> {
        None
    }
}
