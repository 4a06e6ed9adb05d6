//! Classification of responses: retry, refresh the credential, or return the response.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::retry_after;
use super::transport::RawResponse;

/// The meaning of a response, independent of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseClass {
    /// The request succeeded.
    Success,
    /// A transient failure of the service: the request is retried.
    Retryable,
    /// The caller is throttled: the request is retried after the time that the service requests.
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
    /// Whether the same request may succeed later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Retryable | Self::Throttled)
    }

    /// The class of a status by HTTP alone (RFC 9110, section 15).
    ///
    /// 408 and 5xx except 501 and 505 are retryable.
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

/// Classifies the responses of one service by status, headers and body.
///
/// Services differ: one reports throttling with status 400 and an error code in the body, another
/// with 403 and a reason, a third sends the time of the next attempt in its own header.
pub trait ResponseClassifier: Send + Sync {
    /// The class of `response`; by default [`ResponseClass::of_status`].
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        ResponseClass::of_status(response.status)
    }

    /// The wait that the service requests; by default [`retry_after`].
    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        retry_after(&response.headers, now)
    }
}

/// Classifies by status alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByStatus;

impl ResponseClassifier for ByStatus {}
