//! The API's JSON, errors and rate limits (API v2).

use std::time::{Duration, SystemTime};

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::api::retry_after_or_reset;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::NAME;

/// What is particular about DigitalOcean's API.
pub(crate) struct DigitalOceanApi;

impl ResponseClassifier for DigitalOceanApi {
    /// Responses without `Retry-After` say in `ratelimit-reset` when the next request is possible,
    /// in seconds of Unix time.
    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        retry_after_or_reset(response, "ratelimit-reset", now)
    }
}

impl Api for DigitalOceanApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_json(&response.body, &["/id"], &["/message"], &["/request_id"])
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => error
                .with_hint("check `api_token`: DigitalOcean doesn't know it, or it was revoked"),
            ResponseClass::PermissionDenied => error.with_missing_permission("droplet:read"),
            _ => error,
        }
    }
}

/// A page of `GET /v2/droplets`.
#[derive(Deserialize)]
pub(crate) struct DropletPage {
    #[serde(default)]
    pub(crate) droplets: Vec<Droplet>,
    links: Option<Links>,
}

impl DropletPage {
    /// The link to the next page.
    pub(crate) fn next(&self) -> Option<&str> {
        self.links.as_ref()?.pages.as_ref()?.next.as_deref()
    }
}

#[derive(Deserialize)]
struct Links {
    pages: Option<PageLinks>,
}

#[derive(Deserialize)]
struct PageLinks {
    next: Option<String>,
}

/// A droplet. Everything but its id may be absent while it is being created.
#[derive(Deserialize)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    /// `new`, `active`, `off` or `archive`.
    #[serde(default)]
    pub(crate) status: String,
    pub(crate) region: Option<Region>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) networks: Option<Networks>,
}

#[derive(Deserialize)]
pub(crate) struct Region {
    #[serde(default)]
    pub(crate) slug: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Networks {
    #[serde(default)]
    pub(crate) v4: Vec<Network>,
    #[serde(default)]
    pub(crate) v6: Vec<Network>,
}

#[derive(Deserialize)]
pub(crate) struct Network {
    pub(crate) ip_address: String,
    /// `private` or `public`.
    #[serde(rename = "type")]
    pub(crate) scope: String,
}
