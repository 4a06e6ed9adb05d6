//! The operations of Azure, and its endpoints.

use std::fmt;

use serde::Serialize;

use crate::engine::service::{self, Scheme};

/// The service that a request was for, whichever way it came in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Entra ID: tokens and discovery.
    Authority,
    /// Instance metadata, and the identity endpoints of App Service and Azure Arc.
    Metadata,
    /// The forward proxy itself: a request for a host that is none of the above.
    Proxy,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm => "arm",
            Self::Authority => "authority",
            Self::Metadata => "metadata",
            Self::Proxy => "proxy",
        })
    }
}

impl service::Endpoint for Endpoint {
    const ALL: &'static [Self] = &[Self::Arm, Self::Authority, Self::Metadata, Self::Proxy];
    const PROXY: Self = Self::Proxy;

    fn scheme(self) -> Scheme {
        if self == Self::Authority {
            Scheme::Https
        } else {
            Scheme::Http
        }
    }
}

/// The operation of a request, by which tests count and faults select.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
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
    /// `GET .../virtualMachineScaleSets/{set}/virtualMachines/{n}/networkInterfaces/{name}`
    /// (Uniform)
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
    /// Any other ARM read of real clients, such as `GET /subscriptions` or `GET /tenants`
    Bystander,
    /// An unknown request: a test in which one occurs fails.
    Unexpected,
}

impl fmt::Display for Operation {
    /// The name in world files and faults: `list-scale-sets`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl service::Operation for Operation {
    fn unexpected() -> Self {
        Self::Unexpected
    }
}
