//! The API's JSON and errors (ECS, version 2014-05-26).

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::{NAME, PERMISSION};

/// What is particular about Alibaba Cloud's API.
pub(crate) struct AliyunApi;

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
        let begins_with = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
        if begins_with(&["Throttling"]) {
            ResponseClass::Throttled
        } else if begins_with(&["SignatureNonceUsed", "ServiceUnavailable", "InternalError"]) {
            ResponseClass::Retryable
        } else if begins_with(&[
            "InvalidAccessKey",
            "InvalidSecurityToken",
            "SecurityTokenExpired",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAccessKeyId",
        ]) {
            ResponseClass::ExpiredCredential
        } else if begins_with(&["Forbidden", "NoPermission", "UnauthorizedOperation"]) {
            ResponseClass::PermissionDenied
        } else {
            class
        }
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

/// A page of `DescribeInstances`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstancePage {
    pub(crate) instances: Instances,
    /// Empty on the last page.
    pub(crate) next_token: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Instances {
    #[serde(rename = "Instance", default)]
    pub(crate) items: Vec<Instance>,
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
    pub(crate) inner_ip_address: Addresses,
    #[serde(default)]
    pub(crate) public_ip_address: Addresses,
    pub(crate) eip_address: Option<Eip>,
    pub(crate) vpc_attributes: Option<VpcAttributes>,
    #[serde(default)]
    pub(crate) network_interfaces: NetworkInterfaces,
    #[serde(default)]
    pub(crate) tags: Tags,
}

#[derive(Default, Deserialize)]
pub(crate) struct Addresses {
    #[serde(rename = "IpAddress", default)]
    pub(crate) items: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Eip {
    #[serde(rename = "IpAddress", default)]
    pub(crate) address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcAttributes {
    #[serde(default)]
    pub(crate) vpc_id: String,
    #[serde(default)]
    pub(crate) private_ip_address: Addresses,
}

#[derive(Default, Deserialize)]
pub(crate) struct NetworkInterfaces {
    #[serde(rename = "NetworkInterface", default)]
    pub(crate) items: Vec<NetworkInterface>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NetworkInterface {
    #[serde(default)]
    pub(crate) ipv6_sets: Ipv6Sets,
}

#[derive(Default, Deserialize)]
pub(crate) struct Ipv6Sets {
    #[serde(rename = "Ipv6Set", default)]
    pub(crate) items: Vec<Ipv6Set>,
}

#[derive(Deserialize)]
pub(crate) struct Ipv6Set {
    #[serde(rename = "Ipv6Address", default)]
    pub(crate) address: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Tags {
    #[serde(rename = "Tag", default)]
    pub(crate) items: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) tag_key: String,
    #[serde(default)]
    pub(crate) tag_value: String,
}
