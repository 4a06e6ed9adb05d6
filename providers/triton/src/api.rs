//! The API's JSON and errors (CloudAPI, version 8).

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::api::class_of_code;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;
use serde_json::Value;

use crate::provider::{NAME, PERMISSION};

/// What is particular about CloudAPI.
pub(crate) struct CloudApi;

const CODES: &[(ResponseClass, &[&str])] = &[
    (ResponseClass::Throttled, &["RequestThrottled"]),
    (ResponseClass::ExpiredCredential, &["InvalidCredentials"]),
    (ResponseClass::PermissionDenied, &["NotAuthorized"]),
];

impl ResponseClassifier for CloudApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let class = ResponseClass::of_status(response.status);
        if class == ResponseClass::Success {
            return class;
        }
        let code = ErrorBody::from_json(&response.body, &["/code"], &[], &[]).code;
        class_of_code(&code.unwrap_or_default(), CODES).unwrap_or(class)
    }
}

impl Api for CloudApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => {
                error.with_hint("check `account` and `key_id`: the key must be one of the account, and the clock of this machine right")
            }
            ResponseClass::PermissionDenied => error.with_missing_permission(PERMISSION),
            ResponseClass::NotFound => error.with_hint("check `account` and `url`"),
            _ => error,
        }
    }
}

/// A machine.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// `running`, `stopped`, `provisioning`, `deleted`, ...
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) ips: Vec<String>,
    pub(crate) primary_ip: Option<String>,
    /// Values are texts, numbers and booleans.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, Value>,
}
