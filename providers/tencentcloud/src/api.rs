//! The API's JSON and errors (CVM, version 2017-03-12).

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier, decode_json,
};
use cloud_autojoin_provider_kit::api::class_of_code;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::{NAME, PERMISSION};

/// What is particular about Tencent Cloud's API.
pub(crate) struct TencentApi;

const CODES: &[(ResponseClass, &[&str])] = &[
    (
        ResponseClass::Throttled,
        &["RequestLimitExceeded", "LimitExceeded"],
    ),
    (
        ResponseClass::Retryable,
        &["InternalError", "InternalServerError", "ServiceUnavailable"],
    ),
    (
        ResponseClass::PermissionDenied,
        &["UnauthorizedOperation", "AuthFailure.UnauthorizedOperation"],
    ),
    (ResponseClass::ExpiredCredential, &["AuthFailure"]),
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

impl ResponseClassifier for TencentApi {
    /// Errors come with status 200, so their code decides.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let class = ResponseClass::of_status(response.status);
        let Some(error) = decode_json::<Outcome>(&response.body)
            .ok()
            .and_then(|outcome| outcome.response.error)
        else {
            return class;
        };
        class_of_code(&error.code, CODES).unwrap_or(ResponseClass::Final)
    }
}

impl Api for TencentApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_json(
            &response.body,
            &["/Response/Error/Code"],
            &["/Response/Error/Message"],
            &["/Response/RequestId"],
        )
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        let code = error.code().unwrap_or_default();
        match response.class {
            ResponseClass::ExpiredCredential if code.contains("Signature") => {
                error.with_hint("check `access_key_secret`, and the clock of this machine: it isn't the secret of this access key, or the time is wrong")
            }
            ResponseClass::ExpiredCredential => error.with_hint("check the access key: Tencent Cloud doesn't know it, or it expired or is disabled"),
            ResponseClass::PermissionDenied => error.with_missing_permission(PERMISSION),
            _ if code.contains("Region") => error.with_hint("check `region`; `tccli cvm DescribeRegions` lists them"),
            _ => error,
        }
    }
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
