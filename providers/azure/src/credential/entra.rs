//! Signing in at Microsoft Entra ID: tokens for an application's secret or assertion.
//!
//! The request is `azure_identity`'s; the way it takes is core's HTTP client, so that deadline,
//! retries, limits and the record of requests hold here too. `azure_identity` alone would try for a
//! minute whatever the caller's deadline (TLS errors included), and it loses the status and the
//! words of an error whose text has an escaped line end, which is how Entra writes them. So the
//! response is read here as well, and `azure_identity` sees none: it would take an empty token and
//! add any lifetime to the time unchecked, and a token that Azure refused could not be taken out of
//! its cache.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, RetryOptions, Transport,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{HttpClient, JsonResponse, Request, Response};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::ErrorBody;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::setup::Setup;
use super::token_response::{TokenResponse, token_error};
use crate::keys::PROVIDER_NAME;

/// What an application signs in with.
pub(super) enum ClientAuth {
    /// Its secret.
    Secret(Secret),
    /// A signed statement, its own or that of an issuer it trusts.
    Assertion(Secret),
}

/// A token for `scope`, for an application of a tenant; one request and its retries.
pub(super) async fn sign_in(
    setup: &Setup,
    tenant_id: &str,
    client_id: &str,
    auth: ClientAuth,
    scope: &str,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let transport = Arc::new(CoreTransport {
        http: setup.context.http().clone(),
        authority: setup.cloud.authority.clone(),
        operation: format!("sign in as application `{client_id}`"),
        call: call.clone(),
        outcome: Mutex::default(),
    });
    let client_options = transport.client_options();
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match auth {
        ClientAuth::Secret(secret) => ClientSecretCredential::new(
            tenant_id,
            client_id.to_owned(),
            AzureSecret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions { client_options }),
        )
        .map(|credential| credential as _),
        ClientAuth::Assertion(assertion) => ClientAssertionCredential::new(
            tenant_id.to_owned(),
            client_id.to_owned(),
            StaticAssertion(assertion),
            Some(ClientAssertionCredentialOptions { client_options }),
        )
        .map(|credential| credential as _),
    };
    let ended = match credential {
        Ok(credential) => credential.get_token(&[scope], None).await.map(drop),
        Err(error) => Err(error),
    };
    let mut outcome = transport
        .outcome
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match (outcome.take(), ended) {
        (Some(outcome), _) => Ok(outcome?),
        // The constructor refused a value, before any request.
        (None, Err(error)) => Err(SourceOutcome::failed(error.to_string())),
        (None, Ok(())) => Err(SourceOutcome::failed("no token was requested")),
    }
}

/// An assertion that exists already.
#[derive(Debug)]
struct StaticAssertion(Secret);

#[async_trait]
impl ClientAssertion for StaticAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose().to_owned())
    }
}

/// Sends `azure_identity`'s request through core's client, and keeps what came of it.
#[derive(Debug)]
struct CoreTransport {
    http: HttpClient,
    authority: Url,
    operation: String,
    call: Call,
    outcome: Mutex<Option<Result<AccessToken>>>,
}

impl CoreTransport {
    fn client_options(self: &Arc<Self>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.to_string();
        // `azure_identity` takes https only; plain http to this machine is for simulators, and
        // `execute_request` goes by the real authority.
        if let Some(rest) = cloud.authority_host.strip_prefix("http:") {
            cloud.authority_host = format!("https:{rest}");
        }
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::clone(self) as _)),
            cloud: Some(Arc::new(CloudConfiguration::from(cloud))),
            ..ClientOptions::default()
        }
    }

    async fn send(&self, request: &azure_core::http::Request) -> Result<AccessToken> {
        let operation = self.operation.as_str();
        let missing = "no `access_token` with `expires_in`";
        let mut url = self.authority.clone();
        url.set_path(request.url().path());
        let Body::Bytes(body) = request.body() else {
            let detail = "a token request is one piece";
            return Err(DecodeError::new(PROVIDER_NAME, operation, detail).into());
        };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request::post(operation, url, body.clone())
            .header(CONTENT_TYPE, form)
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self
            .http
            .json::<Map<String, Value>>(PROVIDER_NAME, &request, &self.call)
            .await?;
        match response {
            JsonResponse::Success(fields, _) => TokenResponse::deserialize(Value::Object(fields))
                .map_err(|_| DecodeError::new(PROVIDER_NAME, operation, missing))?
                .into_token(operation, missing, &self.call),
            JsonResponse::Failure(response) => Err(refused(operation, &response).into()),
        }
    }
}

#[async_trait]
impl azure_core::http::HttpClient for CoreTransport {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        let outcome = self.send(request).await;
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        Err(azure_core::Error::with_message(
            ErrorKind::Other,
            "the response is read elsewhere",
        ))
    }
}

/// The error for an answer that is no token: Entra's own code (`AADSTS7000215`) and its first
/// sentence, as one line. Source: recorded answers, and
/// learn.microsoft.com/entra/identity-platform/reference-error-codes.
fn refused(operation: &str, response: &Response) -> ApiError {
    let pointers = (&["/error"], &["/error_description"], &["/trace_id"]);
    let body = ErrorBody::from_json(&response.body, pointers.0, pointers.1, pointers.2);
    // The description goes on with lines of ids and the time, which have fields of their own.
    let description = body.message.as_deref().and_then(|text| text.lines().next());
    let (code, message) = match description.and_then(|text| text.split_once(": ")) {
        Some((code, message)) if code.starts_with("AADSTS") => {
            (Some(code.to_owned()), Some(message))
        }
        _ => (body.code, description),
    };
    let hint = code.as_deref().and_then(hint);
    let error = token_error(operation, response)
        .with_code(code)
        .with_message(message.map(str::to_owned))
        .with_request_id(body.request_id);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What to do about the codes that a wrong configuration gives.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "AADSTS7000215" => {
            "give the value of a client secret (`secret_access_key`, `ARM_CLIENT_SECRET`), not its id; a value is shown only once, when the secret is made"
        }
        "AADSTS7000222" => "the client secret has expired: make a new one for the application",
        "AADSTS7000216" => "the application was given neither a secret nor an assertion",
        "AADSTS700016" => {
            "check `client_id`, and that `tenant_id` is the tenant the application is in"
        }
        "AADSTS90002" | "AADSTS900023" => {
            "check `tenant_id`, and `environment` if the tenant is not in public Azure"
        }
        "AADSTS7000112" => "the application is disabled in this tenant: enable it, or use another",
        "AADSTS700027" => "add this certificate to the application, or use one that is there",
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" => {
            "add a federated credential to the identity with exactly the issuer, subject and audience of the token in `AZURE_FEDERATED_TOKEN_FILE`"
        }
        "AADSTS700024" => "the assertion's time does not count: check this machine's clock",
        "AADSTS500011" => {
            "check `audience` and `environment`: this tenant does not know the audience"
        }
        "AADSTS53003" | "AADSTS53000" => {
            "a conditional access policy of the tenant refuses this sign-in"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_without_advice_have_none() {
        assert!(hint("AADSTS7000215").is_some());
        assert_eq!(hint("AADSTS1"), None);
    }
}
