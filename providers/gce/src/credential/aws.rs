//! The subject token of a workload on AWS: a signed request that only AWS can answer, with the
//! access key of the environment or of the instance's role. Facts: google.aip.dev/auth/4117.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::auth::{AccessKey, KeyResponse, sigv4};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde_json::json;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::exchange::Exchange;
use super::file::{CredentialSource, ExternalAccount};
use super::unusable;
use crate::provider::NAME;

const OPERATION: &str = "read the AWS credentials of this machine";
const SESSION: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const SESSION_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TARGET: HeaderName = HeaderName::from_static("x-goog-cloud-target-resource");

impl Exchange {
    /// A signed `GetCallerIdentity` request in JSON, which Google's token endpoint sends to AWS.
    pub(super) async fn aws_subject_token(
        &self,
        account: &ExternalAccount,
        call: &Call,
    ) -> Result<Secret> {
        let source = &account.credential_source;
        let env = self.context.env();
        let region = env
            .filled("AWS_REGION")
            .or_else(|| env.filled("AWS_DEFAULT_REGION"));
        let key = env
            .filled("AWS_ACCESS_KEY_ID")
            .zip(env.filled("AWS_SECRET_ACCESS_KEY"));
        let session = match (&region, &key) {
            (Some(_), Some(_)) => None,
            _ => self.aws_session(source, call).await?,
        };
        let region = match region {
            Some(region) => region,
            None => {
                let mut zone = self
                    .aws_text(&source.region_url, "region_url", &session, call)
                    .await?;
                // `us-east-2b` is a zone of `us-east-2`.
                zone.pop();
                zone
            }
        };
        let key = match key {
            Some((id, secret)) => {
                let token = env.filled("AWS_SESSION_TOKEN");
                AccessKey::new(id, secret.into(), token.map(Secret::new))
            }
            None => self.aws_role_key(source, &session, call).await?,
        };
        let url = source.regional_cred_verification_url.as_deref().unwrap_or(
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        );
        let url = parse(
            &url.replace("{region}", &region),
            "regional_cred_verification_url",
        )?;
        signed_request(url, &key, &region, &account.audience, call)
            .ok_or_else(|| unusable("the audience or the AWS access key can't be sent".to_owned()))
    }

    /// A session of the instance metadata service, where the file asks for one.
    async fn aws_session(&self, source: &CredentialSource, call: &Call) -> Result<Option<Secret>> {
        let Some(url) = &source.imdsv2_session_token_url else {
            return Ok(None);
        };
        let request = Request::get(OPERATION, parse(url, "imdsv2_session_token_url")?)
            .with_method(Method::PUT)
            .header(SESSION_TTL, HeaderValue::from_static("300"));
        self.fetch(request.no_proxy(), call)
            .await
            .map(|token| Some(Secret::new(token)))
    }

    async fn aws_role_key(
        &self,
        source: &CredentialSource,
        session: &Option<Secret>,
        call: &Call,
    ) -> Result<AccessKey> {
        let role = self.aws_text(&source.url, "url", session, call).await?;
        let role = role.lines().next().unwrap_or_default();
        let url = source
            .url
            .as_ref()
            .map(|url| format!("{}/{role}", url.trim_end_matches('/')));
        let text = self.aws_text(&url, "url", session, call).await?;
        let invalid = || DecodeError::new(NAME, OPERATION, "it isn't the key of a role");
        let key: KeyResponse = serde_json::from_str(&text).map_err(|_| invalid())?;
        Ok(key.into_key().map_err(|_| invalid())?)
    }

    async fn aws_text(
        &self,
        url: &Option<String>,
        field: &str,
        session: &Option<Secret>,
        call: &Call,
    ) -> Result<String> {
        let missing = || {
            unusable(format!(
                "AWS_REGION, AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY isn't set, and the credential source has no `{field}`"
            ))
        };
        let url = parse(url.as_ref().ok_or_else(missing)?, field)?;
        let mut request = Request::get(OPERATION, url).no_proxy();
        if let Some(value) = session
            .as_ref()
            .and_then(|token| HeaderValue::from_str(token.expose()).ok())
        {
            request.set_header(SESSION, value);
        }
        self.fetch(request, call).await
    }
}

fn parse(url: &str, field: &str) -> Result<Url> {
    Url::parse(url)
        .map_err(|_| unusable(format!("the `{field}` of the credential source is no URL")))
}

/// The signed request in URL-encoded JSON; none if a value can't be in a header.
fn signed_request(
    url: Url,
    key: &AccessKey,
    region: &str,
    audience: &str,
    call: &Call,
) -> Option<Secret> {
    let host = HeaderValue::from_str(url.host_str()?).ok()?;
    let mut request =
        Request::post(OPERATION, url, "").header(TARGET, HeaderValue::from_str(audience).ok()?);
    sigv4::sign(&mut request, key, region, "sts", call.clock().wall()).ok()?;
    request.set_header(http::header::HOST, host);
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Some(json!({"key": name.as_str(), "value": value.to_str().ok()?}))
    };
    let headers = request
        .headers()
        .iter()
        .map(header)
        .collect::<Option<Vec<_>>>()?;
    let text =
        json!({"url": request.url().as_str(), "method": "POST", "headers": headers}).to_string();
    Some(Secret::new(
        byte_serialize(text.as_bytes()).collect::<String>(),
    ))
}
