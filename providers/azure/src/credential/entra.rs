//! Signing in at Microsoft Entra ID: tokens for an application's secret or assertion.
//!
//! The request is `azure_identity`'s; the way it takes is core's HTTP client, so that deadline,
//! retries, limits and the record of requests hold here too. `azure_identity` alone would try for a
//! minute whatever the caller's deadline (TLS errors included), and it loses the status and the
//! words of an error whose text has an escaped line end, which is how Entra writes them. Its token
//! cache is not used either: a credential lives for one request, since a token that Azure refused
//! could not be taken out of that cache.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::headers::{CONTENT_TYPE, Headers};
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, RetryOptions, StatusCode, Transport,
};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{HttpClient, JsonResponse, Request, Response, decode_json};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Error, Secret};
use http::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::token_answer::{lifetime, seconds_of, token_error};
use crate::keys::PROVIDER_NAME;

/// An application that signs in: where, in which tenant, as whom.
#[derive(Debug, Clone)]
pub(super) struct Entra {
    pub(super) http: HttpClient,
    pub(super) authority: Url,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
}

/// What an application signs in with.
pub(super) enum ClientAuth<'a> {
    /// Its secret.
    Secret(&'a Secret),
    /// A signed statement, its own or that of an issuer it trusts.
    Assertion(Secret),
}

impl Entra {
    /// One token for `scope`; one request and its retries.
    pub(super) async fn token(
        &self,
        auth: ClientAuth<'_>,
        scope: &str,
        call: &Call,
    ) -> Result<AccessToken, SourceOutcome> {
        let transport = Arc::new(CoreTransport {
            entra: self.clone(),
            call: call.clone(),
            failure: Mutex::default(),
        });
        let client_options = transport.client_options();
        let (tenant_id, client_id) = (self.tenant_id.clone(), self.client_id.clone());
        let credential: azure_core::Result<Arc<dyn TokenCredential>> = match auth {
            ClientAuth::Secret(secret) => ClientSecretCredential::new(
                &tenant_id,
                client_id,
                AzureSecret::new(secret.expose().to_owned()),
                Some(ClientSecretCredentialOptions { client_options }),
            )
            .map(|credential| credential as _),
            ClientAuth::Assertion(assertion) => ClientAssertionCredential::new(
                tenant_id,
                client_id,
                StaticAssertion(assertion),
                Some(ClientAssertionCredentialOptions { client_options }),
            )
            .map(|credential| credential as _),
        };
        let answer = match credential {
            Ok(credential) => credential.get_token(&[scope], None).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(token) => {
                let lifetime = Duration::try_from(token.expires_on - OffsetDateTime::now_utc())
                    .unwrap_or_default();
                Ok(AccessToken::new(
                    Secret::new(token.token.secret()),
                    call.clock().wall() + lifetime,
                ))
            }
            Err(error) => Err(
                match transport
                    .failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take()
                {
                    Some(failure) => failure.into(),
                    // The constructor refused a value, before any request.
                    None => SourceOutcome::failed(error.to_string()),
                },
            ),
        }
    }
}

/// An assertion that exists already.
struct StaticAssertion(Secret);

impl std::fmt::Debug for StaticAssertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticAssertion")
    }
}

#[async_trait]
impl ClientAssertion for StaticAssertion {
    async fn secret(
        &self,
        _options: Option<ClientMethodOptions<'_>>,
    ) -> azure_core::Result<String> {
        Ok(self.0.expose().to_owned())
    }
}

/// Sends `azure_identity`'s request through core's client, and keeps the error in core's form.
#[derive(Debug)]
struct CoreTransport {
    entra: Entra,
    call: Call,
    failure: Mutex<Option<Error>>,
}

impl CoreTransport {
    fn client_options(self: &Arc<Self>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.entra.authority.to_string();
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

    async fn send(&self, request: &azure_core::http::Request) -> Result<AsyncRawResponse, Error> {
        let operation = format!("sign in as application `{}`", self.entra.client_id);
        let mut url = self.entra.authority.clone();
        url.set_path(request.url().path());
        let Body::Bytes(body) = request.body() else {
            return Err(
                DecodeError::new(PROVIDER_NAME, operation, "a token request is one piece").into(),
            );
        };
        let request = Request::post(operation, url, body.clone())
            .header(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            )
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        // Decoded here and written again, so that an answer cut short is tried again, and one
        // without a token is an error: `azure_identity` would take an empty one.
        let answer = match self
            .entra
            .http
            .json::<serde_json::Map<String, serde_json::Value>>(PROVIDER_NAME, &request, &self.call)
            .await?
        {
            JsonResponse::Success(answer, _) => answer,
            JsonResponse::Failure(response) => {
                return Err(refused(request.operation(), &response).into());
            }
        };
        let is_token = answer
            .get("access_token")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|token| !token.is_empty());
        let seconds = |name| answer.get(name).and_then(seconds_of);
        let lifetime = lifetime(
            seconds("expires_in"),
            seconds("expires_on"),
            self.call.clock().wall(),
        );
        let (Some(lifetime), true) = (lifetime, is_token) else {
            return Err(DecodeError::new(
                PROVIDER_NAME,
                request.operation(),
                "no `access_token` with `expires_in`",
            )
            .into());
        };
        // `azure_identity` takes whole seconds only, and adds them to the time unchecked.
        let body = json!({ "token_type": "Bearer", "access_token": answer["access_token"], "expires_in": lifetime.as_secs(), "ext_expires_in": lifetime.as_secs() });
        let body = body.to_string();
        let mut headers = Headers::new();
        headers.insert(CONTENT_TYPE, "application/json");
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, headers, body))
    }
}

#[async_trait]
impl azure_core::http::HttpClient for CoreTransport {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        self.send(request).await.map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            azure_core::Error::with_message(ErrorKind::Other, "the request failed")
        })
    }
}

/// An error of the token endpoint. Source: recorded answers, and
/// learn.microsoft.com/entra/identity-platform/reference-error-codes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EntraError {
    error: Option<String>,
    error_description: Option<String>,
    trace_id: Option<String>,
}

/// The error for an answer that is no token: Entra's own code (`AADSTS7000215`) and its first
/// sentence, as one line.
fn refused(operation: &str, response: &Response) -> ApiError {
    let EntraError {
        error,
        error_description,
        trace_id,
    } = decode_json(&response.body).unwrap_or_default();
    // The description goes on with lines of ids and the time, which have fields of their own.
    let description = error_description
        .as_deref()
        .and_then(|text| text.lines().next())
        .unwrap_or_default();
    let (code, message) = match description.split_once(": ") {
        Some((code, message)) if code.starts_with("AADSTS") => (Some(code.to_owned()), message),
        _ => (error, description),
    };
    let hint = code.as_deref().and_then(hint);
    let refusal = token_error(operation, response)
        .with_code(code)
        .with_message((!message.is_empty()).then(|| message.to_owned()))
        .with_request_id(trace_id);
    match hint {
        Some(hint) => refusal.with_hint(hint),
        None => refusal,
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
