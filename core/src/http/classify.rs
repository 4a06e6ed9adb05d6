//! What a response means for the request: retry it, refresh the credential, or hand it on.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::retry_after;
use super::transport::RawResponse;

/// What a response means, whatever cloud sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseClass {
    /// The request succeeded.
    Success,
    /// The service failed in a way that passes: the request is retried.
    Retryable,
    /// The caller sends too many requests: the request is retried after the time the service asks
    /// for.
    Throttled,
    /// The credential expired or was revoked: it is refreshed once.
    ExpiredCredential,
    /// The credential is valid and lacks a permission.
    PermissionDenied,
    /// The resource doesn't exist.
    NotFound,
    /// Any other response: retrying doesn't help.
    Final,
}

impl ResponseClass {
    /// Whether the same request may succeed later without anyone's help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Retryable | Self::Throttled)
    }

    /// The class that HTTP alone gives a status (RFC 9110, section 15).
    ///
    /// 408 and the 5xx but 501 and 505, which waiting doesn't change, are retryable.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Success,
            401 => Self::ExpiredCredential,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            429 => Self::Throttled,
            501 | 505 => Self::Final,
            408 | 500.. => Self::Retryable,
            _ => Self::Final,
        }
    }
}

/// Decides what the responses of one service mean, from status, headers and body.
///
/// Services differ: one reports throttling with status 400 and an error code in the body, another
/// with 403 and a reason, a third sends the time of the next attempt in its own header.
pub trait ResponseClassifier: Send + Sync {
    /// The class of `response`; by default [`ResponseClass::of_status`].
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        ResponseClass::of_status(response.status)
    }

    /// How long the service asks callers to wait; by default [`retry_after`].
    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        retry_after(&response.headers, now)
    }
}

/// Classifies by status alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByStatus;

impl ResponseClassifier for ByStatus {}
