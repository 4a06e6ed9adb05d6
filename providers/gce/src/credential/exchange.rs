//! From what a credentials file holds to an access token, by OAuth 2.0.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::http::{Request, Response, ResponseClassifier};
use cloud_autojoin_core::{ApiError, Call, Context, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::auth::PrivateKey;
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody, KeySpec, Values};
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer;

use super::file::{Client, Credentials, ExternalAccount, ServiceAccount};
use super::unusable;
use crate::provider::NAME;

/// The scope of a token that is exchanged for the one of a service account.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long a token lives that is asked for, which is the most that Google allows.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The token endpoints, which report errors as OAuth 2.0 does (RFC 6749) or as Google's APIs do.
struct TokenApi;

impl ResponseClassifier for TokenApi {}

impl Api for TokenApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let code = ["/error", "/error/status"];
        let message = ["/error_description", "/error/message"];
        ErrorBody::from_json(&response.body, &code, &message, &[])
    }

    fn explain(&self, error: ApiError, _: &Request, _: &Response) -> ApiError {
        match error.code() {
            Some("invalid_grant") => error.with_hint("the key was deleted or disabled, the login expired, or the clock of this machine is wrong"),
            Some("PERMISSION_DENIED") => error
                .with_missing_permission("iam.serviceAccounts.getAccessToken")
                .with_hint("grant `roles/iam.serviceAccountTokenCreator` on the service account that is impersonated"),
            _ if matches!(error.status(), 400..=403) => error.with_hint("check the credentials file: the token endpoint refuses what it holds"),
            _ => error,
        }
    }
}

/// The answer of a token endpoint, the metadata server's and that of an impersonation too.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    #[serde(alias = "accessToken")]
    access_token: String,
    expires_in: Option<u64>,
}

impl TokenResponse {
    pub(super) fn into_token(self, call: &Call) -> AccessToken {
        let lifetime = self.expires_in.map_or(LIFETIME, Duration::from_secs);
        let end = call.clock().wall() + lifetime;
        AccessToken::new(Secret::new(self.access_token), end)
    }
}

/// Exchanges credentials for access tokens.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) context: Context,
}

impl Exchange {
    /// The access token of `credentials` for `scope`.
    ///
    /// # Errors
    ///
    /// The file holds what can't be used, or a token endpoint refuses it.
    pub(super) fn token<'a>(
        &'a self,
        credentials: &'a Credentials,
        scope: &'a str,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<AccessToken>> {
        // Boxed, as the source of an impersonation may be impersonated too.
        Box::pin(async move {
            match credentials {
                Credentials::ServiceAccount(account) => {
                    let assertion = assertion(account, scope, call).map_err(|reason| {
                        let email = &account.client_email;
                        unusable(format!(
                            "cannot use the key of the service account `{email}`: {reason}"
                        ))
                    })?;
                    let form = [
                        ("grant_type", JWT_BEARER),
                        ("assertion", assertion.expose()),
                    ];
                    self.grant(&account.token_uri, &form, None, call).await
                }
                Credentials::AuthorizedUser(user) => {
                    let Client {
                        client_id,
                        client_secret,
                    } = &user.client;
                    let mut form = user.form();
                    form.push(("client_id", client_id));
                    form.push(("client_secret", client_secret.expose()));
                    self.grant(&user.token_uri, &form, None, call).await
                }
                Credentials::ExternalAccountAuthorizedUser(user) => {
                    let client = Some(&user.client);
                    self.grant(&user.token_uri, &user.form(), client, call)
                        .await
                }
                Credentials::ExternalAccount(account) => {
                    self.of_external_account(account, scope, call).await
                }
                Credentials::ImpersonatedServiceAccount(account) => {
                    let source = &account.source_credentials;
                    let source = self.token(source, IMPERSONATION_SCOPE, call).await?;
                    let url = &account.service_account_impersonation_url;
                    self.impersonate(url, &account.delegates, &source, scope, call)
                        .await
                }
            }
        })
    }

    async fn of_external_account(
        &self,
        account: &ExternalAccount,
        scope: &str,
        call: &Call,
    ) -> Result<AccessToken> {
        let subject_token = self.subject_token(account, call).await?;
        let impersonation = account.service_account_impersonation_url.as_deref();
        let first_scope = if impersonation.is_some() {
            IMPERSONATION_SCOPE
        } else {
            scope
        };
        let options = account.workforce_pool_user_project.as_ref();
        let options = options.map(|project| json!({"userProject": project}).to_string());
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", &account.audience),
            ("scope", first_scope),
            ("subject_token_type", &account.subject_token_type),
            ("subject_token", subject_token.expose()),
        ];
        let client = account.client.as_ref();
        let options = options.as_deref().filter(|_| client.is_none());
        form.extend(options.map(|options| ("options", options)));
        let token = self.grant(&account.token_url, &form, client, call).await?;
        match impersonation {
            Some(url) => self.impersonate(url, &[], &token, scope, call).await,
            None => Ok(token),
        }
    }

    /// The token of the other identity provider.
    async fn subject_token(&self, account: &ExternalAccount, call: &Call) -> Result<Secret> {
        const OPERATION: &str = "get the subject token";
        let source = &account.credential_source;
        let text = match (&source.file, &source.url, source.environment_id.as_deref()) {
            (Some(path), ..) => read_text(path, MAX_SECRET_FILE).await.map_err(|error| {
                unusable(format!("cannot read the subject token `{path}`: {error}"))
            })?,
            (_, _, Some("aws1")) => return self.aws_subject_token(account, call).await,
            (None, Some(url), None) => {
                let problem =
                    |_| unusable("the `url` of the credential source is no URL".to_owned());
                let url: Url = url.parse().map_err(problem)?;
                let mut request = Request::get(OPERATION, url.clone());
                for (name, value) in &source.headers {
                    let header = HeaderName::try_from(name)
                        .ok()
                        .zip(HeaderValue::try_from(value).ok());
                    let (name, value) = header.ok_or_else(|| {
                        unusable(format!(
                            "the header `{name}` of the credential source can't be sent"
                        ))
                    })?;
                    request.set_header(name, value);
                }
                let client = ApiClient::new(&self.context, &TokenApi, url);
                let response = client.send(request, call).await?;
                String::from_utf8(response.body.to_vec())
                    .map_err(|_| DecodeError::new(NAME, OPERATION, "it isn't text"))?
            }
            (.., kind) => {
                let kind = kind.unwrap_or("executable or certificate");
                return Err(unusable(format!(
                    "the credential source `{kind}` isn't supported: use a `file`, `url` or `aws1` source"
                )));
            }
        };
        source.subject_token(&text).map_err(unusable)
    }

    /// The token of the service account of `url`, as the identity of `source`.
    async fn impersonate(
        &self,
        url: &str,
        delegates: &[String],
        source: &AccessToken,
        scope: &str,
        call: &Call,
    ) -> Result<AccessToken> {
        let lifetime = format!("{}s", LIFETIME.as_secs());
        let body = json!({"delegates": delegates, "scope": [scope], "lifetime": lifetime});
        let url = endpoint("service_account_impersonation_url", url)?;
        let request = Request::post("impersonate the service account", url, body.to_string());
        let request = request.header(CONTENT_TYPE, JSON).bearer(source.secret());
        self.send(request, call).await
    }

    /// The token for a form; `client` authenticates itself by its secret.
    async fn grant(
        &self,
        url: &str,
        form: &[(&str, &str)],
        client: Option<&Client>,
        call: &Call,
    ) -> Result<AccessToken> {
        let url = endpoint("token_uri", url)?;
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post("get an access token", url, body);
        request.set_header(CONTENT_TYPE, FORM);
        if let Some(Client {
            client_id,
            client_secret,
        }) = client
        {
            let encoded = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
                .map_err(|_| unusable("the client secret can't be sent".to_owned()))?;
            value.set_sensitive(true);
            request.set_header(AUTHORIZATION, value);
        }
        self.send(request, call).await
    }

    async fn send(&self, request: Request, call: &Call) -> Result<AccessToken> {
        let client = ApiClient::new(&self.context, &TokenApi, request.url().clone());
        let response: TokenResponse = client.json(request, call).await?;
        Ok(response.into_token(call))
    }
}

/// The assertion that a service account signs (RFC 7523). The error doesn't repeat the key.
fn assertion(account: &ServiceAccount, scope: &str, call: &Call) -> Result<Secret, &'static str> {
    let issued = call
        .clock()
        .wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
    let claims = json!({
        "iss": account.client_email, "scope": scope, "aud": account.token_uri,
        "iat": issued.as_secs(), "exp": (issued + LIFETIME).as_secs(),
    });
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = parts.join(".");
    match PrivateKey::from_pem(account.private_key.expose())?.sign(signed.as_bytes())? {
        ("rsa-sha256", signature) => {
            let signature = URL_SAFE_NO_PAD.encode(signature);
            Ok(Secret::new(format!("{signed}.{signature}")))
        }
        _ => Err("not an RSA key"),
    }
}

/// The URL of a token endpoint, which secrets are sent to.
fn endpoint(key: &'static str, text: &str) -> Result<Url> {
    let spec = KeySpec::new(key, "").values(Values::Endpoint);
    let url = Value::from_key(&spec, key, text).endpoint();
    url.map_err(|error| unusable(format!("cannot use the credentials file: {error}")))
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}
