//! The instance metadata service (IMDS) that every machine in Azure has at a link-local address:
//! the requests to it, how its responses are judged, and a token of it.
//!
//! Where another source follows in the chain, a probe goes beside the first token request, so that
//! off Azure the chain goes on within a second: the same request without the header that the
//! service insists on, which it refuses at once. Only the service's own documented answers count as
//! its; any other server at the address is passed over. Where no source follows, the service has
//! all the time of the call, and there is no probe. Nothing is remembered of a service that was not
//! there: a machine that starts may get it later. Facts:
//! learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
//! api-version 2018-02-01; the probe is that of the Azure SDKs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    Backoff, HttpClient, JsonResponse, RawResponse, Request, Response, ResponseClass,
    ResponseClassifier, RetryPolicy, decode_json, origin_of,
};
use cloud_autojoin_core::{ApiError, Call, Context, Error, Result};
use futures::future::{Either, select};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SERVER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::token_response::{TokenResponse, refused, token_request};
use super::{ManagedIdentityId, Setup};
use crate::arm::SHOWN_PARAMETERS;
use crate::keys::PROVIDER_NAME;

/// The header that a request of a careless proxy does not have.
pub(super) const METADATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("metadata"),
    HeaderValue::from_static("true"),
);

/// How long the service may take to show that it is there, where another source follows.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

const PATH: &str = "/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";
const OPERATION: &str = "get a token from the instance metadata service";

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

    fn is_seen(&self) -> bool {
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

    /// Whether the service itself is there, or another server.
    async fn probe(&self, call: &Call) -> Result<bool, SourceOutcome> {
        let mut url = self.url(PATH);
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION);
        let request = Request::get("look for the instance metadata service", url)
            .showing(SHOWN_PARAMETERS)
            .retry(RetryPolicy::none());
        match self.http.send(&request, call).await {
            Ok(response) => Ok(is_service(&response)),
            Err(error) => Err(self.absent(&error)),
        }
    }

    fn absent(&self, error: &Error) -> SourceOutcome {
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
}

/// A token for the audience of the cloud. With `has_next` another source follows when there is no
/// service, or when this machine has no identity.
pub(super) async fn token(
    setup: &Setup,
    has_next: bool,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let service = &setup.metadata;
    let id = setup.managed_identity();
    let ask = |retry| {
        let parameter = id.as_ref().map(ManagedIdentityId::parameter);
        let audience = &setup.cloud.audience;
        let url = service.url(PATH);
        let request = token_request(OPERATION, url, API_VERSION, audience, parameter);
        service.read::<TokenResponse>(request, retry, call)
    };
    if !has_next || service.is_seen() {
        return outcome(service, id.as_ref(), ask(retry_policy()).await, call);
    }
    let limited = call.within(PROBE_LIMIT);
    // Side by side: one after the other would be a round trip more on every machine that has the
    // service.
    let first = ask(RetryPolicy::none());
    let (first, is_there) = match select(pin!(service.probe(&limited)), pin!(first)).await {
        Either::Left((probed, asking)) => match probed? {
            true => (asking.await, true),
            // Some emulators answer token requests only.
            false => match tokio::time::timeout(limited.remaining(), asking).await {
                Ok(answer) => (answer, false),
                Err(_) => return Err(SourceOutcome::NotConfigured(service.foreign())),
            },
        },
        // No other service gives such an answer.
        Either::Right((answer, _)) if is_recognised(&answer) => (answer, true),
        Either::Right((answer, probing)) => (answer, probing.await?),
    };
    if is_there {
        service.note_seen();
    }
    let (is_retried, retry_after) = match &first {
        Ok(JsonResponse::Failure(response)) => {
            (response.class.is_transient(), response.retry_after)
        }
        Err(Error::Transport(error)) => (retry_policy().retries_failure(error.failure()), None),
        _ => (false, None),
    };
    let wait = retry_policy().backoff().wait(0);
    let wait = wait.max(retry_after.unwrap_or_default());
    if !is_retried || wait >= call.remaining() || !(is_there || is_recognised(&first)) {
        return outcome(service, id.as_ref(), first, call);
    }
    call.clock().sleep(wait).await;
    outcome(service, id.as_ref(), ask(retry_policy()).await, call)
}

/// What a final answer comes to.
fn outcome(
    service: &MetadataService,
    id: Option<&ManagedIdentityId>,
    answer: Result<JsonResponse<TokenResponse>>,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    if is_recognised(&answer) {
        service.note_seen();
    }
    match answer {
        Ok(JsonResponse::Success(answer, _)) => {
            Ok(answer.into_token(OPERATION, "no `access_token` with its lifetime", call)?)
        }
        Ok(JsonResponse::Failure(response)) if service.is_seen() => {
            Err(refused_token(id, &response))
        }
        // It may be the service after all, while it is updated.
        Ok(JsonResponse::Failure(response)) if response.class.is_transient() => {
            Err(SourceOutcome::Unreachable(service.foreign()))
        }
        Err(error) if service.is_seen() => Err(error.into()),
        Err(error @ Error::Transport(_)) => Err(service.absent(&error)),
        Ok(JsonResponse::Failure(_)) | Err(_) => {
            Err(SourceOutcome::NotConfigured(service.foreign()))
        }
    }
}

/// A machine without any identity answers 400 to whoever does not name one, and then the chain goes
/// on. Everything else is a failure of what is configured.
fn refused_token(id: Option<&ManagedIdentityId>, response: &Response) -> SourceOutcome {
    let error = refusal(OPERATION, API_VERSION, response);
    let is_of_identity = response.status == StatusCode::BAD_REQUEST
        && !refuses_version(response.status, &response.body);
    let message = error.message().unwrap_or_default();
    let hint = match id {
        _ if !is_of_identity => return Error::from(error).into(),
        Some(id) => format!("assign the identity with {id} to this machine (in a scale set: to the set), or correct the id"),
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

fn is_recognised(answer: &Result<JsonResponse<TokenResponse>>) -> bool {
    match answer {
        Ok(JsonResponse::Success(..)) => true,
        Ok(JsonResponse::Failure(response)) => is_service(response),
        Err(_) => false,
    }
}

/// Whether the service refuses the api-version, which waiting does not change (`Invalid version
/// requested`, `Bad request. api-version is invalid`).
fn refuses_version(status: StatusCode, body: &[u8]) -> bool {
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
