//! Signing in at Microsoft Entra ID: with an application's secret or certificate, or as a workload
//! identity, which exchanges a token of another issuer, such as Kubernetes.
//!
//! `azure_identity` writes the request; core's HTTP client sends it, so that deadline, retries,
//! limits and the record of requests apply here too. `azure_identity` alone would retry for a
//! minute whatever the caller's deadline (TLS errors included), and it loses the status and the
//! message of an error whose text has an escaped line end, which is how Entra writes them. It also
//! accepts an empty token, adds any lifetime to the time unchecked, and a token that Azure refused
//! can't be taken out of its cache.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, HttpClient, RetryOptions, Transport,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{self, MAX_SECRET_FILE};
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Secret};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::token::TokenResult;
use super::{Setup, certificate, token};

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// How an application authenticates itself.
enum ClientAuth {
    /// By its secret.
    Secret(Secret),
    /// By a signed statement, its own or that of an issuer it trusts.
    Assertion(Secret),
}

/// A token for the application of the join string, or else that of the variables, by its secret or
/// else its certificate. Where the join string names a client id, it must be that one. User name
/// and password (`AZURE_USERNAME`) aren't supported: Entra retires that flow, and it doesn't work
/// with a second factor.
pub(super) async fn application(setup: &Setup, call: &Call) -> TokenResult {
    if let Some((tenant_id, client_id, secret)) = &setup.application {
        let auth = ClientAuth::Secret(secret.clone());
        return sign_in(setup, tenant_id, client_id, auth, call).await;
    }
    let certificate = setup.variable("AZURE_CLIENT_CERTIFICATE_PATH");
    let secret = setup.variable("AZURE_CLIENT_SECRET");
    let has_secret = secret.is_some();
    let [tenant_id, client_id, secret_or_path] = required([
        ("AZURE_TENANT_ID", setup.variable("AZURE_TENANT_ID")),
        ("AZURE_CLIENT_ID", setup.variable("AZURE_CLIENT_ID")),
        ("AZURE_CLIENT_SECRET", secret.or(certificate)),
    ])?;
    if let Some(chosen) = &setup.options.client_id
        && !chosen.eq_ignore_ascii_case(&client_id)
    {
        let reason = format!("`AZURE_CLIENT_ID` is not the configured `client_id` (`{chosen}`)");
        return Err(SourceOutcome::NotConfigured(reason));
    }
    let auth = if has_secret {
        ClientAuth::Secret(secret_or_path.into())
    } else {
        let assertion =
            certificate::assertion(setup, &secret_or_path, &tenant_id, &client_id, call);
        ClientAuth::Assertion(assertion.await.map_err(|reason| {
            SourceOutcome::failed(format!("cannot use the certificate `{secret_or_path}` of `AZURE_CLIENT_CERTIFICATE_PATH`: {reason}"))
        })?)
    };
    sign_in(setup, &tenant_id, &client_id, auth, call).await
}

/// A token in exchange for the one in the token file. `azure_identity`'s own workload identity
/// reads the file blocking, keeps it for ten minutes, and sends the line end that most such files
/// have; so the file is read here, for each token request.
pub(super) async fn workload_identity(setup: &Setup, call: &Call) -> TokenResult {
    let tenant_id = setup.options.tenant_id.clone();
    let tenant_id = tenant_id.or_else(|| setup.variable("AZURE_TENANT_ID"));
    let [file, tenant_id, client_id] = required([
        (TOKEN_FILE, setup.variable(TOKEN_FILE)),
        ("AZURE_TENANT_ID", tenant_id),
        ("AZURE_CLIENT_ID", setup.client_id()),
    ])?;
    let text = file::read_text(&file, MAX_SECRET_FILE)
        .await
        .map(Secret::new);
    let reason = match text.as_ref().map(|text| text.expose().trim()) {
        Err(error) => error.to_string(),
        Ok("") => "it is empty".to_owned(),
        Ok(token) => {
            let auth = ClientAuth::Assertion(Secret::new(token));
            return sign_in(setup, &tenant_id, &client_id, auth, call).await;
        }
    };
    Err(SourceOutcome::failed(format!(
        "cannot read the token file `{file}` of `{TOKEN_FILE}`: {reason}"
    )))
}

/// The values, all of which are needed, each with the variable that gives it.
fn required<const N: usize>(
    values: [(&str, Option<String>); N],
) -> Result<[String; N], SourceOutcome> {
    let missing = values.iter().filter(|(_, value)| value.is_none());
    let missing: Vec<String> = missing.map(|(name, _)| format!("`{name}`")).collect();
    let verb = match missing.len() {
        0 => return Ok(values.map(|(_, value)| value.unwrap_or_default())),
        1 => "is",
        _ => "are",
    };
    let reason = format!("{} {verb} not set", missing.join(", "));
    Err(SourceOutcome::NotConfigured(reason))
}

/// A token for an application of a tenant; one request and its retries.
async fn sign_in(
    setup: &Setup,
    tenant_id: &str,
    client_id: &str,
    auth: ClientAuth,
    call: &Call,
) -> TokenResult {
    let written = Arc::new(WrittenRequest::default());
    let client_options = ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::clone(&written) as _)),
        // Only the path of the URL is used, since plain http to this machine is for simulators.
        cloud: Some(Arc::new(CloudConfiguration::AzurePublic)),
        ..ClientOptions::default()
    };
    let client = client_id.to_owned();
    let (ClientAuth::Secret(sent) | ClientAuth::Assertion(sent)) = &auth;
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match &auth {
        ClientAuth::Secret(secret) => {
            let options = ClientSecretCredentialOptions { client_options };
            let secret = AzureSecret::new(secret.expose().to_owned());
            ClientSecretCredential::new(tenant_id, client, secret, Some(options)).map(|it| it as _)
        }
        ClientAuth::Assertion(assertion) => {
            let options = ClientAssertionCredentialOptions { client_options };
            let (tenant, assertion) = (tenant_id.to_owned(), StaticAssertion(assertion.clone()));
            ClientAssertionCredential::new(tenant, client, assertion, Some(options))
                .map(|it| it as _)
        }
    };
    let credential = credential.map_err(|error| SourceOutcome::failed(error.to_string()))?;
    // It ends with an error, as the request isn't sent.
    _ = credential.get_token(&[&setup.cloud.scope()], None).await;
    let Some((path, Body::Bytes(form))) = written.0.get() else {
        return Err(SourceOutcome::failed("`azure_identity` wrote no request"));
    };
    let mut url = setup.cloud.authority.clone();
    url.set_path(path);
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let request = Request::post(
        format!("sign in as application `{client_id}`"),
        url,
        form.clone(),
    )
    .with_secret(sent.expose())
    .header(CONTENT_TYPE, form_type)
    .header(ACCEPT, HeaderValue::from_static("application/json"));
    let token = token::request(setup, &request, call).await?;
    Ok(token.into_token(request.operation(), call)?)
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

/// Keeps the path and the body of `azure_identity`'s request in place of sending it.
#[derive(Debug, Default)]
struct WrittenRequest(OnceLock<(String, Body)>);

#[async_trait]
impl HttpClient for WrittenRequest {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        _ = self
            .0
            .set((request.url().path().to_owned(), request.body().clone()));
        let message = "it is sent elsewhere";
        Err(azure_core::Error::with_message(ErrorKind::Other, message))
    }
}
