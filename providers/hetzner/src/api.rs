//! The API's JSON, errors and rate limits (API v1).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::api::retry_after_or_reset;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::NAME;

/// What is particular about Hetzner Cloud's API.
pub(crate) struct HetznerApi;

impl ResponseClassifier for HetznerApi {
    /// `RateLimit-Reset` says when the limit is whole again, in seconds of Unix time.
    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        retry_after_or_reset(response, "ratelimit-reset", now)
    }
}

impl Api for HetznerApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_json(&response.body, &["/error/code"], &["/error/message"], &[])
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match (response.class, error.code()) {
            (ResponseClass::ExpiredCredential, _) => error
                .with_hint("check `api_token`: Hetzner Cloud doesn't know it, or it was deleted"),
            (ResponseClass::PermissionDenied, _) => error
                .with_missing_permission("Read")
                .with_hint("use a token with the permission `Read` of this project"),
            (_, Some("invalid_input")) => error.with_hint(
                "check the syntax of `label_selector`, such as `role=consul` or `role in (a,b)`",
            ),
            _ => error,
        }
    }
}

/// A page of `GET /v1/servers`.
#[derive(Deserialize)]
pub(crate) struct ServerPage {
    pub(crate) servers: Vec<Server>,
    #[serde(default)]
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

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
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
