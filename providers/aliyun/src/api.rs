//! The API's JSON and errors (ECS, version 2014-05-26).

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::api::class_of_code;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::{NAME, PERMISSION};

/// What is particular about Alibaba Cloud's API.
pub(crate) struct AliyunApi;

const CODES: &[(ResponseClass, &[&str])] = &[
    (ResponseClass::Throttled, &["Throttling"]),
    (
        ResponseClass::Retryable,
        &["SignatureNonceUsed", "ServiceUnavailable", "InternalError"],
    ),
    (
        ResponseClass::ExpiredCredential,
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
        ResponseClass::PermissionDenied,
        &["Forbidden", "NoPermission", "UnauthorizedOperation"],
    ),
];

fn error_body(body: &[u8]) -> ErrorBody {
    ErrorBody::from_json(body, &["/Code"], &["/Message"], &["/RequestId"])
}

impl ResponseClassifier for AliyunApi {
    /// The code decides: throttling comes with status 400, an unknown access key with 404.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let class = ResponseClass::of_status(response.status);
        if class == ResponseClass::Success {
            return class;
        }
        let code = error_body(&response.body).code.unwrap_or_default();
        class_of_code(&code, CODES).unwrap_or(class)
    }
}

impl Api for AliyunApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        error_body(&response.body)
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        let code = error.code().unwrap_or_default();
        match response.class {
            ResponseClass::ExpiredCredential if code.starts_with("Signature") => {
                error.with_hint("check `access_key_secret`: it isn't the secret of this access key")
            }
            ResponseClass::ExpiredCredential => error.with_hint(
                "check the access key: Alibaba Cloud doesn't know it, or it expired or is disabled",
            ),
            ResponseClass::PermissionDenied => error.with_missing_permission(PERMISSION),
            _ if code.starts_with("InvalidRegionId") => {
                error.with_hint("check `region`; `aliyun ecs DescribeRegions` lists them")
            }
            _ => error,
        }
    }
}

/// A list, which is an object with one field: `{"Instance": [...]}`.
type List<T> = BTreeMap<String, Vec<T>>;

/// A page of `DescribeInstances`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstancePage {
    pub(crate) instances: List<Instance>,
    /// Empty on the last page.
    pub(crate) next_token: Option<String>,
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
