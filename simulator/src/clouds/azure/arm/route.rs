//! Parses paths. Keywords are compared case-insensitively, names keep their case; everything is
//! percent-decoded.

use percent_encoding::percent_decode_str;

use crate::clouds::azure::Operation;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) subscription: Option<String>,
    pub(super) group: Option<String>,
    pub(super) target: Target,
}

/// The resource or list, within the subscription and perhaps the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Subscriptions,
    Tenants,
    Subscription,
    Locations,
    ResourceGroups,
    ResourceGroup,
    Resources,
    NetworkInterfaces,
    NetworkInterface(String),
    PublicAddresses,
    PublicAddress(String),
    VirtualMachines,
    VirtualMachine {
        name: String,
        view_only: bool,
    },
    ScaleSets,
    ScaleSet(String),
    ScaleSetInstanceView(String),
    ScaleSetInstances(String),
    ScaleSetInstance {
        set: String,
        instance: String,
        view_only: bool,
    },
    ScaleSetNetworkInterfaces(String),
    ScaleSetPublicAddresses(String),
    InstanceNetworkInterfaces {
        set: String,
        instance: String,
    },
    InstanceNetworkInterface {
        set: String,
        instance: String,
        name: String,
    },
    /// A resource type that isn't simulated, by namespace and type.
    Unknown {
        namespace: String,
        kind: String,
    },
}

impl Route {
    /// Reads a path.
    pub(super) fn parse(path: &str) -> Self {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let lower: Vec<String> = segments
            .iter()
            .map(|segment| segment.to_ascii_lowercase())
            .collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let (subscription, group, skipped) = match lower.as_slice() {
            ["subscriptions", _, "resourcegroups", _, ..] => {
                (segments.get(1).cloned(), segments.get(3).cloned(), 4)
            }
            ["subscriptions", _, ..] => (segments.get(1).cloned(), None, 2),
            _ => (None, None, 0),
        };
        let target = target(
            &lower[skipped..],
            &segments[skipped..],
            subscription.is_some(),
            group.is_some(),
        );
        Self {
            subscription,
            group,
            target,
        }
    }

    /// The operation.
    pub(super) fn operation(&self) -> Operation {
        let in_group = self.group.is_some();
        match &self.target {
            Target::Subscriptions
            | Target::Tenants
            | Target::Subscription
            | Target::Locations
            | Target::ResourceGroups
            | Target::ResourceGroup => Operation::Bystander,
            Target::Resources => Operation::ListResources,
            Target::NetworkInterfaces if in_group => Operation::ListGroupNetworkInterfaces,
            Target::NetworkInterfaces => Operation::ListNetworkInterfaces,
            Target::NetworkInterface(_) => Operation::GetNetworkInterface,
            Target::PublicAddresses => Operation::ListPublicAddresses,
            Target::PublicAddress(_) => Operation::GetPublicAddress,
            Target::VirtualMachines if in_group => Operation::ListGroupVirtualMachines,
            Target::VirtualMachines => Operation::ListVirtualMachines,
            Target::VirtualMachine { .. } => Operation::GetVirtualMachine,
            Target::ScaleSets if in_group => Operation::ListGroupScaleSets,
            Target::ScaleSets => Operation::ListScaleSets,
            Target::ScaleSet(_) => Operation::GetScaleSet,
            Target::ScaleSetInstanceView(_) => Operation::GetScaleSetInstanceView,
            Target::ScaleSetInstances(_) => Operation::ListScaleSetInstances,
            Target::ScaleSetInstance { .. } => Operation::GetScaleSetInstance,
            Target::ScaleSetNetworkInterfaces(_) => Operation::ListScaleSetNetworkInterfaces,
            Target::ScaleSetPublicAddresses(_) => Operation::ListScaleSetPublicAddresses,
            Target::InstanceNetworkInterfaces { .. } => Operation::ListInstanceNetworkInterfaces,
            Target::InstanceNetworkInterface { .. } => Operation::GetInstanceNetworkInterface,
            Target::Unknown { .. } => Operation::Unexpected,
        }
    }

    /// The action that a caller needs. `None`: any caller with a token, who gets what it may see.
    pub(super) fn action(&self) -> Option<&'static str> {
        match &self.target {
            // The index has the resources of each type that the caller may read, see `resources`.
            Target::Subscriptions
            | Target::Tenants
            | Target::Subscription
            | Target::Locations
            | Target::Resources
            | Target::Unknown { .. } => None,
            Target::ResourceGroups | Target::ResourceGroup => {
                Some("Microsoft.Resources/subscriptions/resourceGroups/read")
            }
            Target::NetworkInterfaces | Target::NetworkInterface(_) => {
                Some("Microsoft.Network/networkInterfaces/read")
            }
            Target::PublicAddresses | Target::PublicAddress(_) => {
                Some("Microsoft.Network/publicIPAddresses/read")
            }
            Target::VirtualMachines
            | Target::VirtualMachine {
                view_only: false, ..
            } => Some("Microsoft.Compute/virtualMachines/read"),
            Target::VirtualMachine {
                view_only: true, ..
            } => Some("Microsoft.Compute/virtualMachines/instanceView/read"),
            Target::ScaleSets | Target::ScaleSet(_) => {
                Some("Microsoft.Compute/virtualMachineScaleSets/read")
            }
            Target::ScaleSetInstanceView(_) => {
                Some("Microsoft.Compute/virtualMachineScaleSets/instanceView/read")
            }
            Target::ScaleSetInstances(_)
            | Target::ScaleSetInstance {
                view_only: false, ..
            } => Some("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read"),
            Target::ScaleSetInstance {
                view_only: true, ..
            } => {
                Some("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/instanceView/read")
            }
            Target::ScaleSetNetworkInterfaces(_) => {
                Some("Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read")
            }
            Target::ScaleSetPublicAddresses(_) => {
                Some("Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read")
            }
            Target::InstanceNetworkInterfaces { .. } | Target::InstanceNetworkInterface { .. } => {
                Some(
                    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces/read",
                )
            }
        }
    }

    /// The scope that an authorization error names: the resource, or for a list of a group the
    /// provider in it, for a list of a subscription the subscription. (Words: recorded 2023 for a
    /// resource; azure-cli and CloudShell issues of 2025 for a list of a group.)
    pub(super) fn scope(&self, path: &str) -> String {
        let subscription = self.subscription.as_deref().unwrap_or_default();
        let provider = match &self.target {
            Target::NetworkInterfaces | Target::PublicAddresses => "Microsoft.Network",
            Target::VirtualMachines | Target::ScaleSets => "Microsoft.Compute",
            Target::ResourceGroups => return format!("/subscriptions/{subscription}"),
            Target::ScaleSetNetworkInterfaces(_)
            | Target::ScaleSetInstances(_)
            | Target::ScaleSetPublicAddresses(_)
            | Target::ScaleSetInstanceView(_) => {
                return path.trim_end_matches('/').rsplit_once('/').map_or_else(
                    || path.to_owned(),
                    |(parent, _)| percent_decode_str(parent).decode_utf8_lossy().into_owned(),
                );
            }
            _ => {
                return percent_decode_str(path.trim_end_matches('/'))
                    .decode_utf8_lossy()
                    .into_owned();
            }
        };
        match &self.group {
            Some(group) => {
                format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}")
            }
            None => format!("/subscriptions/{subscription}"),
        }
    }
}

fn target(lower: &[&str], names: &[String], in_subscription: bool, in_group: bool) -> Target {
    let name = |at: usize| names.get(at).cloned().unwrap_or_default();
    match (lower, in_subscription, in_group) {
        (["subscriptions"], false, _) => return Target::Subscriptions,
        (["tenants"], false, _) => return Target::Tenants,
        ([], true, true) => return Target::ResourceGroup,
        ([], true, false) => return Target::Subscription,
        (["locations"], true, false) => return Target::Locations,
        (["resourcegroups"], true, false) => return Target::ResourceGroups,
        (["resources"], true, _) => return Target::Resources,
        _ => {}
    }
    let unknown = || Target::Unknown {
        namespace: name(1),
        kind: names
            .get(2..)
            .unwrap_or_default()
            .iter()
            .step_by(2)
            .cloned()
            .collect::<Vec<_>>()
            .join("/"),
    };
    let (true, ["providers", namespace, rest @ ..]) = (in_subscription, lower) else {
        return unknown();
    };
    match (*namespace, rest, in_group) {
        ("microsoft.network", ["networkinterfaces"], _) => Target::NetworkInterfaces,
        ("microsoft.network", ["publicipaddresses"], _) => Target::PublicAddresses,
        ("microsoft.compute", ["virtualmachines"], _) => Target::VirtualMachines,
        ("microsoft.compute", ["virtualmachinescalesets"], _) => Target::ScaleSets,
        ("microsoft.network", ["networkinterfaces", _], true) => Target::NetworkInterface(name(3)),
        ("microsoft.network", ["publicipaddresses", _], true) => Target::PublicAddress(name(3)),
        ("microsoft.compute", ["virtualmachines", _], true) => Target::VirtualMachine {
            name: name(3),
            view_only: false,
        },
        ("microsoft.compute", ["virtualmachines", _, "instanceview"], true) => {
            Target::VirtualMachine {
                name: name(3),
                view_only: true,
            }
        }
        ("microsoft.compute", ["virtualmachinescalesets", _, below @ ..], true) => match below {
            [] => Target::ScaleSet(name(3)),
            ["instanceview"] => Target::ScaleSetInstanceView(name(3)),
            ["networkinterfaces"] => Target::ScaleSetNetworkInterfaces(name(3)),
            ["publicipaddresses"] => Target::ScaleSetPublicAddresses(name(3)),
            ["virtualmachines"] => Target::ScaleSetInstances(name(3)),
            ["virtualmachines", _] => Target::ScaleSetInstance {
                set: name(3),
                instance: name(5),
                view_only: false,
            },
            ["virtualmachines", _, "instanceview"] => Target::ScaleSetInstance {
                set: name(3),
                instance: name(5),
                view_only: true,
            },
            ["virtualmachines", _, "networkinterfaces"] => Target::InstanceNetworkInterfaces {
                set: name(3),
                instance: name(5),
            },
            ["virtualmachines", _, "networkinterfaces", _] => Target::InstanceNetworkInterface {
                set: name(3),
                instance: name(5),
                name: name(7),
            },
            _ => unknown(),
        },
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_without_case_and_percent_decoded() {
        for path in [
            "/subscriptions/S/resourceGroups/My%20group/providers/Microsoft.Compute/virtualMachineScaleSets/Set",
            "/SUBSCRIPTIONS/S/resourcegroups/My group/PROVIDERS/microsoft.compute/VIRTUALMACHINESCALESETS/Set/",
        ] {
            let route = Route::parse(path);
            assert_eq!(
                route,
                Route {
                    subscription: Some("S".to_owned()),
                    group: Some("My group".to_owned()),
                    target: Target::ScaleSet("Set".to_owned())
                },
                "{path}"
            );
        }
    }

    #[test]
    fn each_path_has_its_operation_and_action() {
        let group = "/subscriptions/s/resourceGroups/g/providers";
        for (path, operation, action) in [
            (
                "/subscriptions/s/providers/Microsoft.Network/networkInterfaces".to_owned(),
                Operation::ListNetworkInterfaces,
                "Microsoft.Network/networkInterfaces/read",
            ),
            (
                format!("{group}/Microsoft.Network/networkInterfaces"),
                Operation::ListGroupNetworkInterfaces,
                "Microsoft.Network/networkInterfaces/read",
            ),
            (
                format!("{group}/microsoft.Compute/virtualMachineScaleSets/x/networkInterfaces"),
                Operation::ListScaleSetNetworkInterfaces,
                "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
            ),
            (
                format!("{group}/Microsoft.Compute/virtualMachineScaleSets/x/virtualMachines"),
                Operation::ListScaleSetInstances,
                "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
            ),
            (
                format!("{group}/Microsoft.Compute/virtualMachines/x/instanceView"),
                Operation::GetVirtualMachine,
                "Microsoft.Compute/virtualMachines/instanceView/read",
            ),
            (
                format!("{group}/Microsoft.Network/publicIPAddresses"),
                Operation::ListPublicAddresses,
                "Microsoft.Network/publicIPAddresses/read",
            ),
        ] {
            let route = Route::parse(&path);
            assert_eq!(
                (route.operation(), route.action()),
                (operation, Some(action)),
                "{path}"
            );
        }
    }

    #[test]
    fn a_path_that_no_room_knows_is_unexpected() {
        for path in [
            "/",
            "/nothing",
            "/subscriptions/s/providers/Microsoft.Network/virtualNetworks",
            "/subscriptions/s/providers/Microsoft.Network/networkInterfaces/x",
            "/providers/Microsoft.ResourceGraph/resources",
        ] {
            assert_eq!(
                Route::parse(path).operation(),
                Operation::Unexpected,
                "{path}"
            );
        }
    }

    #[test]
    fn a_refused_list_of_a_group_names_the_provider_in_the_group() {
        let path =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces";
        assert_eq!(
            Route::parse(path).scope(path),
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
        );
        let path = "/subscriptions/s/resourceGroups/g/providers/microsoft.Compute/virtualMachineScaleSets/x/networkInterfaces";
        assert_eq!(
            Route::parse(path).scope(path),
            "/subscriptions/s/resourceGroups/g/providers/microsoft.Compute/virtualMachineScaleSets/x"
        );
    }
}
