//! What passes between a door (HTTP in, HTTP out) and the rooms behind it (ARM, Entra ID, instance metadata).
//!
//! The rooms are pure: they see a [`Request`] and the world and give a [`Reply`]. Sockets, TLS, faults, latency and the record of requests stand in the doors.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// One request as a room sees it, wherever it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Scheme, host and port as the client wrote them (`https://management.azure.com`): `nextLink` values start with it.
    pub origin: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query in its order, decoded (`+` is a blank).
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The first value of the query parameter `name`, compared without case as ARM does.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The header `name` as text; a value that is not visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a room answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What was asked for, for counting; [`Operation::Unexpected`] when no room knows the path.
    pub operation: Operation,
    /// The HTTP status.
    pub status: StatusCode,
    /// Headers beside those every answer has.
    pub headers: HeaderMap,
    /// The body, uncompressed.
    pub body: Bytes,
    /// A place for the compressed body, kept with the page it belongs to: a page that is served a thousand times is compressed once.
    /// None where the room does not keep the body.
    pub compressed: Option<Arc<OnceLock<Bytes>>>,
}

/// What a request asks for. Tests count by it, faults are aimed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operation {
    /// `GET /subscriptions/{s}/providers/Microsoft.Network/networkInterfaces`
    ListNetworkInterfaces,
    /// `GET .../resourceGroups/{g}/providers/Microsoft.Network/networkInterfaces`
    ListGroupNetworkInterfaces,
    /// `GET .../networkInterfaces/{name}`
    GetNetworkInterface,
    /// `GET .../virtualMachineScaleSets/{set}/networkInterfaces` (Uniform)
    ListScaleSetNetworkInterfaces,
    /// `GET .../virtualMachineScaleSets/{set}/virtualMachines/{n}/networkInterfaces` (Uniform)
    ListInstanceNetworkInterfaces,
    /// `GET .../virtualMachineScaleSets/{set}/virtualMachines/{n}/networkInterfaces/{name}` (Uniform)
    GetInstanceNetworkInterface,
    /// `GET .../virtualMachineScaleSets/{set}/publicipaddresses` (Uniform)
    ListScaleSetPublicAddresses,
    /// `GET /subscriptions/{s}/providers/Microsoft.Compute/virtualMachineScaleSets`
    ListScaleSets,
    /// `GET .../resourceGroups/{g}/providers/Microsoft.Compute/virtualMachineScaleSets`
    ListGroupScaleSets,
    /// `GET .../virtualMachineScaleSets/{set}`
    GetScaleSet,
    /// `GET .../virtualMachineScaleSets/{set}/instanceView` (Uniform)
    GetScaleSetInstanceView,
    /// `GET .../virtualMachineScaleSets/{set}/virtualMachines`
    ListScaleSetInstances,
    /// `GET .../virtualMachineScaleSets/{set}/virtualMachines/{n}`, with or without `/instanceView`
    GetScaleSetInstance,
    /// `GET /subscriptions/{s}/providers/Microsoft.Compute/virtualMachines`
    ListVirtualMachines,
    /// `GET .../resourceGroups/{g}/providers/Microsoft.Compute/virtualMachines`
    ListGroupVirtualMachines,
    /// `GET .../virtualMachines/{name}`, with or without `/instanceView`
    GetVirtualMachine,
    /// `GET .../publicIPAddresses` of a subscription or a group
    ListPublicAddresses,
    /// `GET .../publicIPAddresses/{name}`
    GetPublicAddress,
    /// `GET /subscriptions/{s}/resources` (ARM's resource index)
    ListResources,
    /// `POST {authority}/{tenant}/oauth2/v2.0/token`
    Token,
    /// `GET {authority}/common/discovery/instance` and OpenID configuration
    AuthorityDiscovery,
    /// `GET /metadata/identity/oauth2/token`, and the same of App Service and Azure Arc
    MetadataToken,
    /// `GET /metadata/instance`
    MetadataInstance,
    /// Any other ARM read that real clients make on the way, such as `GET /subscriptions` or `GET /tenants`
    Bystander,
    /// Nothing that this world serves: a test that sees one has failed.
    Unexpected,
}
