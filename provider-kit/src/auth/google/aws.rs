//! The subject token of a workload on AWS: a signed request that only AWS can verify, with the
//! access key that AWS's own tools would use. Facts: google.aip.dev/auth/4117.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Result, Secret};
use http::header::{HeaderName, HeaderValue};
use serde_json::json;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::exchange::Exchange;
use super::file::ExternalAccount;
use super::subject_token::url_of;
use super::unusable;
use crate::auth::aws::{AwsConfig, Endpoints};
use crate::auth::{AccessKey, sigv4};

const OPERATION: &str = "read the AWS credentials of this machine";
const TARGET: HeaderName = HeaderName::from_static("x-goog-cloud-target-resource");

impl Exchange<'_> {
    /// A signed `GetCallerIdentity` request in JSON, which Google's token endpoint sends to AWS.
    pub(super) async fn aws_subject_token(&self, account: &ExternalAccount) -> Result<Secret> {
        let source = &account.credential_source;
        let mut metadata = None;
        for (url, field) in [(&source.url, "url"), (&source.region_url, "region_url")] {
            if let Some(url) = url {
                // Their paths are those that AWS's chain reads anyway.
                let mut url = url_of(url, field)?;
                url.set_path("");
                metadata = Some(url);
            }
        }
        let aws = AwsConfig::new(self.context, Endpoints::default());
        let aws = aws.with_metadata_endpoint(metadata);
        let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let region = match self.context.env().first_filled(&variables) {
            Some(region) => region,
            None => aws.region(self.call).await?,
        };
        let key = aws.keys(None).get(&region, self.call).await?;
        let url = source.regional_cred_verification_url.as_deref().unwrap_or(
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        );
        let url = url.replace("{region}", &region);
        let url = url_of(&url, "regional_cred_verification_url")?;
        signed_request(url, &key, &region, &account.audience, self.call)
            .ok_or_else(|| unusable("the audience or the AWS access key can't be sent"))
    }
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
