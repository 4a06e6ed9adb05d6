//! The API's JSON, errors and rate limits (API v2).

use cloud_autojoin_core::http::ResponseClass::{ExpiredCredential, PermissionDenied};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;

use crate::keys::NAME;

/// DigitalOcean's API. Responses without `Retry-After` say in `ratelimit-reset` when the next
/// request is possible.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/id"], &["/message"], &["/request_id"])
    .with_reset_header("ratelimit-reset")
    .with_advice(&[
        Advice::on(ExpiredCredential)
            .hint("check `api_token`: DigitalOcean doesn't know it, or it was revoked"),
        Advice::on(PermissionDenied).permission("droplet:read"),
    ]);

/// A page of `GET /v2/droplets`.
#[derive(Deserialize)]
pub(crate) struct DropletPage {
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
