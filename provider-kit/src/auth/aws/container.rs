//! The key of a container's role (ECS, EKS Pod Identity), and what an ECS task knows of itself.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html and
//! docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html.

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Result, file};
use http::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use super::metadata::no_metadata;
use super::{AwsApi, AwsConfig};
use crate::ApiClient;
use crate::auth::{AccessKey, KeyResponse};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// The services of ECS and EKS, which plain HTTP may be spoken to.
const SERVICES: &[&str] = &["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// An ECS task.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    #[serde(rename = "TaskARN")]
    arn: String,
    /// The name or ARN of its cluster.
    #[serde(default)]
    pub cluster: String,
    /// The family of its task definition.
    #[serde(default)]
    pub family: String,
}

impl Task {
    /// The region: `arn:aws:ecs:REGION:ACCOUNT:task/...`.
    pub fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }
}

impl AwsConfig {
    /// The ECS task this runs in, if it does.
    ///
    /// # Errors
    ///
    /// The metadata of the task can't be read.
    pub async fn task(&self, call: &Call) -> Result<Option<Task>> {
        const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
        let Some(base) = self.context.env().filled(VARIABLE) else {
            return Ok(None);
        };
        let url = Url::parse(&format!("{}/task", base.trim_end_matches('/')));
        let url = url.map_err(|_| {
            let outcome = SourceOutcome::failed(format!("`{VARIABLE}` isn't a URL"));
            no_metadata("region", outcome)
        })?;
        let request = Request::get("read the metadata of this ECS task", url);
        self.local_json(request, call).await.map(Some)
    }

    /// The ECS task this runs in.
    ///
    /// # Errors
    ///
    /// As [`AwsConfig::task`]; this isn't one.
    pub async fn own_task(&self, call: &Call) -> Result<Task> {
        let none = || {
            let reason = "`ECS_CONTAINER_METADATA_URI_V4` is not set".to_owned();
            no_metadata("ECS task", SourceOutcome::NotConfigured(reason))
        };
        self.task(call).await?.ok_or_else(none)
    }

    pub(super) async fn container_key(&self, call: &Call) -> Result<AccessKey, SourceOutcome> {
        let operation = "get the key of the role of this container";
        let mut request = Request::get(operation, self.container_url()?);
        let env = self.context.env();
        // The file is read each time: EKS replaces its token before it ends.
        let token = match env.filled("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(path) => Some(read(&path, "the authorization token").await?),
            None => env.filled("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        if let Some(token) = token {
            request.set_header(AUTHORIZATION, secret_header(&token)?);
        }
        self.local_json::<KeyResponse>(request, call)
            .await?
            .into_key()
    }

    fn container_url(&self) -> Result<Url, SourceOutcome> {
        let env = self.context.env();
        let (name, text) = match (env.filled(RELATIVE), env.filled(FULL)) {
            (Some(path), _) => (
                RELATIVE,
                format!("http://{}/{}", SERVICES[0], path.trim_start_matches('/')),
            ),
            (None, Some(url)) => (FULL, url),
            (None, None) => {
                let reason = format!("neither `{RELATIVE}` nor `{FULL}` is set");
                return Err(SourceOutcome::NotConfigured(reason));
            }
        };
        let url = Url::parse(&text).ok().filter(is_allowed);
        url.ok_or_else(|| {
            SourceOutcome::failed(format!(
                "`{name}` must be an https URL, or an http URL of this machine, ECS or EKS"
            ))
        })
    }

    /// The JSON of a service of this machine.
    async fn local_json<T: DeserializeOwned>(&self, request: Request, call: &Call) -> Result<T> {
        let request = match request.url().scheme() {
            "http" => request.no_proxy(),
            _ => request,
        };
        let client = ApiClient::new(&self.context, &AwsApi, request.url().clone());
        client.json(request, call).await
    }
}

fn is_allowed(url: &Url) -> bool {
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return false,
    };
    let is_service = || url.host_str().is_some_and(|host| SERVICES.contains(&host));
    url.scheme() == "https" || url.scheme() == "http" && (is_near || is_service())
}

/// A token in a file.
pub(super) async fn read(path: &str, what: &str) -> Result<String, SourceOutcome> {
    let text = file::read_text(path, file::MAX_SECRET_FILE).await;
    text.map_err(|error| SourceOutcome::failed(format!("cannot read {what} `{path}`: {error}")))
}

/// A token as the value of a header.
pub(super) fn secret_header(token: &str) -> Result<HeaderValue, SourceOutcome> {
    let value = HeaderValue::from_str(token.trim());
    let mut value = value
        .map_err(|_| SourceOutcome::failed("the token holds characters that a token can't have"))?;
    value.set_sensitive(true);
    Ok(value)
}
