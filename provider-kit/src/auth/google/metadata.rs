//! The metadata server, which every instance of Compute Engine has: tokens, project, zone.
//!
//! It is recognised by the header `Metadata-Flavor: Google` of its responses; any other server at
//! its address is passed over. It is the last source of the chain, so it has all the time of the
//! call.

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    HttpClient, JsonResponse, Request, Response, ResponseClass, RetryPolicy, origin_of, without_bom,
};
use cloud_autojoin_core::{ApiError, Call, ConfigProblem, Context, DecodeError, Error, Result};
use http::header::{HeaderName, HeaderValue};
use url::Url;

use super::NAME;
use super::exchange::TokenResponse;

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GOOGLE: HeaderValue = HeaderValue::from_static("Google");

const TOKEN: &str = "instance/service-accounts/default/token";
const GET_TOKEN: &str = "get a token from the metadata server";

/// A client of the metadata server.
#[derive(Debug, Clone)]
pub struct MetadataServer {
    http: HttpClient,
    endpoint: Url,
}

impl MetadataServer {
    /// The metadata server of this instance, or the one that GCE_METADATA_HOST names (`HOST` or
    /// `HOST:PORT`).
    ///
    /// # Errors
    ///
    /// The variable holds neither.
    pub fn new(context: &Context) -> Result<Self, ConfigProblem> {
        // Off Google Cloud the name fails at once, where the address may not respond at all.
        let host = context
            .env()
            .filled("GCE_METADATA_HOST")
            .unwrap_or_else(|| "metadata.google.internal".to_owned());
        let host = host
            .strip_prefix("http://")
            .unwrap_or(&host)
            .trim_end_matches('/');
        match Url::parse(&format!("http://{host}/computeMetadata/v1/")) {
            Ok(endpoint) if endpoint.path() == "/computeMetadata/v1/" => Ok(Self {
                http: context.http().clone(),
                endpoint,
            }),
            _ => Err(ConfigProblem::new("GCE_METADATA_HOST is no host")
                .with_hint("set it to `HOST` or `HOST:PORT`, or unset it")),
        }
    }

    /// The text at `path`, as `project/project-id`. `advice` is the hint of an error.
    ///
    /// # Errors
    ///
    /// There is no metadata server, another server responds in its place, or it has no such value.
    pub async fn text(
        &self,
        operation: &str,
        path: &str,
        advice: &str,
        call: &Call,
    ) -> Result<String> {
        let read = async {
            let request = self.request(operation, path)?;
            let response = self.http.send(&request, call).await?;
            if !is_google(&response) {
                return Err(DecodeError::new(NAME, operation, self.foreign()).into());
            }
            if response.class != ResponseClass::Success {
                return Err(ApiError::of_response(NAME, operation, &response).into());
            }
            let text = std::str::from_utf8(without_bom(&response.body)).map(str::trim);
            let text = text.ok().filter(|text| (1..=1000).contains(&text.len()));
            let problem = || DecodeError::new(NAME, operation, "the value is empty or no text");
            Ok(text.ok_or_else(problem)?.to_owned())
        };
        read.await.map_err(|error| match error {
            Error::Transport(error) => error.of_provider(NAME).with_hint(advice).into(),
            other => other.with_hint(advice),
        })
    }

    /// The zone of this instance.
    pub async fn zone(&self, call: &Call) -> Result<String> {
        let operation = "read the zone of this instance";
        let advice = "name the zone in place of `self`";
        let text = self.text(operation, "instance/zone", advice, call).await?;
        // `projects/NUMBER/zones/ZONE`.
        Ok(text.rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn request(&self, operation: &str, path: &str) -> Result<Request> {
        let invalid = |_| DecodeError::new(NAME, operation, "no such path");
        let url = self.endpoint.join(path).map_err(invalid)?;
        Ok(Request::get(operation, url)
            .header(FLAVOR, GOOGLE)
            .no_proxy()
            .retry(RetryPolicy::default().without_connect_retries()))
    }

    fn foreign(&self) -> String {
        let origin = origin_of(&self.endpoint);
        format!("what answers at {origin} is not the metadata server of Google Cloud")
    }
}

#[async_trait]
impl CredentialSource for MetadataServer {
    fn name(&self) -> &'static str {
        "metadata server"
    }

    /// Without a scope: the token has those of the instance.
    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let request = self.request(GET_TOKEN, TOKEN)?;
        let (token, response) = match self.http.json::<TokenResponse>(NAME, &request, call).await {
            Ok(JsonResponse::Success(token, response)) => (Some(token), response),
            Ok(JsonResponse::Failure(response)) => (None, response),
            Err(error @ Error::Transport(_)) if error.is_transient() => {
                let origin = origin_of(&self.endpoint);
                let reason = format!("no metadata server at {origin}");
                return Err(SourceOutcome::Unreachable(reason));
            }
            Err(Error::Decode(_)) => return Err(SourceOutcome::NotConfigured(self.foreign())),
            Err(error) => return Err(error.into()),
        };
        match (token, response.class) {
            _ if !is_google(&response) => Err(SourceOutcome::NotConfigured(self.foreign())),
            (Some(token), ResponseClass::Success) => Ok(token.into_token(call)),
            (_, ResponseClass::NotFound) => {
                let reason = "this instance has no service account".to_owned();
                Err(SourceOutcome::NotConfigured(reason))
            }
            _ => Err(Error::from(ApiError::of_response(NAME, GET_TOKEN, &response)).into()),
        }
    }
}

/// Whether the metadata server gave this response, and no other server in its place.
fn is_google(response: &Response) -> bool {
    response.headers.get(FLAVOR) == Some(&GOOGLE)
}
