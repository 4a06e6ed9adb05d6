//! The API's JSON, errors and rate limits (API v4).

use std::time::{Duration, SystemTime};

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::api::retry_after_or_reset;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::{LIST_VPC_ADDRESSES, NAME};

/// What is particular about Linode's API.
pub(crate) struct LinodeApi;

impl ResponseClassifier for LinodeApi {
    /// Status 400 passes where Linode is busy, and where its load balancer answers in HTML.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let is_busy = || {
            response.body.starts_with(b"<")
                || response
                    .body
                    .windows(12)
                    .any(|text| text == b"Linode busy.")
        };
        match response.status.as_u16() {
            400 if is_busy() => ResponseClass::Retryable,
            _ => ResponseClass::of_status(response.status),
        }
    }

    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        retry_after_or_reset(response, "x-ratelimit-reset", now)
    }
}

impl Api for LinodeApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_json(
            &response.body,
            &["/errors/0/field"],
            &["/errors/0/reason"],
            &[],
        )
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => error.with_hint(
                "check `api_token`: Linode doesn't know it, or it expired or was revoked",
            ),
            ResponseClass::PermissionDenied if request.operation() == LIST_VPC_ADDRESSES => {
                error.with_missing_permission("ips:read_only")
            }
            ResponseClass::PermissionDenied => error.with_missing_permission("linodes:read_only"),
            _ => error,
        }
    }
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    page: u64,
    pages: u64,
}

impl<T> Page<T> {
    /// The number of the next page.
    pub(crate) fn next(&self) -> Option<u64> {
        (self.page < self.pages).then_some(self.page + 1)
    }
}

/// An instance, as `GET /linode/instances` lists it.
#[derive(Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) label: String,
    /// `running`, `offline`, `provisioning`, ...
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) region: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Public and private addresses.
    #[serde(default)]
    pub(crate) ipv4: Vec<String>,
    /// The SLAAC address with its prefix, `2001:db8::f03c:91ff:fe24:3a2f/128`.
    pub(crate) ipv6: Option<String>,
}

/// An address in a VPC, as `GET /vpcs/ips` lists it.
#[derive(Deserialize)]
pub(crate) struct VpcAddress {
    /// None for a range.
    pub(crate) address: Option<String>,
    pub(crate) linode_id: Option<u64>,
    /// Whether the Linode runs with the configuration profile that has it.
    #[serde(default)]
    pub(crate) active: bool,
}
