//! A token of the instance metadata service.
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
use std::time::Duration;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{JsonResponse, Response, RetryPolicy};
use cloud_autojoin_core::{Call, Error, Result};
use futures::future::{Either, select};
use http::StatusCode;

use super::identity::ManagedIdentityId;
use super::metadata::{MetadataService, is_service, refusal, refuses_version, retry_policy};
use super::setup::Setup;
use super::token_response::{TokenResponse, token_request};

/// How long the service may take to show that it is there, where another source follows.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

const PATH: &str = "/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";
const OPERATION: &str = "get a token from the instance metadata service";

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
    let (first, is_there) = match select(
        pin!(service.probe(PATH, API_VERSION, &limited)),
        pin!(first),
    )
    .await
    {
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

/// A machine without any identity responds with 400 to a request that names none, and then the next
/// source is tried. Everything else is a failure of the configured source.
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

fn is_recognised(answer: &Result<JsonResponse<TokenResponse>>) -> bool {
    match answer {
        Ok(JsonResponse::Success(..)) => true,
        Ok(JsonResponse::Failure(response)) => is_service(response),
        Err(_) => false,
    }
}
