//! The API's JSON, errors and rate limits (API v4).

use cloud_autojoin_core::http::RawResponse;
use cloud_autojoin_core::http::ResponseClass::{
    self, ExpiredCredential, PermissionDenied, Retryable,
};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;

use crate::keys::NAME;

/// The operation that needs a scope of its own.
pub(crate) const LIST_VPC_ADDRESSES: &str = "list VPC addresses";

/// Linode's API.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/errors/0/field"], &["/errors/0/reason"], &[])
    .with_class(class)
    .with_reset_header("x-ratelimit-reset")
    .with_advice(&[
        Advice::on(ExpiredCredential)
            .hint("check `api_token`: Linode doesn't know it, or it expired or was revoked"),
        Advice::on(PermissionDenied)
            .during(LIST_VPC_ADDRESSES)
            .permission("ips:read_only"),
        Advice::on(PermissionDenied).permission("linodes:read_only"),
    ]);

/// Status 400 passes where Linode is busy, and where its load balancer responds in HTML.
fn class(response: &RawResponse) -> Option<ResponseClass> {
    let mut words = response.body.windows(12);
    let is_busy = response.body.starts_with(b"<") || words.any(|text| text == b"Linode busy.");
    (response.status == 400 && is_busy).then_some(Retryable)
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
