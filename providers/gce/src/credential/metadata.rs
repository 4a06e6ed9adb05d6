//! The metadata server, which every instance of Compute Engine has: tokens, project, zone.
//!
//! It is recognised by the header `Metadata-Flavor: Google` of its answers; any other server at its
//! address is passed over. It is the last source of the chain, so it has all the time of the call.

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    HttpClient, JsonResponse, Request, Response, ResponseClass, RetryPolicy, origin_of, without_bom,
};
use cloud_autojoin_core::{ApiError, Call, ConfigProblem, Context, DecodeError, Error, Result};
use http::header::{HeaderName, HeaderValue};
use url::Url;

use super::exchange::TokenResponse;
use crate::provider::NAME;

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GOOGLE: HeaderValue = HeaderValue::from_static("Google");

const TOKEN: &str = "instance/service-accounts/default/token";
const GET_TOKEN: &str = "get a token from the metadata server";

/// Asks the metadata server.
#[derive(Debug, Clone)]
pub(crate) struct MetadataServer {
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
    pub(crate) fn new(context: &Context) -> Result<Self, ConfigProblem> {
        // Off Google Cloud the name fails at once, where the address may not answer at all.
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

    /// The text at `path`, as `project/project-id`. `advice` says how to do without it.
    ///
    /// # Errors
    ///
    /// There is no metadata server, another server answers in its place, or it has no such value.
    pub(crate) async fn text(
        &self,
        operation: &str,
        path: &str,
        advice: &str,
        call: &Call,
    ) -> Result<String> {
        let request = self.request(operation, path)?;
        let answered = self.http.send(&request, call).await.and_then(|response| {
            self.accept(operation, &response)?;
            Ok(response.body)
        });
        let body = answered.map_err(|error| match error {
            Error::Transport(error) => error.of_provider(NAME).with_hint(advice).into(),
            Error::Api(error) => error.with_hint(advice).into(),
            Error::Decode(error) => error.with_hint(advice).into(),
            other => other,
        })?;
        match std::str::from_utf8(without_bom(&body)).map(str::trim) {
            Ok(text) if !text.is_empty() && text.len() <= 1000 => Ok(text.to_owned()),
            _ => Err(
                DecodeError::new(NAME, operation, "the value is empty or no text")
                    .with_hint(advice)
                    .into(),
            ),
        }
    }

    /// The zone of this instance.
    pub(crate) async fn zone(&self, call: &Call) -> Result<String> {
        let path = self
            .text(
                "read the zone of this instance",
                "instance/zone",
                "name the zone in place of `self`",
                call,
            )
            .await?;
        // `projects/NUMBER/zones/ZONE`.
        Ok(path.rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn request(&self, operation: &str, path: &str) -> Result<Request> {
        let url = self
            .endpoint
            .join(path)
            .map_err(|_| DecodeError::new(NAME, operation, "no such path"))?;
        Ok(Request::get(operation, url)
            .header(FLAVOR, GOOGLE)
            .no_proxy()
            .retry(RetryPolicy::default().without_connect_retries()))
    }

    /// Fails unless `response` is a successful one of the metadata server.
    fn accept(&self, operation: &str, response: &Response) -> Result<()> {
        if response.headers.get(FLAVOR) != Some(&GOOGLE) {
            return Err(DecodeError::new(NAME, operation, self.foreign()).into());
        }
        if response.class != ResponseClass::Success {
            return Err(ApiError::of_response(NAME, operation, response).into());
        }
        Ok(())
    }

    fn foreign(&self) -> String {
        format!(
            "what answers at {} is not the metadata server of Google Cloud",
            origin_of(&self.endpoint)
        )
    }
}

#[async_trait]
impl Source for MetadataServer {
    fn name(&self) -> &'static str {
        "metadata server"
    }

    /// Without a scope: the token has those of the instance.
    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let request = self.request(GET_TOKEN, TOKEN)?;
        let (answer, response) = match self.http.json::<TokenResponse>(NAME, &request, call).await {
            Ok(JsonResponse::Success(answer, response)) => (Some(answer), response),
            Ok(JsonResponse::Failure(response)) => (None, response),
            Err(error @ Error::Transport(_)) if error.is_transient() => {
                return Err(SourceOutcome::Unreachable(format!(
                    "no metadata server at {}",
                    origin_of(&self.endpoint)
                )));
            }
            Err(Error::Decode(_)) => return Err(SourceOutcome::NotConfigured(self.foreign())),
            Err(error) => return Err(error.into()),
        };
        match (self.accept(GET_TOKEN, &response), answer) {
            (Ok(()), Some(answer)) => Ok(answer.into_token(call)),
            (Err(Error::Api(error)), _) if error.status() == 404 => Err(
                SourceOutcome::NotConfigured("this instance has no service account".to_owned()),
            ),
            (Err(Error::Decode(_)), _) => Err(SourceOutcome::NotConfigured(self.foreign())),
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => {
                Err(Error::from(DecodeError::new(NAME, GET_TOKEN, "no token in it")).into())
            }
        }
    }
}
