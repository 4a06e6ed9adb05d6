//! The instance metadata service (IMDS) that every machine in Azure has at a link-local address:
//! how it is asked, and how its responses are judged. Its tokens: `imds.rs`; what it knows of the
//! machine: `instance_metadata.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    Backoff, HttpClient, JsonResponse, RawResponse, Request, Response, ResponseClass,
    ResponseClassifier, RetryPolicy, decode_json, origin_of,
};
use cloud_autojoin_core::{ApiError, Call, Context, Error, Result};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SERVER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::token_response::refused;
use crate::arm::SHOWN_PARAMETERS;
use crate::keys::PROVIDER_NAME;

/// The header that a request of a careless proxy does not have.
pub(super) const METADATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("metadata"),
    HeaderValue::from_static("true"),
);

/// The metadata service of this machine. Clones share whether it was there once.
#[derive(Debug, Clone)]
pub(crate) struct MetadataService {
    http: HttpClient,
    endpoint: Url,
    /// Whether the service was there once: then the probe is over, and a later silence is a
    /// failure.
    seen: Arc<AtomicBool>,
}

impl MetadataService {
    /// The service at `endpoint`, which is only scheme, host and port.
    pub(crate) fn new(context: &Context, endpoint: Url) -> Self {
        Self {
            http: context.http().clone(),
            endpoint,
            seen: Arc::default(),
        }
    }

    /// The URL of a path of the service.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(path);
        url
    }

    /// Notes that the service answered, so that it is waited for from now on.
    pub(crate) fn note_seen(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Sends a request with the header that the service insists on.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::json`].
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        request: Request,
        retry: RetryPolicy,
        call: &Call,
    ) -> Result<JsonResponse<T>> {
        let request = request
            .header(METADATA.0, METADATA.1)
            .classified_by(&ServiceResponses)
            .showing(SHOWN_PARAMETERS)
            .retry(retry);
        self.http.json(PROVIDER_NAME, &request, call).await
    }

    /// What to say of another server at the address.
    pub(crate) fn foreign(&self) -> String {
        format!(
            "what answers at {} is not the instance metadata service of Azure",
            origin_of(&self.endpoint)
        )
    }

    pub(super) fn absent(&self, error: &Error) -> SourceOutcome {
        let reason = format!(
            "no instance metadata service at {}",
            origin_of(&self.endpoint)
        );
        if error.is_transient() {
            SourceOutcome::Unreachable(reason)
        } else {
            SourceOutcome::NotConfigured(reason)
        }
    }

    /// Whether the service itself is there, or another server: it refuses at once a request without
    /// its header.
    ///
    /// # Errors
    ///
    /// [`SourceOutcome::Unreachable`] when nothing answers.
    pub(super) async fn probe(
        &self,
        path: &str,
        api_version: &str,
        call: &Call,
    ) -> Result<bool, SourceOutcome> {
        let mut url = self.url(path);
        url.query_pairs_mut()
            .append_pair("api-version", api_version);
        let request = Request::get("look for the instance metadata service", url)
            .showing(SHOWN_PARAMETERS)
            .retry(RetryPolicy::none());
        match self.http.send(&request, call).await {
            Ok(response) => Ok(is_service(&response)),
            Err(error) => Err(self.absent(&error)),
        }
    }
}

/// How what [`ServiceResponses`] judges transient is retried: six times, from 2 s up to 25 s, as
/// the Azure SDKs do. An update takes up to 70 s, which the waits last at least.
///
/// A connection that is refused isn't retried: a watch polls again within seconds, sooner than
/// these waits would.
pub(crate) fn retry_policy() -> RetryPolicy {
    RetryPolicy::default()
        .with_max_retries(6)
        .with_backoff(
            Backoff::new(Duration::from_secs(2), Duration::from_secs(25)).with_min_ratio(0.875),
        )
        .without_connect_retries()
}

/// Judges the responses of the service: 404 and 410 mean an update of it, unless they refuse the
/// api-version.
struct ServiceResponses;

impl ResponseClassifier for ServiceResponses {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        match response.status {
            StatusCode::NOT_FOUND | StatusCode::GONE
                if !refuses_version(response.status, &response.body) =>
            {
                ResponseClass::Retryable
            }
            status => ResponseClass::of_status(status),
        }
    }
}

/// The service's error: `{"error": "invalid_request", "error_description": "..."}`, or `error`
/// alone.
#[derive(Deserialize)]
struct ServiceError {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Whether the answer is one of the instance metadata service: its name, the status for an update
/// or for its rate limit, or an error in its documented form.
pub(crate) fn is_service(response: &Response) -> bool {
    let server = response.headers.get(SERVER);
    server.is_some_and(|server| server.as_bytes().starts_with(b"IMDS/"))
        || matches!(
            response.status,
            StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS
        )
        || refuses_version(response.status, &response.body)
        || (!response.status.is_success() && decode_json::<ServiceError>(&response.body).is_ok())
}

/// Whether the service refuses the api-version, which waiting does not change (`Invalid version
/// requested`, `Bad request. api-version is invalid`).
pub(super) fn refuses_version(status: StatusCode, body: &[u8]) -> bool {
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
        return false;
    }
    let words = match decode_json::<ServiceError>(body) {
        Ok(body) => format!("{} {}", body.error, body.error_description),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let words = words.to_ascii_lowercase();
    words.contains("version") && words.contains("invalid")
}

/// The error for an answer of the service that is a refusal.
pub(crate) fn refusal(operation: &str, api_version: &str, response: &Response) -> ApiError {
    let error = refused(operation, response);
    if refuses_version(response.status, &response.body) {
        return error.with_hint(format!(
            "this metadata service does not know api-version {api_version}: update it, or choose another source with `token_credentials` and name what `self` stands for"
        ));
    }
    match response.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => error
            .with_hint("the metadata service is being updated: try again in a minute")
            .transient(),
        _ => error,
    }
}
