//! A token from the instance metadata service (IMDS) that every machine in Azure has at a link-local address.
//!
//! Beside the first token request goes a probe, so that off Azure the chain goes on within a second: the same request without the header that the service insists on, which it refuses at once. Facts:
//! learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token, api-version 2018-02-01; the probe is that of the Azure SDKs.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Answer, Backoff, HttpClient, Request, Response, RetryPolicy, origin_of};
use cloud_autojoin_core::{Call, DecodeError, Error};
use futures::future::{Either, select};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SERVER};
use url::Url;

use super::ManagedIdentityId;
use super::token_answer::{TokenAnswer, refused};
use crate::azure::PROVIDER_NAME;

/// The header that a request of a careless proxy does not have.
pub(crate) const METADATA: (HeaderName, HeaderValue) = (HeaderName::from_static("metadata"), HeaderValue::from_static("true"));

/// How long the service may take to show that it is there.
pub(crate) const PROBE_LIMIT: Duration = Duration::from_secs(1);

const PATH: &str = "/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";
const OPERATION: &str = "get a token from the instance metadata service";

/// Asks the instance metadata service.
#[derive(Debug)]
pub(super) struct Imds {
    id: Option<ManagedIdentityId>,
    audience: String,
    endpoint: Url,
    http: HttpClient,
    /// Whether the service was there once: then the probe is over, and a later silence is a failure.
    seen: AtomicBool,
}

impl Imds {
    pub(super) fn new(id: Option<ManagedIdentityId>, audience: String, endpoint: Url, http: HttpClient) -> Self {
        Self { id, audience, endpoint, http, seen: false.into() }
    }

    /// One token.
    pub(super) async fn token(&self, call: &Call) -> Result<AccessToken, SourceOutcome> {
        if self.seen.load(Ordering::Relaxed) {
            return self.ask(call).await;
        }
        // Side by side: one after the other would be a round trip more on every machine that has the service.
        let answer = match select(pin!(self.probe(call)), pin!(self.ask(call))).await {
            Either::Left((probed, asking)) => {
                probed.map_err(SourceOutcome::NotConfigured)?;
                asking.await
            }
            // No other service gives such a token.
            Either::Right((Ok(token), _)) => Ok(token),
            Either::Right((refused, probing)) => {
                probing.await.map_err(SourceOutcome::NotConfigured)?;
                refused
            }
        };
        self.seen.store(true, Ordering::Relaxed);
        answer
    }

    async fn ask(&self, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let request = Request::get(OPERATION, self.url()).header(METADATA.0, METADATA.1).retry(retry_policy());
        match self.http.json::<TokenAnswer>(PROVIDER_NAME, &request, call).await? {
            Answer::Value(answer, _) => {
                answer.into_token(call).ok_or_else(|| Error::from(DecodeError::new(PROVIDER_NAME, OPERATION, "no `access_token` with its lifetime")).into())
            }
            Answer::Other(response) => Err(self.refusal(&response)),
        }
    }

    /// Whether the service is there; the reason if not.
    async fn probe(&self, call: &Call) -> Result<(), String> {
        let mut url = self.endpoint.clone();
        url.set_path(PATH);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let request = Request::get("look for the instance metadata service", url).retry(RetryPolicy::none());
        let Ok(response) = self.http.send(&request, &call.within(PROBE_LIMIT)).await else {
            return Err(format!("no instance metadata service at {}", origin_of(&self.endpoint)));
        };
        if is_foreign(&response) {
            return Err(self.foreign());
        }
        Ok(())
    }

    fn foreign(&self) -> String {
        format!("what answers at {} is not the instance metadata service of Azure", origin_of(&self.endpoint))
    }

    fn url(&self) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(PATH);
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("api-version", API_VERSION).append_pair("resource", &self.audience);
            match &self.id {
                Some(ManagedIdentityId::ClientId(id)) => _ = query.append_pair("client_id", id),
                Some(ManagedIdentityId::ObjectId(id)) => _ = query.append_pair("object_id", id),
                Some(ManagedIdentityId::ResourceId(id)) => _ = query.append_pair("msi_res_id", id),
                None => {}
            }
        }
        url
    }

    /// A machine without any identity answers 400 to whoever does not name one, and then the chain goes on. Everything else is a failure of what is configured.
    fn refusal(&self, response: &Response) -> SourceOutcome {
        // Not even after the patience that an update of the service asks for: another cloud's service at the same address.
        if response.status == StatusCode::NOT_FOUND {
            return SourceOutcome::NotConfigured(self.foreign());
        }
        let error = refused(OPERATION, response);
        if response.status != StatusCode::BAD_REQUEST {
            return Error::from(error).into();
        }
        let several = error.message().is_some_and(|message| message.contains("Multiple user assigned"));
        match &self.id {
            None if several => {
                Error::from(error.with_hint("this machine has several user-assigned identities and no system-assigned one: choose one with `client_id=...`"))
                    .into()
            }
            None => SourceOutcome::NotConfigured(match error.message() {
                Some(message) => format!("this machine has no system-assigned identity (`{}`: {message})", error.code().unwrap_or("invalid_request")),
                None => "this machine has no system-assigned identity".to_owned(),
            }),
            Some(id) => {
                let hint = format!("assign the identity with {id} to this machine (in a scale set: to the set), or correct the id");
                Error::from(error.with_hint(hint)).into()
            }
        }
    }
}

/// What is tried again: 404 and 410 while the service is updated (for up to 70 s), 429 and 5xx; six times, from 2 s up to 25 s, as the Azure SDKs do.
pub(crate) fn retry_policy() -> RetryPolicy {
    RetryPolicy::default()
        .with_max_retries(6)
        .with_backoff(Backoff::new(Duration::from_secs(2), Duration::from_secs(25)))
        .also([StatusCode::NOT_FOUND, StatusCode::GONE])
}

/// Whether the answer is that of another cloud's metadata service, which has the same address, or of Docker Desktop's proxy, which answers 403 for what it cannot reach.
pub(crate) fn is_foreign(response: &Response) -> bool {
    let server = response.headers.get(SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(&response.body);
    server.starts_with("EC2ws")
        || response.headers.contains_key("metadata-flavor")
        || (response.status == StatusCode::FORBIDDEN && body.contains("unreachable"))
}
