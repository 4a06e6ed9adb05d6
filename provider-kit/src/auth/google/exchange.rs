//! From what a credentials file holds to an access token, by OAuth 2.0.

use std::time::{Duration, UNIX_EPOCH};

use cloud_autojoin_core::config::Value as KeyValue;
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::http::{Request, Response, ResponseClassifier};
use cloud_autojoin_core::{ApiError, Call, ConfigError, Context, Result, Secret};
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use super::file::{Client, Credentials, ExternalAccount, GOOGLE_TOKEN_URI, ServiceAccount};
use super::{NAME, unusable};
use crate::auth::{PrivateKey, StaticHeader};
use crate::{Api, ApiClient, ErrorBody, KeySpec, Values};

/// The scope of a token that is exchanged for the one of a service account.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The lifetime of a requested token, which is the longest that Google allows.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// The token endpoints, which report errors as OAuth 2.0 does (RFC 6749) or as Google's APIs do.
pub(super) struct TokenApi;

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

/// The fields of a form that hold secrets.
const SECRET_FIELDS: &[&str] = &[
    "assertion",
    "refresh_token",
    "client_secret",
    "subject_token",
];

/// The response of a token endpoint, of the metadata server or to an impersonation.
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
pub(super) struct Exchange<'a> {
    pub(super) context: &'a Context,
    pub(super) call: &'a Call,
}

impl Exchange<'_> {
    /// The access token of `credentials` for `scope`.
    ///
    /// # Errors
    ///
    /// The file holds what can't be used, or a token endpoint refuses it.
    pub(super) fn token<'a>(
        &'a self,
        credentials: &'a Credentials,
        scope: &'a str,
    ) -> BoxFuture<'a, Result<AccessToken>> {
        // Boxed, as the source of an impersonation may be impersonated too.
        Box::pin(async move {
            match credentials {
                Credentials::ServiceAccount(account) => {
                    let claims = json!({"scope": scope, "aud": account.token_uri});
                    let assertion = self.sign(account, claims)?;
                    let form = [
                        ("grant_type", JWT_BEARER),
                        ("assertion", assertion.expose()),
                    ];
                    self.grant(&account.token_uri, &form, None).await
                }
                Credentials::AuthorizedUser(user) => {
                    let Client {
                        client_id,
                        client_secret,
                    } = &user.client;
                    let form = [
                        ("grant_type", "refresh_token"),
                        ("refresh_token", user.refresh_token.expose()),
                        ("client_id", client_id),
                        ("client_secret", client_secret.expose()),
                    ];
                    self.grant(&user.token_uri, &form, None).await
                }
                Credentials::ExternalAccountAuthorizedUser(user) => {
                    let token = user.refresh_token.expose();
                    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
                    self.grant(&user.token_uri, &form, Some(&user.client)).await
                }
                Credentials::ExternalAccount(account) => self.federated(account, scope).await,
                Credentials::ImpersonatedServiceAccount(account) => {
                    let source = &account.source_credentials;
                    let source = self.token(source, IMPERSONATION_SCOPE).await?;
                    let url = &account.service_account_impersonation_url;
                    let delegates = &account.delegates;
                    self.impersonate(url, delegates, &source, scope).await
                }
            }
        })
    }

    async fn federated(&self, account: &ExternalAccount, scope: &str) -> Result<AccessToken> {
        let subject_token = self.subject_token(account).await?;
        let impersonation = account.service_account_impersonation_url.as_deref();
        let client = account.client.as_ref();
        let project = account.workforce_pool_user_project.as_ref();
        let options = project.map(|project| json!({"userProject": project}).to_string());
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", &account.audience),
            (
                "scope",
                impersonation.map_or(scope, |_| IMPERSONATION_SCOPE),
            ),
            ("subject_token_type", &account.subject_token_type),
            ("subject_token", subject_token.expose()),
        ];
        if let (Some(options), None) = (&options, client) {
            form.push(("options", options));
        }
        let token = self.grant(&account.token_url, &form, client).await?;
        match impersonation {
            Some(url) => self.impersonate(url, &[], &token, scope).await,
            None => Ok(token),
        }
    }

    /// The token of the service account of `url`, as the identity of `source`.
    async fn impersonate(
        &self,
        url: &str,
        delegates: &[String],
        source: &AccessToken,
        scope: &str,
    ) -> Result<AccessToken> {
        let lifetime = format!("{}s", LIFETIME.as_secs());
        let body = json!({"delegates": delegates, "scope": [scope], "lifetime": lifetime});
        let url = endpoint("service_account_impersonation_url", url)?;
        let request = Request::post_json("impersonate the service account", url, &body);
        self.send(request.bearer(source.secret()), None).await
    }

    /// The token for a form; `client` authenticates itself by its secret.
    async fn grant(
        &self,
        url: &str,
        form: &[(&str, &str)],
        client: Option<&Client>,
    ) -> Result<AccessToken> {
        let url = endpoint("token_uri", url)?;
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let secrets = form.iter().filter(|(name, _)| SECRET_FIELDS.contains(name));
        let request = Request::post("get an access token", url, body);
        let request = secrets.fold(request, |request, (_, secret)| request.with_secret(secret));
        self.send(request.header(CONTENT_TYPE, FORM), client).await
    }

    async fn send(&self, request: Request, client: Option<&Client>) -> Result<AccessToken> {
        let basic = client.map(|client| {
            StaticHeader::basic("client_secret", &client.client_id, &client.client_secret)
        });
        let basic = basic.transpose();
        let basic = basic.map_err(|problem| ConfigError::new(Some(NAME), problem))?;
        let api = ApiClient::new(self.context, &TokenApi, request.url().clone());
        let api = api.with_optional_authorizer(basic.map(|basic| basic as _));
        let response: TokenResponse = api.json(request, self.call).await?;
        Ok(response.into_token(self.call))
    }

    /// The access token for `scope` that the key of a service account signs by itself, which saves
    /// the request for one (google.aip.dev/auth/4111). None for other credentials, for a key
    /// without an id, which Google needs to verify the token, and for one with a token endpoint of
    /// its own, which is there for a reason.
    ///
    /// # Errors
    ///
    /// The key can't be used.
    pub(super) fn self_signed(
        &self,
        credentials: &Credentials,
        scope: &str,
    ) -> Result<Option<AccessToken>> {
        let Credentials::ServiceAccount(account) = credentials else {
            return Ok(None);
        };
        if account.token_uri != GOOGLE_TOKEN_URI || account.private_key_id.is_none() {
            return Ok(None);
        }
        let claims = json!({"sub": account.client_email, "scope": scope});
        let end = self.call.clock().wall() + LIFETIME;
        Ok(Some(AccessToken::new(self.sign(account, claims)?, end)))
    }

    /// A JSON Web Token of these claims that a service account signs (RFC 7523). The error doesn't
    /// repeat the key.
    fn sign(&self, account: &ServiceAccount, mut claims: Value) -> Result<Secret> {
        let now = self.call.clock().wall().duration_since(UNIX_EPOCH);
        let issued = now.unwrap_or_default();
        let header = json!({"kid": account.private_key_id});
        let email = &account.client_email;
        claims["iss"] = json!(email);
        claims["iat"] = json!(issued.as_secs());
        claims["exp"] = json!((issued + LIFETIME).as_secs());
        let key = PrivateKey::from_pem(account.private_key.expose());
        let token = key.and_then(|key| key.jwt("RS256", header, &claims));
        token.map_err(|reason| {
            let problem = format!("cannot use the key of the service account `{email}`: {reason}");
            unusable(problem)
        })
    }
}

/// The URL of a token endpoint, which secrets are sent to.
fn endpoint(key: &'static str, text: &str) -> Result<Url> {
    let spec = KeySpec::new(key, "").values(Values::Endpoint);
    let url = KeyValue::from_key(&spec, key, text).endpoint();
    url.map_err(|error| unusable(format!("cannot use the credentials file: {error}")))
}
