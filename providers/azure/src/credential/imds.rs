//! The instance metadata service (IMDS) that every machine in Azure has at a link-local address,
//! and its tokens. Its metadata of the machine: `instance_metadata.rs`.
//!
//! Where another source follows in the chain, a probe is sent beside the first token request, so
//! that off Azure the chain continues within a second: the same request without the header that the
//! service requires, which it refuses at once. Only its documented responses identify the service;
//! any other server at the address is skipped. Where no source follows, the service has all the
//! time of the call, and there is no probe. A missing service isn't remembered: a machine that
//! starts may get it later. Facts:
//! learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
//! api-version 2018-02-01; the probe is that of the Azure SDKs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    Backoff, JsonResponse, RawResponse, Request, Response, ResponseClass, ResponseClassifier,
    RetryPolicy, decode_json, origin_of,
};
use cloud_autojoin_core::{ApiError, Call, Context, Error, Result};
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody};
use futures::future::{Either, select};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SERVER};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use url::Url;

use super::Setup;
use super::identity::ManagedIdentityId;
use super::token::{ID_NAMES, TokenApi, TokenResponse, TokenResult};

/// How long the service may take to respond to the probe, where another source follows.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

const PATH: [&str; 4] = ["metadata", "identity", "oauth2", "token"];
const API_VERSION: &str = "2018-02-01";
const OPERATION: &str = "get a token from the instance metadata service";

/// The header that a request of a careless proxy doesn't have.
pub(super) const METADATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("metadata"),
    HeaderValue::from_static("true"),
);

/// The API of the service: that of the other token services, and the responses during its updates.
struct MetadataApi;

impl ResponseClassifier for MetadataApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        if is_updating(response.status, &response.body) {
            ResponseClass::Retryable
        } else {
            TokenApi.classify(response)
        }
    }
}

impl Api for MetadataApi {
    fn provider(&self) -> &'static str {
        TokenApi.provider()
    }

    fn shown_parameters(&self) -> &'static [&'static str] {
        TokenApi.shown_parameters()
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        TokenApi.error_body(response)
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        explain(
            TokenApi.explain(error, request, response),
            request,
            response,
        )
    }
}

/// The metadata service of this machine. Clones share whether it was seen.
#[derive(Debug, Clone)]
pub(crate) struct MetadataService {
    api: ApiClient,
    /// Whether the service has responded: then there is no probe any more, and no response is a
    /// failure.
    seen: Arc<AtomicBool>,
}

impl MetadataService {
    /// The service at `endpoint`, which is only scheme, host and port.
    pub(crate) fn new(context: &Context, endpoint: Url) -> Self {
        let api = ApiClient::new(context, &MetadataApi, endpoint);
        Self {
            api,
            seen: Arc::default(),
        }
    }

    /// The client, for its URLs and errors.
    pub(crate) fn api(&self) -> &ApiClient {
        &self.api
    }

    /// Notes that the service responded, so that it is waited for from now on.
    pub(crate) fn note_seen(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Sends a request with the header that the service requires.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::answer`].
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        request: &Request,
        retry: RetryPolicy,
        call: &Call,
    ) -> Result<JsonResponse<T>> {
        let request = request.clone().header(METADATA.0, METADATA.1).retry(retry);
        let response = self.api.answer(&request, call).await;
        match &response {
            Ok(JsonResponse::Failure(response)) if !is_service(response) => {}
            Ok(_) => self.note_seen(),
            Err(_) => {}
        }
        response
    }

    /// What to report of another server at the address.
    pub(crate) fn foreign(&self) -> String {
        let origin = origin_of(self.api.endpoint());
        format!("the server at {origin} is not the instance metadata service of Azure")
    }

    fn absent(&self, error: &Error) -> SourceOutcome {
        let reason = format!(
            "no instance metadata service at {}",
            origin_of(self.api.endpoint())
        );
        if error.is_transient() {
            SourceOutcome::Unreachable(reason)
        } else {
            SourceOutcome::NotConfigured(reason)
        }
    }

    /// Notes whether the service itself is there, or another server: it refuses at once a request
    /// without its header.
    ///
    /// # Errors
    ///
    /// [`SourceOutcome::Unreachable`] when there is no response.
    async fn probe(&self, call: &Call) -> Result<(), SourceOutcome> {
        let url = self.api.url(&PATH, &[("api-version", API_VERSION)]);
        let request =
            Request::get("look for the instance metadata service", url).retry(RetryPolicy::none());
        match self.api.answer::<IgnoredAny>(&request, call).await {
            Ok(JsonResponse::Failure(response)) if is_service(&response) => self.note_seen(),
            Err(error @ Error::Transport(_)) => return Err(self.absent(&error)),
            _ => {}
        }
        Ok(())
    }
}

/// How a transient response is retried: six times, from 2 s up to 25 s, as the Azure SDKs do. An
/// update takes up to 70 s, which is the minimum of the waits together.
///
/// A refused connection isn't retried: a watch polls again within seconds, sooner than these waits.
pub(crate) fn retry_policy() -> RetryPolicy {
    let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(25));
    RetryPolicy::default()
        .with_max_retries(6)
        .with_backoff(backoff.with_min_ratio(0.875))
        .without_connect_retries()
}

/// A token for the audience of the cloud. With `has_next` another source follows when there is no
/// service, or when this machine has no identity.
pub(super) async fn token(setup: &Setup, has_next: bool, call: &Call) -> TokenResult {
    let service = &setup.metadata;
    let id = setup.managed_identity();
    let url = service.api.url(&PATH, &[]);
    let request = setup.token_request(OPERATION, url, API_VERSION, ID_NAMES);
    let send = |retry| service.read::<TokenResponse>(&request, retry, call);
    let outcome = |response| outcome(service, &request, id.as_ref(), response, call);
    if !has_next || service.is_seen() {
        return outcome(send(retry_policy()).await);
    }
    let limited = call.within(PROBE_LIMIT);
    // Concurrently: one after the other would be a round trip more on every machine that has the
    // service.
    let probe = pin!(service.probe(&limited));
    let first = match select(probe, pin!(send(RetryPolicy::none()))).await {
        Either::Left((probed, first)) => {
            probed?;
            if service.is_seen() {
                first.await
            } else {
                // Some emulators respond to token requests only.
                let first = tokio::time::timeout(limited.remaining(), first).await;
                first.map_err(|_| SourceOutcome::NotConfigured(service.foreign()))?
            }
        }
        Either::Right((response, probe)) => {
            if !service.is_seen() {
                probe.await?;
            }
            response
        }
    };
    let requested_wait = match &first {
        Ok(JsonResponse::Failure(response)) if response.class.is_transient() => {
            response.retry_after.unwrap_or_default()
        }
        Err(Error::Transport(error)) if retry_policy().retries_failure(error.failure()) => {
            Duration::ZERO
        }
        _ => return outcome(first),
    };
    let wait = requested_wait.max(retry_policy().backoff().wait(0));
    if !service.is_seen() || wait >= call.remaining() {
        return outcome(first);
    }
    call.clock().sleep(wait).await;
    outcome(send(retry_policy()).await)
}

/// The result of the final response.
fn outcome(
    service: &MetadataService,
    request: &Request,
    id: Option<&ManagedIdentityId>,
    response: Result<JsonResponse<TokenResponse>>,
    call: &Call,
) -> TokenResult {
    match response {
        Ok(JsonResponse::Success(token, _)) => Ok(token.into_token(OPERATION, call)?),
        Ok(JsonResponse::Failure(response)) if service.is_seen() => {
            let is_of_identity = response.status == StatusCode::BAD_REQUEST
                && !refuses_version(response.status, &response.body);
            let refused = service.api.value(request, JsonResponse::Failure(response));
            refused.map_err(|error| match error {
                Error::Api(error) if is_of_identity => refused_identity(id, *error),
                error => error.into(),
            })
        }
        // It may be the service after all, during an update.
        Ok(JsonResponse::Failure(response)) if response.class.is_transient() => {
            Err(SourceOutcome::Unreachable(service.foreign()))
        }
        Err(error) if service.is_seen() => Err(error.into()),
        Err(error @ Error::Transport(_)) => Err(service.absent(&error)),
        _ => Err(SourceOutcome::NotConfigured(service.foreign())),
    }
}

/// The result where no token is issued for this identity. Where the request names none and the
/// machine has none, the response is the same, and the next source is tried.
fn refused_identity(id: Option<&ManagedIdentityId>, error: ApiError) -> SourceOutcome {
    let message = error.message().unwrap_or_default();
    let hint = match id {
        Some(id) => format!(
            "assign the identity with {id} to this machine (in a scale set: to the set), or correct the id"
        ),
        None if message.contains("Multiple user assigned") => {
            "this machine has several user-assigned identities and no system-assigned one: choose one with `client_id=...`".to_owned()
        }
        None => {
            let mut reason = "this machine has no system-assigned identity".to_owned();
            if !message.is_empty() {
                reason += &format!(" (`{}`: {message})", error.code().unwrap_or("invalid_request"));
            }
            return SourceOutcome::NotConfigured(reason);
        }
    };
    Error::from(error.with_hint(hint)).into()
}

/// Whether the response is one of the instance metadata service: its name, the status for an update
/// or for its rate limit, or an error in its documented form,
/// `{"error": "invalid_request", "error_description": "..."}` or `error` alone.
pub(crate) fn is_service(response: &Response) -> bool {
    let server = response.headers.get(SERVER);
    let has_error =
        || decode_json::<Value>(&response.body).is_ok_and(|body| body["error"].is_string());
    server.is_some_and(|server| server.as_bytes().starts_with(b"IMDS/"))
        || matches!(
            response.status,
            StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS
        )
        || refuses_version(response.status, &response.body)
        || (!response.status.is_success() && has_error())
}

/// Whether the service refuses the api-version, which waiting doesn't change (`Invalid version
/// requested`, `Bad request. api-version is invalid`).
fn refuses_version(status: StatusCode, body: &[u8]) -> bool {
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
        return false;
    }
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("version") && text.contains("invalid")
}

/// Whether the service is being updated.
fn is_updating(status: StatusCode, body: &[u8]) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) && !refuses_version(status, body)
}

/// Adds what to do to an error of the service.
fn explain(error: ApiError, request: &Request, response: &Response) -> ApiError {
    if is_updating(response.status, &response.body) {
        let hint = "the metadata service is being updated: try again in a minute";
        return error.with_hint(hint).transient();
    }
    if !refuses_version(response.status, &response.body) {
        return error;
    }
    let mut query = request.url().query_pairs();
    let version = query.find_map(|(name, value)| (name == "api-version").then_some(value));
    error.with_hint(format!(
        "this metadata service does not know api-version {}: update it, or choose another source with `token_credentials` and write the value in place of `self`",
        version.unwrap_or_default()
    ))
}
