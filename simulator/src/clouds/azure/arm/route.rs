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
    /// The names in the path: of a virtual machine, or of a scale set and its instance.
    pub(super) names: Vec<String>,
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
    /// A resource or list of `RESOURCES`.
    Resource(&'static Resource),
    /// A resource type that isn't simulated, by namespace and type.
    Unknown {
        namespace: String,
        kind: String,
    },
}

/// A resource or list of a resource provider: the namespace, the path below it, in which `*` is a
/// name, and the operation in a group.
type Resource = (&'static str, &'static str, Operation);

const RESOURCES: [Resource; 17] = {
    use Operation::*;
    const NET: &str = "Microsoft.Network";
    const VM: &str = "Microsoft.Compute";
    const VMSS: &str = "Microsoft.Compute/virtualMachineScaleSets";
    [
        (NET, "networkInterfaces", ListGroupNetworkInterfaces),
        (NET, "networkInterfaces/*", GetNetworkInterface),
        (NET, "publicIPAddresses", ListPublicAddresses),
        (NET, "publicIPAddresses/*", GetPublicAddress),
        (VM, "virtualMachines", ListGroupVirtualMachines),
        (VM, "virtualMachines/*", GetVirtualMachine),
        (VM, "virtualMachines/*/instanceView", GetVirtualMachine),
        (VM, "virtualMachineScaleSets", ListGroupScaleSets),
        (VMSS, "*", GetScaleSet),
        (VMSS, "*/instanceView", GetScaleSetInstanceView),
        (VMSS, "*/networkInterfaces", ListScaleSetNetworkInterfaces),
        (VMSS, "*/publicIPAddresses", ListScaleSetPublicAddresses),
        (VMSS, "*/virtualMachines", ListScaleSetInstances),
        (VMSS, "*/virtualMachines/*", GetScaleSetInstance),
        (
            VMSS,
            "*/virtualMachines/*/instanceView",
            GetScaleSetInstance,
        ),
        (
            VMSS,
            "*/virtualMachines/*/networkInterfaces",
            ListInstanceNetworkInterfaces,
        ),
        (
            VMSS,
            "*/virtualMachines/*/networkInterfaces/*",
            GetInstanceNetworkInterface,
        ),
    ]
};

/// The operation of a list of a group in a whole subscription, if that has such a list.
fn of_subscription(in_group: Operation) -> Option<Operation> {
    match in_group {
        Operation::ListGroupNetworkInterfaces => Some(Operation::ListNetworkInterfaces),
        Operation::ListGroupVirtualMachines => Some(Operation::ListVirtualMachines),
        Operation::ListGroupScaleSets => Some(Operation::ListScaleSets),
        Operation::ListPublicAddresses => Some(in_group),
        _ => None,
    }
}

impl Route {
    /// Reads a path.
    pub(super) fn parse(path: &str) -> Self {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let is = |at: usize, word: &str| {
            segments
                .get(at)
                .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        let in_subscription = is(0, "subscriptions") && segments.len() > 1;
        let in_group = in_subscription && is(2, "resourceGroups") && segments.len() > 3;
        let rest = match (in_subscription, in_group) {
            (_, true) => &segments[4..],
            (true, false) => &segments[2..],
            (false, false) => &segments[..],
        };
        let (target, names) = target(rest, in_subscription, in_group);
        Self {
            subscription: in_subscription.then(|| segments[1].clone()),
            group: in_group.then(|| segments[3].clone()),
            target,
            names,
        }
    }

    /// The operation.
    pub(super) fn operation(&self) -> Operation {
        match &self.target {
            Target::Resources => Operation::ListResources,
            Target::Resource((.., operation)) => match self.group {
                None => of_subscription(*operation).unwrap_or(Operation::Unexpected),
                Some(_) => *operation,
            },
            Target::Unknown { .. } => Operation::Unexpected,
            _ => Operation::Bystander,
        }
    }

    /// The name at this position of the path.
    pub(super) fn name(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    /// Whether it is the instance view alone.
    pub(super) fn is_view(&self) -> bool {
        matches!(self.target, Target::Resource((_, path, _)) if path.ends_with("/instanceView"))
    }

    /// The action that a caller needs. `None`: any caller with a token, who gets what it may see.
    pub(super) fn action(&self) -> Option<String> {
        match &self.target {
            Target::ResourceGroups | Target::ResourceGroup => {
                Some("Microsoft.Resources/subscriptions/resourceGroups/read".to_owned())
            }
            Target::Resource((namespace, path, _)) => {
                Some(format!("{namespace}/{path}/read").replace("/*", ""))
            }
            // The index has the resources of each type that the caller may read, see `resources`.
            _ => None,
        }
    }

    /// The scope that an authorization error names: the resource, or for a list of a group the
    /// provider in it, for a list of a subscription the subscription. (Words: recorded 2023 for a
    /// resource; azure-cli and CloudShell issues of 2025 for a list of a group.)
    pub(super) fn scope(&self, path: &str) -> String {
        let decoded = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
        let subscription = format!(
            "/subscriptions/{}",
            self.subscription.as_deref().unwrap_or_default()
        );
        let path = path.trim_end_matches('/');
        match (&self.target, &self.group) {
            (Target::ResourceGroups, _) => subscription,
            (Target::Resource(_), None) => subscription,
            (Target::Resource((namespace, ..)), Some(group)) if self.names.is_empty() => {
                format!("{subscription}/resourceGroups/{group}/providers/{namespace}")
            }
            (Target::Resource((_, list, operation)), _)
                if *operation != Operation::GetVirtualMachine
                    && self.names.len() == 1
                    && !list.ends_with('*') =>
            {
                decoded(path.rsplit_once('/').map_or(path, |(parent, _)| parent))
            }
            _ => decoded(path),
        }
    }
}

/// What the segments below the subscription or group name, with the names among them.
fn target(rest: &[String], in_subscription: bool, in_group: bool) -> (Target, Vec<String>) {
    let lower: Vec<String> = rest.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let found = match (lower.as_slice(), in_subscription, in_group) {
        (["subscriptions"], false, _) => Target::Subscriptions,
        (["tenants"], false, _) => Target::Tenants,
        ([], true, true) => Target::ResourceGroup,
        ([], true, false) => Target::Subscription,
        (["locations"], true, false) => Target::Locations,
        (["resourcegroups"], true, false) => Target::ResourceGroups,
        (["resources"], true, _) => Target::Resources,
        (["providers", ..], true, _) => {
            let mut known = RESOURCES
                .iter()
                .filter(|(.., operation)| in_group || of_subscription(*operation).is_some())
                .filter_map(|one| Some((one, names(one, &rest[1..])?)));
            match known.next() {
                Some((resource, names)) => return (Target::Resource(resource), names),
                None => unknown(rest),
            }
        }
        _ => unknown(rest),
    };
    (found, Vec::new())
}

/// The names in a path of this resource; `None` if the path is of another one.
fn names((namespace, pattern, _): &Resource, path: &[String]) -> Option<Vec<String>> {
    let pattern: Vec<&str> = namespace.split('/').chain(pattern.split('/')).collect();
    let mut names = Vec::new();
    for (word, segment) in pattern.iter().zip(path) {
        if *word == "*" {
            names.push(segment.clone());
        } else if !word.eq_ignore_ascii_case(segment) {
            return None;
        }
    }
    (pattern.len() == path.len()).then_some(names)
}

fn unknown(rest: &[String]) -> Target {
    let kinds = rest.iter().skip(2).step_by(2).cloned();
    Target::Unknown {
        namespace: rest.get(1).cloned().unwrap_or_default(),
        kind: kinds.collect::<Vec<_>>().join("/"),
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
                    target: Target::Resource(&RESOURCES[8]),
                    names: vec!["Set".to_owned()],
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
                (operation, Some(action.to_owned())),
                "{path}"
            );
        }
    }

    #[test]
    fn a_path_of_no_known_resource_is_unexpected() {
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
