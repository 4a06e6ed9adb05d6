//! The keys of a task's or pod's role: ECS, EKS Pod Identity, or a program beside this one.
//!
//! Facts: docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html.

use async_trait::async_trait;
use cloud_autojoin_core::credential::Source;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Context, Result, Secret, file};
use http::header::{AUTHORIZATION, HeaderValue};
use url::{Host, Url};

use super::Credential;
use super::shape::CredentialJson;
use crate::metadata;

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const ECS: &str = "http://169.254.170.2";

/// The services of ECS and EKS, which plain HTTP may be spoken to.
const SERVICES: &[&str] = &["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// The source `container credentials`.
#[derive(Debug)]
pub(super) struct Container(pub(super) Context);

#[async_trait]
impl Source<Credential> for Container {
    fn name(&self) -> &'static str {
        "container credentials"
    }

    async fn token(&self, _: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let mut request = Request::get("get the keys of the role of this container", self.url()?);
        if let Some(token) = self.authorization().await? {
            let value = HeaderValue::from_str(token.expose().trim());
            let mut value = value.map_err(|_| SourceOutcome::failed("the authorization token of the container holds characters that a token can't have"))?;
            value.set_sensitive(true);
            request.set_header(AUTHORIZATION, value);
        }
        metadata::json::<CredentialJson>(&self.0, request, call)
            .await?
            .into_credential(call)
    }
}

impl Container {
    fn url(&self) -> Result<Url, SourceOutcome> {
        let env = self.0.env();
        let (name, text) = match (env.filled(RELATIVE), env.filled(FULL)) {
            (Some(path), _) => (RELATIVE, format!("{ECS}/{}", path.trim_start_matches('/'))),
            (None, Some(url)) => (FULL, url),
            (None, None) => {
                return Err(SourceOutcome::NotConfigured(format!(
                    "neither `{RELATIVE}` nor `{FULL}` is set"
                )));
            }
        };
        let is_allowed = |url: &Url| {
            url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_near(url)
        };
        let url = Url::parse(&text).ok().filter(is_allowed);
        url.ok_or_else(|| {
            SourceOutcome::failed(format!(
                "`{name}` must be an https URL, or an http URL of this machine, ECS or EKS"
            ))
        })
    }

    /// The file is read each time: EKS replaces its token before it ends.
    async fn authorization(&self) -> Result<Option<Secret>, SourceOutcome> {
        let env = self.0.env();
        let Some(path) = env.filled("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") else {
            return Ok(env
                .filled("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map(Secret::new));
        };
        match file::read_text(&path, file::MAX_SECRET_FILE).await {
            Ok(token) => Ok(Some(Secret::new(token))),
            Err(error) => Err(SourceOutcome::failed(format!(
                "cannot read the authorization token `{path}`: {error}"
            ))),
        }
    }
}

fn is_near(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    is_loopback || url.host_str().is_some_and(|host| SERVICES.contains(&host))
}
