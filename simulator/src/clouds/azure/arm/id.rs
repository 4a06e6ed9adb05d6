//! ARM resource ids. They are compared case-insensitively, and responses differ in case.

/// A group's id.
pub(crate) fn resource_group(subscription: &str, group: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}")
}

/// The id of a top-level resource of the type (`Microsoft.Network/virtualNetworks`).
pub(crate) fn resource(subscription: &str, group: &str, kind: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}")
}

/// A virtual machine's id.
pub(crate) fn virtual_machine(subscription: &str, group: &str, name: &str) -> String {
    resource(
        subscription,
        group,
        "Microsoft.Compute/virtualMachines",
        name,
    )
}

/// A scale set's id.
pub(crate) fn scale_set(subscription: &str, group: &str, name: &str) -> String {
    resource(
        subscription,
        group,
        "Microsoft.Compute/virtualMachineScaleSets",
        name,
    )
}

/// The id of an instance below its scale set.
pub(crate) fn instance(subscription: &str, group: &str, set: &str, instance: &str) -> String {
    format!(
        "{}/virtualMachines/{instance}",
        scale_set(subscription, group, set)
    )
}

/// An interface's id.
pub(crate) fn network_interface(subscription: &str, group: &str, name: &str) -> String {
    resource(
        subscription,
        group,
        "Microsoft.Network/networkInterfaces",
        name,
    )
}

/// A public address's id.
pub(crate) fn public_address(subscription: &str, group: &str, name: &str) -> String {
    resource(
        subscription,
        group,
        "Microsoft.Network/publicIPAddresses",
        name,
    )
}

/// The id of the only subnet of a group.
pub(crate) fn subnet(subscription: &str, group: &str) -> String {
    format!(
        "{}/subnets/default",
        resource(
            subscription,
            group,
            "Microsoft.Network/virtualNetworks",
            &format!("{group}-vnet")
        )
    )
}
