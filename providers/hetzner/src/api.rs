//! The API's JSON, errors and rate limits (API v1).

use std::collections::BTreeMap;

use cloud_autojoin_core::http::ResponseClass::{ExpiredCredential, PermissionDenied};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;

use crate::keys::NAME;

/// Hetzner Cloud's API. `RateLimit-Reset` says when the limit is whole again.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/error/code"], &["/error/message"], &[])
    .with_reset_header("ratelimit-reset")
    .with_advice(&[
        Advice::on(ExpiredCredential)
            .hint("check `api_token`: Hetzner Cloud doesn't know it, or it was deleted"),
        Advice::on(PermissionDenied)
            .permission("Read")
            .hint("use a token with the permission `PERMISSION` of this project"),
        Advice::on_code("invalid_input")
            .hint("check the syntax of `label_selector`, such as `role=consul` or `role in (a,b)`"),
    ]);

/// A page of `GET /v1/servers`.
#[derive(Deserialize)]
pub(crate) struct ServerPage {
    pub(crate) servers: Vec<Server>,
    meta: Meta,
}

impl ServerPage {
    /// The number of the next page.
    pub(crate) fn next(&self) -> Option<u64> {
        self.meta.pagination.next_page
    }
}

/// A page of `GET /v1/networks`.
#[derive(Deserialize)]
pub(crate) struct NetworkPage {
    pub(crate) networks: Vec<Network>,
}

#[derive(Deserialize)]
pub(crate) struct Network {
    pub(crate) id: u64,
}

#[derive(Deserialize)]
struct Meta {
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Pagination {
    next_page: Option<u64>,
}

/// A server.
#[derive(Deserialize)]
pub(crate) struct Server {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    /// `running`, `off`, `initializing`, ...
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    location: Option<Location>,
    /// Where the location was before July 2026.
    datacenter: Option<Datacenter>,
    #[serde(default)]
    pub(crate) private_net: Vec<PrivateNet>,
    #[serde(default)]
    pub(crate) public_net: PublicNet,
}

impl Server {
    /// The name of its location, `fsn1`.
    pub(crate) fn location(&self) -> &str {
        let location = self
            .location
            .as_ref()
            .or_else(|| self.datacenter.as_ref()?.location.as_ref());
        location.map_or("", |location| &location.name)
    }
}

#[derive(Deserialize)]
struct Location {
    name: String,
}

#[derive(Deserialize)]
struct Datacenter {
    location: Option<Location>,
}

#[derive(Deserialize)]
pub(crate) struct PrivateNet {
    pub(crate) network: u64,
    #[serde(default)]
    pub(crate) ip: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct PublicNet {
    pub(crate) ipv4: Option<PublicIp>,
    pub(crate) ipv6: Option<PublicIp>,
}

/// An IPv4 address, or a block of IPv6 addresses.
#[derive(Deserialize)]
pub(crate) struct PublicIp {
    #[serde(default)]
    pub(crate) ip: String,
}
