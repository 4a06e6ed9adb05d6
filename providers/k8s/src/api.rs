//! The API's JSON and errors (`v1`, `discovery.k8s.io/v1`).

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{Request, Response, ResponseClass, ResponseClassifier};
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;

use crate::provider::NAME;

/// What is particular about the API of Kubernetes.
pub(crate) struct KubernetesApi;

impl ResponseClassifier for KubernetesApi {}

impl Api for KubernetesApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    /// A `Status` object; its id in the audit log is in a header.
    fn error_body(&self, response: &Response) -> ErrorBody {
        let mut body = ErrorBody::from_json(&response.body, &["/reason"], &["/message"], &[]);
        body.request_id = response
            .headers
            .get("audit-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        body
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::PermissionDenied => error.with_missing_permission(permission(request)),
            ResponseClass::NotFound => error.with_hint("check the `server` of the kubeconfig, or `endpoint`: this isn't the URL of a Kubernetes API server"),
            _ if response.status.as_u16() == 400 => error.with_hint("check `label_selector` and `field_selector`"),
            _ => error,
        }
    }
}

/// The permission that a list needs, `pods list in namespace x`.
fn permission(request: &Request) -> String {
    let segments: Vec<&str> = request
        .url()
        .path_segments()
        .map(Iterator::collect)
        .unwrap_or_default();
    match segments.as_slice() {
        [.., "namespaces", namespace, resource] => {
            format!("{resource} list in namespace {namespace}")
        }
        _ => "list".to_owned(),
    }
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct List<T> {
    pub(crate) metadata: Metadata,
    pub(crate) items: Vec<T>,
}

/// Of an object, of a reference to one, or of a list.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(rename = "continue")]
    pub(crate) continue_token: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Pod {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) spec: PodSpec,
    #[serde(default)]
    pub(crate) status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) node_name: Option<String>,
    pub(crate) containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Port {
    pub(crate) name: String,
    #[serde(alias = "port")]
    pub(crate) container_port: u16,
    pub(crate) host_port: u16,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    pub(crate) phase: String,
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: String,
    #[serde(rename = "podIPs")]
    pub(crate) pod_ips: Vec<Ip>,
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
    #[serde(rename = "hostIPs")]
    pub(crate) host_ips: Vec<Ip>,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
pub(crate) struct Ip {
    pub(crate) ip: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
}

/// A part of the endpoints of a service, all of one address family.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSlice {
    pub(crate) metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub(crate) address_type: String,
    /// Null for a service without endpoints, as the ports are.
    pub(crate) endpoints: Option<Vec<Endpoint>>,
    pub(crate) ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    pub(crate) addresses: Vec<String>,
    /// Those that are unknown are null.
    #[serde(default)]
    pub(crate) conditions: BTreeMap<String, Option<bool>>,
    pub(crate) hostname: Option<String>,
    pub(crate) node_name: Option<String>,
    pub(crate) target_ref: Option<Metadata>,
    pub(crate) zone: Option<String>,
}
