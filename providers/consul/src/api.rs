//! The JSON of `GET /v1/health/service/NAME`, its errors, and its hidden results.

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::ResponseClass::{
    self, ExpiredCredential, NotFound, PermissionDenied, Retryable, Success,
};
use cloud_autojoin_core::http::{RawResponse, Request, Response, ResponseClassifier};
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use http::HeaderMap;
use serde::Deserialize;

use crate::keys::NAME;

/// What is particular about Consul's API: errors are plain text.
pub(crate) struct ConsulApi;

impl ResponseClassifier for ConsulApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let says = |words: &str| String::from_utf8_lossy(&response.body).contains(words);
        match ResponseClass::of_status(response.status) {
            // A list that lacks what the token may not read is a partial one.
            Success if is_filtered(&response.headers) => PermissionDenied,
            PermissionDenied if says("ACL not found") => ExpiredCredential,
            Retryable if says("No path to datacenter") => NotFound,
            class => class,
        }
    }
}

/// Whether ACLs hid a part of the answer.
fn is_filtered(headers: &HeaderMap) -> bool {
    let filtered = headers.get("x-consul-results-filtered-by-acls");
    filtered.is_some_and(|value| value == "true")
}

impl Api for ConsulApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_text(&response.body)
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ExpiredCredential => error.with_hint("check `token` (`CONSUL_HTTP_TOKEN`): Consul doesn't know it, or it was deleted"),
            PermissionDenied if is_filtered(&response.headers) => error
                .with_message(Some("instances are hidden from this token".to_owned()))
                .with_missing_permission("node:read")
                .with_hint("grant the token `node:read` for all nodes of the service and `service:read` for the service; `discover check --role` prints the policy"),
            PermissionDenied => error.with_missing_permission("service:read"),
            NotFound => error.with_hint("check `datacenter`, `namespace` and `partition`; `consul catalog datacenters` lists the datacenters"),
            _ => error,
        }
    }
}

/// One instance of a service, with its node and the checks of both.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    pub(crate) node: Node,
    pub(crate) service: Service,
    #[serde(default)]
    pub(crate) checks: Vec<Check>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Node {
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) datacenter: String,
    pub(crate) tagged_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Service {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) tagged_addresses: Option<BTreeMap<String, ServiceAddress>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ServiceAddress {
    pub(crate) address: String,
    pub(crate) port: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Check {
    #[serde(rename = "CheckID")]
    pub(crate) id: String,
    /// `passing`, `warning`, `critical` or `maintenance`.
    pub(crate) status: String,
}
