//! Virtual machines, plain and of Flexible sets.
//!
//! Shapes: recorded azure-cli `test_vm_list_filter` 2023 (list: the group in the machine's own id
//! is in UPPER CASE, interface ids keep theirs), `test_vmss_simple_orchestration_mode` 2023 (one
//! machine, with and without `$expand=instanceView`), manageiq 2018 (instance view of a deallocated
//! machine).

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::{ArmBody, ArmContext, id, page};
use crate::clouds::azure::world::{
    ExpandedList, Listing, PowerState, ResourceGroup, VirtualMachine, fingerprint, guid,
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
    let expanded = context
        .request
        .query("$expand")
        .is_some_and(|expand| expand.eq_ignore_ascii_case("instanceView"));
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
    let expanded = context
        .request
        .query("$expand")
        .is_some_and(|expand| expand.eq_ignore_ascii_case("instanceView"));
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
    let own_id = id::virtual_machine(subscription, group_in_id, &machine.name);
    let mut properties = Map::new();
    properties.insert(
        "vmId".to_owned(),
        guid(&[
            &id::virtual_machine(subscription, &group.name, &machine.name),
            "vm",
        ])
        .into(),
    );
    if let Some(set) = &machine.scale_set {
        properties.insert(
            "virtualMachineScaleSet".to_owned(),
            json!({ "id": id::scale_set(subscription, group_in_id, set) }),
        );
    }
    if show != Fields::InstanceView {
        properties.insert(
            "hardwareProfile".to_owned(),
            json!({ "vmSize": "Standard_DS1_v2" }),
        );
        properties.insert(
            "storageProfile".to_owned(),
            storage_profile(subscription, &group.name, &machine.name),
        );
        properties.insert("osProfile".to_owned(), os_profile(machine));
        let references: Vec<_> = machine
            .network_interfaces
            .iter()
            .map(|reference| {
                let interface = id::network_interface(subscription, &reference.resource_group, &reference.name);
                match (reference.primary, &machine.scale_set) {
                    (None, _) => json!({ "id": interface }),
                    (Some(primary), Some(_)) => json!({ "id": interface, "properties": { "primary": primary, "deleteOption": "Delete" } }),
                    (Some(primary), None) => json!({ "id": interface, "properties": { "primary": primary } }),
                }
            })
            .collect();
        properties.insert(
            "networkProfile".to_owned(),
            json!({ "networkInterfaces": references }),
        );
    }
    properties.insert("provisioningState".to_owned(), "Succeeded".into());
    if show != Fields::Model {
        properties.insert(
            "instanceView".to_owned(),
            instance_view(&machine.name, machine.power_state),
        );
    }
    properties.insert("timeCreated".to_owned(), CREATED.into());

    let mut shown = Map::new();
    shown.insert("name".to_owned(), machine.name.clone().into());
    shown.insert("id".to_owned(), own_id.into());
    shown.insert("type".to_owned(), KIND.into());
    shown.insert("location".to_owned(), group.location.clone().into());
    shown.insert("tags".to_owned(), json!(machine.tags));
    if let Some(zone) = &machine.zone {
        shown.insert("zones".to_owned(), json!([zone]));
    }
    shown.insert("properties".to_owned(), properties.into());
    shown.into()
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
    let mut view = Map::new();
    let agent = if power_state == PowerState::Running {
        view.insert("computerName".to_owned(), name.into());
        view.insert("osName".to_owned(), "ubuntu".into());
        view.insert("osVersion".to_owned(), "22.04".into());
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
    view.insert("vmAgent".to_owned(), agent);
    view.insert("hyperVGeneration".to_owned(), "V2".into());
    view.insert(
        "statuses".to_owned(),
        json!([
            { "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": CREATED },
            { "code": format!("PowerState/{}", power_state.as_str()), "level": "Info", "displayStatus": format!("VM {}", power_state.as_str()) }
        ]),
    );
    view.into()
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
