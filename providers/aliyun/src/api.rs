//! The API's JSON and errors (ECS, version 2014-05-26).

use std::collections::BTreeMap;

use cloud_autojoin_core::http::ResponseClass::{
    ExpiredCredential, PermissionDenied, Retryable, Throttled,
};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;

use crate::keys::NAME;

/// The action of a RAM policy.
pub(crate) const PERMISSION: &str = "ecs:DescribeInstances";

/// Alibaba Cloud's API. The code decides: throttling comes with status 400, an unknown access key
/// with 404.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/Code"], &["/Message"], &["/RequestId"])
    .with_codes(&[
        (Throttled, &["Throttling"]),
        (
            Retryable,
            &["SignatureNonceUsed", "ServiceUnavailable", "InternalError"],
        ),
        (
            ExpiredCredential,
            &[
                "InvalidAccessKey",
                "InvalidSecurityToken",
                "SecurityTokenExpired",
                "SignatureDoesNotMatch",
                "IncompleteSignature",
                "MissingAccessKeyId",
            ],
        ),
        (
            PermissionDenied,
            &["Forbidden", "NoPermission", "UnauthorizedOperation"],
        ),
    ])
    .with_advice(&[
        Advice::on(ExpiredCredential)
            .with_code("SignatureDoesNotMatch")
            .hint("check `access_key_secret`: it isn't the secret of this access key"),
        Advice::on(ExpiredCredential).hint(
            "check the access key: Alibaba Cloud doesn't know it, or it expired or is disabled",
        ),
        Advice::on(PermissionDenied).permission(PERMISSION),
        Advice::on_code("InvalidRegionId")
            .hint("check `region`; `aliyun ecs DescribeRegions` lists them"),
    ]);

/// A list, which is an object with one field: `{"Instance": [...]}`.
type List<T> = BTreeMap<String, Vec<T>>;

/// A page of `DescribeInstances`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstancePage {
    pub(crate) instances: Instances,
    /// Empty on the last page.
    pub(crate) next_token: Option<String>,
}

/// The list of a page: unlike other lists never absent, or the page would pass for an empty one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Instances {
    pub(crate) instance: Vec<Instance>,
}

/// An instance.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Instance {
    pub(crate) instance_id: String,
    #[serde(default)]
    pub(crate) instance_name: String,
    /// `Running`, `Stopped`, `Starting`, ...
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) zone_id: String,
    /// Of the classic network.
    #[serde(default)]
    pub(crate) inner_ip_address: List<String>,
    #[serde(default)]
    pub(crate) public_ip_address: List<String>,
    pub(crate) eip_address: Option<Eip>,
    pub(crate) vpc_attributes: Option<VpcAttributes>,
    #[serde(default)]
    pub(crate) network_interfaces: List<NetworkInterface>,
    #[serde(default)]
    pub(crate) tags: List<Tag>,
}

#[derive(Deserialize)]
pub(crate) struct Eip {
    #[serde(rename = "IpAddress", default)]
    pub(crate) address: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcAttributes {
    #[serde(default)]
    pub(crate) vpc_id: String,
    #[serde(default)]
    pub(crate) private_ip_address: List<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NetworkInterface {
    #[serde(default)]
    pub(crate) ipv6_sets: List<Ipv6Set>,
}

#[derive(Deserialize)]
pub(crate) struct Ipv6Set {
    #[serde(rename = "Ipv6Address", default)]
    pub(crate) address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) tag_key: String,
    #[serde(default)]
    pub(crate) tag_value: String,
}
