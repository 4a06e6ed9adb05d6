//! The API's JSON and errors (`v1`, `discovery.k8s.io/v1`).

use std::borrow::Cow;
use std::net::IpAddr;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{Request, Response, ResponseClass, ResponseClassifier};
use cloud_autojoin_provider_kit::select::tag_pairs;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::{Deserialize, Deserializer};

use crate::keys::NAME;

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
        let id = response.headers.get("audit-id");
        body.request_id = id.and_then(|id| Some(id.to_str().ok()?.to_owned()));
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
    let segments: Vec<&str> = request.url().path().split('/').collect();
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
    pub(crate) metadata: ListMetadata,
    pub(crate) items: Vec<T>,
}

#[derive(Deserialize)]
pub(crate) struct ListMetadata {
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
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) uid: String,
    #[serde(deserialize_with = "tag_pairs")]
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Annotations,
}

/// The annotation that names a pod's port, and the one that go-discover's help text has in its
/// place.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Annotations {
    #[serde(rename = "consul.hashicorp.com/auto-join-port")]
    pub(crate) port: String,
    #[serde(rename = "hashicorp/consul-auto-join-port")]
    pub(crate) documented_port: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) node_name: String,
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
    pub(crate) pod_ip: Ip,
    #[serde(rename = "podIPs")]
    pub(crate) pod_ips: Vec<IpEntry>,
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: Ip,
    #[serde(rename = "hostIPs")]
    pub(crate) host_ips: Vec<IpEntry>,
    #[serde(rename = "conditions", deserialize_with = "not_ready")]
    pub(crate) not_ready: Option<Condition>,
}

#[derive(Deserialize)]
pub(crate) struct IpEntry {
    pub(crate) ip: Ip,
}

/// An address; none for a text that isn't one, as before a pod has one.
#[derive(Default, Clone, Copy, PartialEq)]
pub(crate) struct Ip(pub(crate) Option<IpAddr>);

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(Self(text.0.parse().ok()))
    }
}

/// A text that isn't copied out of the response.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why a pod isn't ready.
pub(crate) struct Condition {
    pub(crate) status: String,
    pub(crate) reason: String,
}

/// The condition `Ready`, if it isn't true. A pod without it counts as ready.
fn not_ready<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Condition>, D::Error> {
    #[derive(Deserialize)]
    struct Any<'a> {
        #[serde(borrow, rename = "type")]
        kind: Text<'a>,
        #[serde(borrow)]
        status: Text<'a>,
        #[serde(default)]
        reason: Option<String>,
    }
    let conditions = Vec::<Any<'de>>::deserialize(deserializer)?.into_iter();
    let mut failing = conditions.filter(|any| any.kind.0 == "Ready" && any.status.0 != "True");
    Ok(failing.next().map(|any| Condition {
        status: any.status.0.into_owned(),
        reason: any.reason.unwrap_or_default(),
    }))
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
    #[serde(default)]
    pub(crate) conditions: EndpointConditions,
    pub(crate) hostname: Option<String>,
    pub(crate) node_name: Option<String>,
    pub(crate) target_ref: Option<Metadata>,
    pub(crate) zone: Option<String>,
}

#[derive(Deserialize, Default)]
pub(crate) struct EndpointConditions {
    /// Null when it is unknown.
    pub(crate) ready: Option<bool>,
}
