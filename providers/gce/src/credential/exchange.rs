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
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody, KeySpec, Values};
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer;

use super::file::{Credentials, ExternalAccount, ServiceAccount, User};
use super::unusable;
use crate::provider::NAME;

/// The scope of a token that is exchanged for the one of a service account.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const OPERATION: &str = "get an access token";

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
        ErrorBody::from_json(
            &response.body,
            &["/error", "/error/status"],
            &["/error_description", "/error/message"],
            &[],
        )
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

/// The answer of a token endpoint, the metadata server's too.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    access_token: String,
    expires_in: Option<u64>,
}

impl TokenResponse {
    pub(super) fn into_token(self, call: &Call) -> AccessToken {
        let lifetime = self.expires_in.map_or(LIFETIME, Duration::from_secs);
        AccessToken::new(
            Secret::new(self.access_token),
            call.clock().wall() + lifetime,
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImpersonationResponse {
    access_token: String,
}

/// Exchanges credentials for access tokens.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) context: Context,
}

impl Exchange {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
        }
    }

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
                    self.of_service_account(account, scope, call).await
                }
                Credentials::AuthorizedUser(user) => self.of_user(user, false, call).await,
                Credentials::ExternalAccountAuthorizedUser(user) => {
                    self.of_user(user, true, call).await
                }
                Credentials::ExternalAccount(account) => {
                    self.of_external_account(account, scope, call).await
                }
                Credentials::ImpersonatedServiceAccount(impersonation) => {
                    let source = self
                        .token(&impersonation.source_credentials, IMPERSONATION_SCOPE, call)
                        .await?;
                    self.impersonate(
                        &impersonation.service_account_impersonation_url,
                        &impersonation.delegates,
                        &source,
                        scope,
                        call,
                    )
                    .await
                }
            }
        })
    }

    async fn of_service_account(
        &self,
        account: &ServiceAccount,
        scope: &str,
        call: &Call,
    ) -> Result<AccessToken> {
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
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature =
            sign(account.private_key.expose(), signed.as_bytes()).map_err(|reason| {
                unusable(format!(
                    "cannot use the key of the service account `{}`: {reason}",
                    account.client_email
                ))
            })?;
        let assertion = Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose()),
        ];
        self.post_form("token_uri", &account.token_uri, &form, None, call)
            .await
    }

    async fn of_user(&self, user: &User, basic: bool, call: &Call) -> Result<AccessToken> {
        let User {
            client_id,
            client_secret,
            refresh_token,
            token_uri,
        } = user;
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        if basic {
            let encoded = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
            return self
                .post_form(
                    "token_url",
                    token_uri,
                    &form,
                    Some(Secret::new(format!("Basic {encoded}"))),
                    call,
                )
                .await;
        }
        form.extend([
            ("client_id", client_id.as_str()),
            ("client_secret", client_secret.expose()),
        ]);
        self.post_form("token_uri", token_uri, &form, None, call)
            .await
    }

    async fn of_external_account(
        &self,
        account: &ExternalAccount,
        scope: &str,
        call: &Call,
    ) -> Result<AccessToken> {
        let subject_token = self.subject_token(account, call).await?;
        let impersonation = account.service_account_impersonation_url.as_deref();
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", account.audience.as_str()),
            (
                "scope",
                if impersonation.is_some() {
                    IMPERSONATION_SCOPE
                } else {
                    scope
                },
            ),
            ("subject_token_type", account.subject_token_type.as_str()),
            ("subject_token", subject_token.expose()),
        ];
        let token = self
            .post_form("token_url", &account.token_url, &form, None, call)
            .await?;
        match impersonation {
            Some(url) => self.impersonate(url, &[], &token, scope, call).await,
            None => Ok(token),
        }
    }

    /// The token of the other identity provider.
    async fn subject_token(&self, account: &ExternalAccount, call: &Call) -> Result<Secret> {
        let source = &account.credential_source;
        let text = match (&source.file, &source.url, source.environment_id.as_deref()) {
            (Some(path), ..) => read_text(path, MAX_SECRET_FILE).await.map_err(|error| {
                unusable(format!("cannot read the subject token `{path}`: {error}"))
            })?,
            (_, _, Some("aws1")) => return self.aws_subject_token(account, call).await,
            (None, Some(url), None) => {
                let url = url.parse().map_err(|_| {
                    unusable("the `url` of the credential source is no URL".to_owned())
                })?;
                let mut request = Request::get("get the subject token", url);
                for (name, value) in &source.headers {
                    let (Ok(name), Ok(value)) =
                        (HeaderName::try_from(name), HeaderValue::try_from(value))
                    else {
                        return Err(unusable(format!(
                            "the header `{name}` of the credential source can't be sent"
                        )));
                    };
                    request = request.header(name, value);
                }
                self.fetch(request, call).await?
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

    /// The text of a response.
    pub(super) async fn fetch(&self, request: Request, call: &Call) -> Result<String> {
        let operation = request.operation().to_owned();
        let client = ApiClient::new(&self.context, &TokenApi, request.url().clone());
        let response = client.send(request, call).await?;
        let text = String::from_utf8(response.body.to_vec())
            .map_err(|_| DecodeError::new(NAME, operation, "it isn't text"))?;
        Ok(text.trim().to_owned())
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
        let body = json!({"delegates": delegates, "scope": [scope], "lifetime": format!("{}s", LIFETIME.as_secs())});
        let url = endpoint("service_account_impersonation_url", url)?;
        let request = Request::post(
            "impersonate the service account",
            url.clone(),
            body.to_string(),
        )
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .bearer(source.secret());
        let response: ImpersonationResponse = ApiClient::new(&self.context, &TokenApi, url)
            .json(request, call)
            .await?;
        Ok(AccessToken::new(
            Secret::new(response.access_token),
            call.clock().wall() + LIFETIME,
        ))
    }

    async fn post_form(
        &self,
        key: &'static str,
        url: &str,
        form: &[(&str, &str)],
        authorization: Option<Secret>,
        call: &Call,
    ) -> Result<AccessToken> {
        let url = endpoint(key, url)?;
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post(OPERATION, url.clone(), body).header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(authorization.expose())
                .map_err(|_| unusable("the client secret can't be sent".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response: TokenResponse = ApiClient::new(&self.context, &TokenApi, url)
            .json(request, call)
            .await?;
        Ok(response.into_token(call))
    }
}

/// The URL of a token endpoint, which secrets are sent to.
fn endpoint(key: &'static str, text: &str) -> Result<Url> {
    let spec = KeySpec::new(key, "").values(Values::Endpoint);
    Value::from_key(&spec, key, text)
        .endpoint()
        .map_err(|error| unusable(format!("cannot use the credentials file: {error}")))
}

/// The RS256 signature of `data` with a private key in PEM. The error doesn't repeat the key.
fn sign(pem: &str, data: &[u8]) -> Result<Vec<u8>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "it isn't PEM")?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|_| "it is malformed or of an unsupported kind")?;
    let signer = key
        .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
        .ok_or("it isn't an RSA key")?;
    signer.sign(data).map_err(|_| "it can't sign")
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}
