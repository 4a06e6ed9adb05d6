//! What the machine or the task this runs on knows of itself: its region and its role's keys.
//!
//! EC2's instance metadata service (IMDS), version 2 only, and the task metadata of ECS. Facts:
//! docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html and
//! docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html.

use std::time::Duration;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Request, Response, RetryPolicy, origin_of};
use cloud_autojoin_core::{Call, Context, Error};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::api::AwsApi;

const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const SIX_HOURS: HeaderValue = HeaderValue::from_static("21600");

/// How long the service may take to show that it is there.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The instance metadata service.
#[derive(Debug, Clone)]
pub(crate) struct InstanceMetadata {
    context: Context,
}

impl InstanceMetadata {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
        }
    }

    /// The region of this instance.
    pub(crate) async fn region(&self, call: &Call) -> Result<String, SourceOutcome> {
        #[derive(Deserialize)]
        struct Document {
            region: String,
        }
        let session = self.session(call).await?;
        let document: Document = session
            .json("/latest/dynamic/instance-identity/document", call)
            .await?;
        Ok(document.region)
    }

    /// A session, which every request needs. What answers without giving one isn't the service.
    pub(crate) async fn session(&self, call: &Call) -> Result<Session<'_>, SourceOutcome> {
        let endpoint = self.endpoint()?;
        let mut url = endpoint.clone();
        url.set_path("/latest/api/token");
        let request = Request::get("get a session of the instance metadata service", url)
            .with_method(Method::PUT)
            .header(TOKEN_TTL, SIX_HOURS)
            .no_proxy()
            .classified_by(&AwsApi)
            .retry(
                RetryPolicy::default()
                    .with_max_retries(2)
                    .without_connect_retries(),
            );
        let origin = origin_of(&endpoint);
        let response = match self
            .context
            .http()
            .send(&request, &call.within(PROBE_LIMIT))
            .await
        {
            Ok(response) => response,
            Err(error) => {
                let hint = "in a container on EC2 the hop limit of its metadata options has to be 2 or more";
                return Err(SourceOutcome::Unreachable(format!(
                    "the instance metadata service at {origin} doesn't answer ({error}); {hint}"
                )));
            }
        };
        let token = HeaderValue::from_bytes(response.body.trim_ascii())
            .ok()
            .filter(|token| !token.is_empty());
        match (response.status.as_u16(), token) {
            (200, Some(mut token)) if response.headers.contains_key(TOKEN_TTL) => {
                token.set_sensitive(true);
                Ok(Session {
                    context: &self.context,
                    endpoint,
                    token,
                })
            }
            (403, _) => Err(SourceOutcome::NotConfigured(format!(
                "the instance metadata service at {origin} is turned off (status 403)"
            ))),
            (status @ (429 | 500..), _) => Err(SourceOutcome::Unreachable(format!(
                "the instance metadata service at {origin} failed (status {status})"
            ))),
            (status, _) => Err(SourceOutcome::NotConfigured(format!(
                "what answers at {origin} isn't EC2's instance metadata service (status {status})"
            ))),
        }
    }

    fn endpoint(&self) -> Result<Url, SourceOutcome> {
        let env = self.context.env();
        let is = |name, wanted: &str| {
            env.filled(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        if is("AWS_EC2_METADATA_DISABLED", "true") {
            return Err(SourceOutcome::NotConfigured(
                "turned off by `AWS_EC2_METADATA_DISABLED`".to_owned(),
            ));
        }
        let default = if is("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6") {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        let given = env
            .filled("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .unwrap_or_else(|| default.to_owned());
        let url = Url::parse(&given)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        url.ok_or_else(|| {
            SourceOutcome::failed(
                "`AWS_EC2_METADATA_SERVICE_ENDPOINT` must be a URL of http or https",
            )
        })
    }
}

/// A session with the instance metadata service.
pub(crate) struct Session<'a> {
    context: &'a Context,
    endpoint: Url,
    token: HeaderValue,
}

impl Session<'_> {
    /// The text at `path`; `None` when there is nothing.
    pub(crate) async fn text(
        &self,
        path: &str,
        call: &Call,
    ) -> Result<Option<String>, SourceOutcome> {
        let response = self
            .context
            .http()
            .send(&self.request(path), call)
            .await
            .map_err(SourceOutcome::from)?;
        match response.status {
            StatusCode::OK => Ok(Some(
                String::from_utf8_lossy(response.body.trim_ascii()).into_owned(),
            )),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&self.request(path), &response)),
        }
    }

    /// The JSON at `path`.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        call: &Call,
    ) -> Result<T, SourceOutcome> {
        json(self.context, self.request(path), call).await
    }

    fn request(&self, path: &str) -> Request {
        let mut url = self.endpoint.clone();
        url.set_path(path);
        Request::get("read the metadata of this instance", url)
            .header(TOKEN, self.token.clone())
            .no_proxy()
    }
}

/// The region of the ECS task at the task metadata endpoint `base`.
pub(crate) async fn task_region(
    base: &str,
    context: &Context,
    call: &Call,
) -> Result<String, SourceOutcome> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Task {
        #[serde(rename = "TaskARN")]
        arn: String,
    }
    let url = Url::parse(&format!("{}/task", base.trim_end_matches('/')))
        .map_err(|_| SourceOutcome::failed("`ECS_CONTAINER_METADATA_URI_V4` isn't a URL"))?;
    let task: Task = json(
        context,
        Request::get("read the metadata of this ECS task", url),
        call,
    )
    .await?;
    // arn:aws:ecs:REGION:ACCOUNT:task/...
    let region = task
        .arn
        .split(':')
        .nth(3)
        .filter(|region| !region.is_empty());
    region
        .map(str::to_owned)
        .ok_or_else(|| SourceOutcome::failed("the metadata of this ECS task hold no region"))
}

/// Sends `request` and decodes the JSON of its response.
pub(crate) async fn json<T: DeserializeOwned>(
    context: &Context,
    request: Request,
    call: &Call,
) -> Result<T, SourceOutcome> {
    let answer = context
        .http()
        .json(crate::provider::NAME, &request, call)
        .await
        .map_err(SourceOutcome::from)?;
    match answer {
        cloud_autojoin_core::http::JsonResponse::Success(value, _) => Ok(value),
        cloud_autojoin_core::http::JsonResponse::Failure(response) => {
            Err(refused(&request, &response))
        }
    }
}

fn refused(request: &Request, response: &Response) -> SourceOutcome {
    Error::from(cloud_autojoin_core::ApiError::of_response(
        crate::provider::NAME,
        request.operation(),
        response,
    ))
    .into()
}
