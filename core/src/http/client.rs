//! The HTTP client: attempts, waits, the deadline, and the record of requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use serde::de::DeserializeOwned;
use url::Url;

use super::reqwest_transport::ReqwestTransport;
use super::response::{BodyError, DecodeAttempt, JsonResponse, decode_body, judge};
use super::transport::{RawResponse, Transport, TransportCause};
use super::{
    HttpSettings, MAX_JSON_VALUES, MAX_OUTAGE_WAIT, Request, Response, ResponseClass, SentSecrets,
    origin_of,
};
use crate::call::{Call, RequestOutcome, RequestRecord};
use crate::clock::Instant;
use crate::error::{DecodeError, Error, Result, TransportError, TransportFailure};

/// The HTTP client of a [`Context`](crate::Context). Clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
    settings: Arc<HttpSettings>,
}

impl HttpClient {
    /// A client over the network. Nothing is loaded or opened before the first request.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] when the settings hold a user agent or a CA bundle that cannot be used.
    pub fn new(settings: HttpSettings) -> Result<Self> {
        Ok(Self::with_transport(
            Arc::new(ReqwestTransport::new(settings.clone())?),
            settings,
        ))
    }

    /// A client over another transport, which uses only the retry policy of the settings.
    pub fn with_transport(transport: Arc<dyn Transport>, settings: HttpSettings) -> Self {
        Self {
            transport,
            settings: Arc::new(settings),
        }
    }

    /// The transport, for tests that inject faults.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    /// The settings of this client.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Opens a connection to the origin of `url` before the first request, within the deadline of
    /// `call`, so that handshakes run concurrently with other work. No request is sent on it. A
    /// failure is not an error: the request will report it. Does nothing without TLS, or if a
    /// connection was opened before.
    pub async fn connect(&self, url: &Url, call: &Call) {
        if url.scheme() == "https" {
            _ = tokio::time::timeout(call.remaining(), self.transport.connect(url)).await;
        }
    }

    /// Reloads the certificate authorities of this machine at the next connection, and uses new
    /// connections from now on. Requests in flight aren't affected.
    ///
    /// Renewed authorities don't need this: changed files are reloaded when a server can't be
    /// verified. It is for removed authorities.
    pub fn reload_trust(&self) {
        self.transport.reload_trust();
    }

    /// Sends `request`, retries it until the response is final, whatever its status, and records
    /// every attempt in `call`.
    ///
    /// The [`RetryPolicy`](super::RetryPolicy) of the request or the client decides what is
    /// retried. The wait before a retry is the longer of the backoff and the server's request,
    /// which is limited to [`MAX_OUTAGE_WAIT`] unless it throttles. A throttled request of a call
    /// [without throttle retry](Call::without_throttle_retry) isn't retried. If the wait would
    /// exceed the deadline, the last response or failure is final at once, so its `retry_after` is
    /// still available.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] without a complete response: the last failure; `Deadline` when the
    /// call's deadline passed during an attempt; `Redirected` for a redirect.
    pub async fn send(&self, request: &Request, call: &Call) -> Result<Response> {
        let (response, ()) = self
            .run(request, call, |_| DecodeAttempt::Final(()))
            .await?;
        Ok(response)
    }

    /// Sends `request` like [`HttpClient::send`] and decodes the JSON of a successful response.
    /// Truncated JSON is retried like a truncated response.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] as [`HttpClient::send`], and `Truncated` when the JSON is still
    /// truncated at the last attempt; [`Error::Decode`] of `provider` when it isn't what `T`
    /// expects.
    pub async fn json<T: DeserializeOwned>(
        &self,
        provider: &'static str,
        request: &Request,
        call: &Call,
    ) -> Result<JsonResponse<T>> {
        self.decode(provider, request, call, decode_body).await
    }

    /// Sends `request` like [`HttpClient::json`] and decodes a successful response by `decode`.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::json`].
    pub async fn decode<T>(
        &self,
        provider: &'static str,
        request: &Request,
        call: &Call,
        decode: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<JsonResponse<T>> {
        let (mut response, decoded) = self
            .run(request, call, |raw| judge(raw, &decode))
            .await
            .map_err(|error| match error {
                Error::Transport(error) => error.of_provider(provider).into(),
                other => other,
            })?;
        match decoded {
            None => Ok(JsonResponse::Failure(response)),
            // A service may report an error with a successful status. The message is in the body.
            Some(_) if response.class != ResponseClass::Success => {
                Ok(JsonResponse::Failure(response))
            }
            Some(Err(cause)) => {
                Err(DecodeError::of_body(provider, request.operation(), cause).into())
            }
            Some(Ok(value)) => {
                response.body.clear();
                Ok(JsonResponse::Success(value, response))
            }
        }
    }

    async fn run<T>(
        &self,
        request: &Request,
        call: &Call,
        judge: impl Fn(&RawResponse) -> DecodeAttempt<T>,
    ) -> Result<(Response, T)> {
        let policy = request.own_retry().unwrap_or(&self.settings.retry);
        let started = call.elapsed();
        let mut before: Option<AttemptFailure> = None;
        let mut attempt = 0;
        let mut refreshed = false;
        loop {
            attempt += 1;
            let authorized = authorize(request, call).await?;
            let tried = self
                .try_once(
                    authorized.as_ref().unwrap_or(request),
                    call,
                    attempt,
                    &judge,
                )
                .await;
            let (class, again, retry_after) = match &tried {
                Ok((raw, _)) => {
                    let class = request.classifier().classify(raw);
                    let longest = if class == ResponseClass::Throttled {
                        Duration::MAX
                    } else {
                        MAX_OUTAGE_WAIT
                    };
                    let retry_after = request
                        .classifier()
                        .retry_after(raw, call.clock().wall())
                        .map(|wait| wait.min(longest));
                    let again = if class == ResponseClass::Throttled {
                        call.retries_throttling()
                    } else {
                        class.is_transient() || policy.also_retries(raw.status)
                    };
                    (class, again, retry_after)
                }
                Err(cause) => (
                    ResponseClass::Retryable,
                    policy.retries_failure(cause.failure),
                    None,
                ),
            };
            if class == ResponseClass::ExpiredCredential
                && !refreshed
                && let Some(authorizer) = request.authorizer()
                && authorizer
                    .refresh(authorized.as_ref().unwrap_or(request))
                    .await
            {
                refreshed = true;
                continue;
            }
            if again && attempt <= policy.max_retries() {
                let wait = policy
                    .backoff()
                    .wait(attempt - 1)
                    .max(retry_after.unwrap_or_default());
                if wait < call.remaining() {
                    let met = match tried {
                        Ok((raw, _)) => AttemptFailure::Status(raw.status),
                        Err(cause) => AttemptFailure::Failure(cause),
                    };
                    note_retry(request, attempt, wait, &met);
                    before = Some(met);
                    call.clock().sleep(wait).await;
                    continue;
                }
            }
            let elapsed = call.elapsed().saturating_sub(started);
            let failed = |failure| {
                TransportError::new(request.operation(), origin_of(request.url()), failure)
                    .after(attempt, elapsed)
            };
            return match tried {
                Ok((raw, _)) if raw.status.is_redirection() => {
                    Err(failed(TransportFailure::Redirected)
                        .with_detail(redirect_target(request.url(), &raw))
                        .into())
                }
                Ok((raw, value)) => {
                    let RawResponse {
                        status,
                        headers,
                        body,
                    } = raw;
                    let sent_secrets = match class {
                        ResponseClass::Success => SentSecrets::default(),
                        _ => SentSecrets::of(authorized.as_ref().unwrap_or(request)),
                    };
                    Ok((
                        Response {
                            status,
                            headers,
                            body,
                            attempts: attempt,
                            elapsed,
                            retry_after,
                            class,
                            sent_secrets,
                        },
                        value,
                    ))
                }
                Err(cause) => Err(finish(failed(cause.failure), cause, before)),
            };
        }
    }

    /// Makes one attempt, within the deadline, and records it.
    async fn try_once<T>(
        &self,
        request: &Request,
        call: &Call,
        attempt: u32,
        judge: impl Fn(&RawResponse) -> DecodeAttempt<T>,
    ) -> Result<(RawResponse, T), TransportCause> {
        let remaining = call.remaining();
        if remaining.is_zero() {
            return Err(TransportCause::new(TransportFailure::Deadline));
        }
        let entry = Entry::start(request, call, attempt);
        // By tokio's clock, which is behind an auto-advancing one.
        let deadline = Instant::now() + remaining;
        let response = tokio::time::timeout_at(deadline, self.transport.send(request, deadline))
            .await
            .unwrap_or_else(|_| Err(TransportCause::new(TransportFailure::Deadline)));
        let bytes = response.as_ref().map_or(0, |raw| raw.body.len() as u64);
        let judged = response.and_then(|raw| match judge(&raw) {
            DecodeAttempt::Final(value) => Ok((raw, value)),
            DecodeAttempt::Truncated(cause) => {
                Err(TransportCause::new(TransportFailure::Truncated)
                    .with_detail("the body ends early")
                    .with_cause(cause))
            }
            DecodeAttempt::TooManyValues => Err(TransportCause::new(TransportFailure::TooLarge)
                .with_detail(format!("the limit is {MAX_JSON_VALUES} values"))),
        });
        let outcome = match &judged {
            Ok((raw, _)) => RequestOutcome::Status(raw.status.as_u16()),
            Err(cause) => RequestOutcome::Failed(cause.to_string()),
        };
        entry.finish(outcome, bytes);
        judged
    }
}

/// `request` as its authoriser leaves it, within the deadline; `None` when it has none.
async fn authorize(request: &Request, call: &Call) -> Result<Option<Request>> {
    let Some(authorizer) = request.authorizer() else {
        return Ok(None);
    };
    let mut authorized = request.clone();
    authorizer.authorize(&mut authorized, call).await?;
    Ok(Some(authorized))
}

/// Why an attempt isn't final.
enum AttemptFailure {
    Status(StatusCode),
    Failure(TransportCause),
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::Failure(cause) => cause.fmt(f),
        }
    }
}

fn note_retry(request: &Request, attempt: u32, wait: Duration, met: &AttemptFailure) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(operation = request.operation(), url = request.shown_url(), attempt, wait_ms, %met, "retrying");
}

/// The error for `cause`. If the deadline passed, it also contains the failure of the previous
/// attempt.
fn finish(error: TransportError, cause: TransportCause, before: Option<AttemptFailure>) -> Error {
    let TransportCause {
        failure,
        mut detail,
        cause: mut inner,
    } = cause;
    if let (TransportFailure::Deadline, Some(before)) = (failure, before) {
        detail = Some(format!("the previous attempt: {before}"));
        if let AttemptFailure::Failure(before) = before {
            inner = before.cause;
        }
    }
    let error = match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    };
    match inner {
        Some(inner) => error.with_cause(inner).into(),
        None => error.into(),
    }
}

/// The target of a redirect, without secrets.
fn redirect_target(url: &Url, raw: &RawResponse) -> String {
    let location = raw
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| url.join(location).ok());
    let status = raw.status.as_u16();
    location.map_or_else(
        || format!("status {status} without a location"),
        |location| format!("status {status} to {}", origin_of(&location)),
    )
}

/// The record of one attempt; a cancelled attempt is recorded too.
struct Entry<'a> {
    call: &'a Call,
    record: Option<RequestRecord>,
}

impl<'a> Entry<'a> {
    fn start(request: &Request, call: &'a Call, attempt: u32) -> Self {
        let target = format!("{} {}", request.method(), request.shown_url());
        let mut record = RequestRecord::new(request.operation(), target, RequestOutcome::Cancelled);
        (record.attempt, record.started) = (attempt, call.elapsed());
        Self {
            call,
            record: Some(record),
        }
    }

    fn finish(mut self, outcome: RequestOutcome, bytes: u64) {
        if let Some(record) = &mut self.record {
            (record.outcome, record.bytes) = (outcome, bytes);
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.elapsed = self.call.elapsed().saturating_sub(record.started);
            self.call.record(record);
        }
    }
}

#[cfg(test)]
mod authorization_tests;
#[cfg(test)]
mod tests;
