//! Virtual machines, plain and of Flexible sets.
//!
//! Shapes: recorded azure-cli `test_vm_list_filter` 2023 (list: the group in the machine's own id
//! is in UPPER CASE, interface ids keep theirs), `test_vmss_simple_orchestration_mode` 2023 (one
//! machine, with and without `$expand=instanceView`), manageiq 2018 (instance view of a deallocated
//! machine).

use serde_json::{Value, json};

use super::error::ArmError;
use super::{ArmBody, ArmContext, expands_view, id, page, without_nulls};
use crate::clouds::azure::world::{
    ExpandedList, InterfaceReference, Listing, PowerState, ResourceGroup, VirtualMachine,
    fingerprint, guid,
};

const KIND: &str = "Microsoft.Compute/virtualMachines";
const CREATED: &str = "2025-01-15T09:30:00.0000000+00:00";

/// The fields of a machine in a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fields {
    Model,
    Both,
    /// For `statusOnly=true`, and as reported for `$filter` with `$expand`.
    InstanceView,
}

pub(super) fn list(context: &ArmContext<'_>) -> Result<ArmBody, ArmError> {
    let wanted = context
        .request
        .query("$filter")
        .filter(|filter| !filter.is_empty())
        .map(scale_set_of)
        .transpose()?;
    let expanded = expands_view(context);
    // Only the list of a subscription supports it.
    let status_only = !context.in_group
        && context
            .request
            .query("statusOnly")
            .is_some_and(|only| only.eq_ignore_ascii_case("true"));
    let show = match (
        expanded,
        wanted.is_some() && context.world.settings().expanded_list == ExpandedList::ViewOnly,
    ) {
        _ if status_only => Fields::InstanceView,
        (true, true) => Fields::InstanceView,
        (true, false) => Fields::Both,
        (false, _) => Fields::Model,
    };
    let fits =
        |group: &ResourceGroup, machine: &VirtualMachine| match (&wanted, &machine.scale_set) {
            (None, _) => true,
            (Some(wanted), Some(set)) => id::scale_set(&context.subscription.id, &group.name, set)
                .eq_ignore_ascii_case(wanted),
            (Some(_), None) => false,
        };
    let all = || {
        let mut machines = context.resources(|group| &group.virtual_machines);
        machines.retain(|(group, machine)| fits(group, machine));
        machines
    };
    page::list(
        context,
        Listing::VirtualMachines,
        all,
        |(group, machine)| {
            show_machine(
                context,
                group,
                machine,
                &group.name.to_ascii_uppercase(),
                show,
            )
        },
    )
}

/// The id in `'virtualMachineScaleSet/id' eq '...'`: both sides are quoted, as the Azure CLI and
/// cloud-provider-azure write it.
fn scale_set_of(filter: &str) -> Result<String, ArmError> {
    let invalid = || ArmError::invalid_filter(filter);
    let quoted = |text: &str| {
        text.trim()
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
            .map(str::to_owned)
    };
    let lower = filter.to_ascii_lowercase();
    let at = lower.find(" eq ").ok_or_else(invalid)?;
    let property = quoted(&filter[..at]).ok_or_else(invalid)?;
    let value = quoted(&filter[at + " eq ".len()..])
        .filter(|value| !value.contains('\''))
        .ok_or_else(invalid)?;
    if property.eq_ignore_ascii_case("virtualMachineScaleSet/id") {
        Ok(value)
    } else {
        Err(invalid())
    }
}

pub(super) fn one(
    context: &ArmContext<'_>,
    name: &str,
    view_only: bool,
) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let machine = group
        .virtual_machine(name)
        .ok_or_else(|| ArmError::resource_not_found(KIND, name, &group.name))?;
    if view_only {
        return ArmBody::one(&instance_view(&machine.name, machine.power_state));
    }
    let expanded = expands_view(context);
    ArmBody::one(&show_machine(
        context,
        group,
        machine,
        &group.name,
        if expanded {
            Fields::Both
        } else {
            Fields::Model
        },
    ))
}

fn show_machine(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    machine: &VirtualMachine,
    group_in_id: &str,
    show: Fields,
) -> Value {
    let subscription = &context.subscription.id;
    let own_id = |group: &str| id::virtual_machine(subscription, group, &machine.name);
    let has_model = show != Fields::InstanceView;
    let reference = |reference: &InterfaceReference| {
        let group = &reference.resource_group;
        let interface = id::network_interface(subscription, group, &reference.name);
        let properties = reference.primary.map(|primary| {
            let delete_option = machine.scale_set.as_ref().map(|_| "Delete");
            without_nulls(json!({ "primary": primary, "deleteOption": delete_option }))
        });
        without_nulls(json!({ "id": interface, "properties": properties }))
    };
    let interfaces = machine.network_interfaces.iter().map(reference);
    let set = machine.scale_set.as_ref();
    let set = set.map(|set| json!({ "id": id::scale_set(subscription, group_in_id, set) }));
    let properties = without_nulls(json!({
        "vmId": guid(&[&own_id(&group.name), "vm"]),
        "virtualMachineScaleSet": set,
        "hardwareProfile": has_model.then(|| json!({ "vmSize": "Standard_DS1_v2" })),
        "storageProfile": has_model.then(|| storage_profile(subscription, &group.name, &machine.name)),
        "osProfile": has_model.then(|| os_profile(machine)),
        "networkProfile":
            has_model.then(|| json!({ "networkInterfaces": interfaces.collect::<Vec<_>>() })),
        "provisioningState": "Succeeded",
        "instanceView":
            (show != Fields::Model).then(|| instance_view(&machine.name, machine.power_state)),
        "timeCreated": CREATED,
    }));
    without_nulls(json!({
        "name": machine.name,
        "id": own_id(group_in_id),
        "type": KIND,
        "location": group.location,
        "tags": machine.tags,
        "zones": machine.zone.as_ref().map(|zone| [zone]),
        "properties": properties,
    }))
}

/// The disk and image of every simulated machine.
pub(super) fn storage_profile(subscription: &str, group: &str, machine: &str) -> Value {
    let disk = format!(
        "{machine}_OsDisk_1_{:016x}",
        fingerprint(&[group, machine, "disk"])
    );
    json!({
        "imageReference": { "publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2", "version": "latest", "exactVersion": "22.04.202501140" },
        "osDisk": {
            "osType": "Linux", "name": disk, "createOption": "FromImage", "caching": "ReadWrite",
            "managedDisk": { "storageAccountType": "Premium_LRS", "id": id::resource(subscription, group, "Microsoft.Compute/disks", &disk) },
            "deleteOption": "Delete", "diskSizeGB": 30
        },
        "dataDisks": []
    })
}

fn os_profile(machine: &VirtualMachine) -> Value {
    // The computer name of a Flexible instance is a prefix and six characters, not the machine's
    // name.
    let computer = match &machine.scale_set {
        Some(set) => format!(
            "{}{:06X}",
            set.chars().take(8).collect::<String>(),
            fingerprint(&[&machine.name, "computer"]) >> 40
        ),
        None => machine.name.clone(),
    };
    json!({
        "computerName": computer,
        "adminUsername": "operator",
        "linuxConfiguration": {
            "disablePasswordAuthentication": true,
            "ssh": { "publicKeys": [] },
            "provisionVMAgent": true,
            "patchSettings": { "patchMode": "ImageDefault", "assessmentMode": "ImageDefault" },
            "enableVMAgentPlatformUpdates": false
        },
        "secrets": [],
        "allowExtensionOperations": true,
        "requireGuestProvisionSignal": true
    })
}

/// The instance view. A machine that isn't running has no computer name and an unresponsive agent.
pub(super) fn instance_view(name: &str, power_state: PowerState) -> Value {
    let is_running = power_state == PowerState::Running;
    let agent = if is_running {
        json!({
            "vmAgentVersion": "2.9.0.4",
            "statuses": [{ "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready", "message": "Guest Agent is running", "time": CREATED }],
            "extensionHandlers": []
        })
    } else {
        json!({
            "vmAgentVersion": "Unknown",
            "statuses": [{ "code": "ProvisioningState/Unavailable", "level": "Warning", "displayStatus": "Not Ready", "message": "VM Agent is unresponsive.", "time": CREATED }]
        })
    };
    without_nulls(json!({
        "computerName": is_running.then_some(name),
        "osName": is_running.then_some("ubuntu"),
        "osVersion": is_running.then_some("22.04"),
        "vmAgent": agent,
        "hyperVGeneration": "V2",
        "statuses": [
            { "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": CREATED },
            { "code": format!("PowerState/{}", power_state.as_str()), "level": "Info", "displayStatus": format!("VM {}", power_state.as_str()) }
        ],
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_filter_wants_quotes_on_both_sides() {
        assert_eq!(
            scale_set_of("'virtualMachineScaleSet/id' eq '/subscriptions/x'").unwrap(),
            "/subscriptions/x"
        );
        assert_eq!(
            scale_set_of("'VirtualMachineScaleSet/Id' EQ 'notexists'").unwrap(),
            "notexists"
        );
        for filter in [
            "virtualMachineScaleSet/id eq '/x'",
            "'virtualMachineScaleSet/id' eq /x",
            "'name' eq '/x'",
            "'virtualMachineScaleSet/id'",
            "'virtualMachineScaleSet/id' eq '/x' or 'y' eq 'z'",
        ] {
            assert_eq!(
                scale_set_of(filter).unwrap_err().code,
                "InvalidParameter",
                "{filter}"
            );
        }
    }
}
