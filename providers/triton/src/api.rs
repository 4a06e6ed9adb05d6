//! The API's JSON and errors (CloudAPI, version 8).

use std::collections::BTreeMap;

use cloud_autojoin_core::http::ResponseClass::{
    ExpiredCredential, NotFound, PermissionDenied, Throttled,
};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;
use serde_json::Value;

use crate::keys::NAME;

/// The action of a policy's rule.
pub(crate) const PERMISSION: &str = "listmachines";

/// CloudAPI.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_codes(&[
        (Throttled, &["RequestThrottled"]),
        (ExpiredCredential, &["InvalidCredentials"]),
        (PermissionDenied, &["NotAuthorized"]),
    ])
    .with_advice(&[
        Advice::on(ExpiredCredential).hint(
            "check `account` and `key_id`: the key must be one of the account, and the clock of this machine right",
        ),
        Advice::on(PermissionDenied).permission(PERMISSION),
        Advice::on(NotFound).hint("check `account` and `url`"),
    ]);

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
