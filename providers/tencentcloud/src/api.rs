//! The API's JSON and errors (CVM, version 2017-03-12).

use cloud_autojoin_core::http::ResponseClass::{
    self, ExpiredCredential, Final, PermissionDenied, Retryable, Throttled,
};
use cloud_autojoin_core::http::{RawResponse, decode_json};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi, class_of_code};
use serde::Deserialize;

use crate::keys::NAME;

/// The action of a CAM policy.
pub(crate) const PERMISSION: &str = "cvm:DescribeInstances";

/// Tencent Cloud's API.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(
        &["/Response/Error/Code"],
        &["/Response/Error/Message"],
        &["/Response/RequestId"],
    )
    .with_class(class)
    .with_advice(&[
        Advice::on(ExpiredCredential).with_code("Signature").hint(
            "check `access_key_secret`, and the clock of this machine: it isn't the secret of this access key, or the time is wrong",
        ),
        Advice::on(ExpiredCredential).hint(
            "check the access key: Tencent Cloud doesn't know it, or it expired or is disabled",
        ),
        Advice::on(PermissionDenied).permission(PERMISSION),
        Advice::on_code("Region")
            .hint("check `region`; `tccli cvm DescribeRegions` lists them"),
    ]);

const CODES: &[(ResponseClass, &[&str])] = &[
    (Throttled, &["RequestLimitExceeded", "LimitExceeded"]),
    (
        Retryable,
        &["InternalError", "InternalServerError", "ServiceUnavailable"],
    ),
    (
        PermissionDenied,
        &["UnauthorizedOperation", "AuthFailure.UnauthorizedOperation"],
    ),
    (ExpiredCredential, &["AuthFailure"]),
];

/// The part of a response that says whether it is an error.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    response: OutcomeResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OutcomeResponse {
    error: Option<OutcomeError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OutcomeError {
    code: String,
}

/// Errors come with status 200, so their code decides.
fn class(response: &RawResponse) -> Option<ResponseClass> {
    let outcome: Outcome = decode_json(&response.body).ok()?;
    let code = outcome.response.error?.code;
    Some(class_of_code(&code, CODES).unwrap_or(Final))
}

/// A page of `DescribeInstances`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstancePage {
    pub(crate) response: Instances,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Instances {
    pub(crate) total_count: u64,
    pub(crate) instance_set: Vec<Instance>,
}

/// An instance. Lists are null while it is being created.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Instance {
    pub(crate) instance_id: String,
    #[serde(default)]
    pub(crate) instance_name: String,
    /// `RUNNING`, `STOPPED`, `PENDING`, ...
    #[serde(default)]
    pub(crate) instance_state: String,
    pub(crate) placement: Option<Placement>,
    pub(crate) virtual_private_cloud: Option<Vpc>,
    pub(crate) private_ip_addresses: Option<Vec<String>>,
    pub(crate) public_ip_addresses: Option<Vec<String>>,
    #[serde(rename = "IPv6Addresses")]
    pub(crate) ipv6_addresses: Option<Vec<String>>,
    pub(crate) tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Placement {
    #[serde(default)]
    pub(crate) zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Vpc {
    #[serde(default)]
    pub(crate) vpc_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}
