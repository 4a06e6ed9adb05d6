//! Scale sets and their instances.
//!
//! Shapes: recorded azure-cli `test_vm_list_filter` and `test_vmss_simple_orchestration_mode` 2023
//! (Flexible, with and without profile), `test_vmss_create_w_ips` 2023 (Uniform),
//! `test_vmss_hibernate` 2025 (instances of a Flexible set are stubs), `test_vmss_nics` 2023
//! (instances of a Uniform set in full).

use serde_json::{Value, json};

use super::error::ArmError;
use super::machines::{instance_view as view, storage_profile};
use super::{ArmBody, ArmContext, expands_view, id, page, without_nulls};
use crate::clouds::azure::world::{
    Instance, Listing, OrchestrationMode, PowerState, ResourceGroup, ScaleSet, fingerprint, guid,
};

const KIND: &str = "Microsoft.Compute/virtualMachineScaleSets";
const CREATED: &str = "2025-01-15T09:25:00.0000000+00:00";
/// Responses of older api-versions have no `orchestrationMode` (recorded with 2019-03-01 and
/// 2020-06-01).
const MODE_SINCE: &str = "2020-12-01";

pub(super) fn list(context: &ArmContext<'_>) -> Result<ArmBody, ArmError> {
    let all = || context.resources(|group| &group.scale_sets);
    // The group in the id is in upper case, as recorded in 2019 and as for lists of machines.
    page::list(context, Listing::ScaleSets, all, |(group, set)| {
        show(context, group, set, &group.name.to_ascii_uppercase())
    })
}

pub(super) fn one(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    ArmBody::one(&show(context, group, find(group, name)?, &group.name))
}

/// For Uniform sets only.
pub(super) fn instance_view(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let set = find(context.group()?, name)?;
    if set.orchestration_mode == OrchestrationMode::Flexible {
        return Err(ArmError::not_allowed_on_scale_set(
            "VirtualMachineScaleSets.instanceView.GET",
        ));
    }
    let count = live_instances(set).count();
    ArmBody::one(&json!({
        "virtualMachine": { "statusesSummary": [{ "code": "ProvisioningState/succeeded", "count": count }] },
        "statuses": [{ "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": CREATED }]
    }))
}

pub(super) fn instances(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let set = group
        .scale_set(name)
        .ok_or_else(|| ArmError::parent_not_found(name))?;
    match set.orchestration_mode {
        OrchestrationMode::Flexible => page::list(
            context,
            Listing::ScaleSetInstances,
            || group.members(&set.name).collect(),
            |machine| stub(context, group, set, &machine.name, machine.zone.as_deref()),
        ),
        OrchestrationMode::Uniform => {
            let expand = expands_view(context);
            let select = context
                .request
                .query("$select")
                .is_some_and(|select| select.eq_ignore_ascii_case("instanceView"));
            let all = || live_instances(set).collect();
            page::list(context, Listing::ScaleSetInstances, all, |instance| {
                if expand && select {
                    show_view(context, group, set, instance)
                } else {
                    show_instance(context, group, set, instance, expand)
                }
            })
        }
    }
}

pub(super) fn instance(
    context: &ArmContext<'_>,
    set: &str,
    wanted: &str,
    view_only: bool,
) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let set = group
        .scale_set(set)
        .ok_or_else(|| ArmError::parent_not_found(set))?;
    let missing = || {
        ArmError::resource_not_found(
            &format!("{KIND}/{}/virtualMachines", set.name),
            wanted,
            &group.name,
        )
    };
    if set.orchestration_mode == OrchestrationMode::Flexible {
        let machine = group
            .members(&set.name)
            .find(|machine| machine.name.eq_ignore_ascii_case(wanted))
            .ok_or_else(missing)?;
        let shown = if view_only {
            view(&machine.name, machine.power_state)
        } else {
            stub(context, group, set, &machine.name, machine.zone.as_deref())
        };
        return ArmBody::one(&shown);
    }
    let number: u32 = wanted
        .parse()
        .map_err(|_| ArmError::instance_id_is_no_number())?;
    let instance = live_instances(set)
        .find(|instance| instance.id == number)
        .ok_or_else(missing)?;
    let shown = if view_only {
        view(&computer_name(set, instance), instance.power_state)
    } else {
        show_instance(context, group, set, instance, expands_view(context))
    };
    ArmBody::one(&shown)
}

fn find<'a>(group: &'a ResourceGroup, name: &str) -> Result<&'a ScaleSet, ArmError> {
    group
        .scale_set(name)
        .ok_or_else(|| ArmError::resource_not_found(KIND, name, &group.name))
}

fn show(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    group_in_id: &str,
) -> Value {
    let flexible = set.orchestration_mode == OrchestrationMode::Flexible;
    let has_mode = context.api_version >= MODE_SINCE;
    let has_profile = set.plan.profile;
    let subscription = &context.subscription.id;
    let properties = without_nulls(json!({
        "singlePlacementGroup": !flexible,
        "orchestrationMode": has_mode.then(|| set.orchestration_mode.as_str()),
        "upgradePolicy": (!flexible).then(|| json!({ "mode": "Manual" })),
        "virtualMachineProfile": has_profile.then(|| profile(context, group, set, flexible)),
        "provisioningState": "Succeeded",
        "overprovision": (!flexible).then_some(set.plan.phantoms > 0),
        "doNotRunExtensionsOnOverprovisionedVMs": (!flexible).then_some(false),
        "uniqueId": guid(&[subscription, &group.name, &set.name, "set"]),
        "platformFaultDomainCount": flexible.then_some(1),
        "constrainedMaximumCapacity": flexible.then_some(false),
        "timeCreated": CREATED,
    }));
    let capacity = if flexible {
        group.members(&set.name).count()
    } else {
        live_instances(set).count()
    };
    let zones = &set.plan.zones;
    without_nulls(json!({
        "name": set.name,
        "id": id::scale_set(subscription, group_in_id, &set.name),
        "type": KIND,
        "location": group.location,
        "tags": set.tags,
        "zones": (!zones.is_empty()).then_some(zones),
        "sku": has_profile.then(|| json!({ "name": "Standard_DS1_v2", "tier": "Standard", "capacity": capacity })),
        "properties": properties,
    }))
}

fn profile(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    flexible: bool,
) -> Value {
    let network = without_nulls(json!({
        "networkApiVersion": flexible.then_some("2020-11-01"),
        "networkInterfaceConfigurations": configurations(context, group, set),
    }));
    let prefix = set.name.chars().take(8).collect::<String>();
    json!({
        "osProfile": os_profile("computerNamePrefix", prefix),
        "storageProfile": {
            "osDisk": { "osType": "Linux", "createOption": "FromImage", "caching": "ReadWrite", "managedDisk": { "storageAccountType": "Premium_LRS" }, "diskSizeGB": 30 },
            "imageReference": { "publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2", "version": "latest" }
        },
        "networkProfile": network
    })
}

fn configurations(context: &ArmContext<'_>, group: &ResourceGroup, set: &ScaleSet) -> Value {
    let name = set
        .plan
        .interface_configuration
        .clone()
        .unwrap_or_else(|| format!("{}Nic", set.name));
    let subnet = id::subnet(&context.subscription.id, &group.name);
    json!([{
        "name": name,
        "properties": {
            "primary": true,
            "disableTcpStateTracking": false,
            "dnsSettings": { "dnsServers": [] },
            "enableIPForwarding": false,
            "ipConfigurations": [{ "name": format!("{}IPConfig", set.name), "properties": { "subnet": { "id": subnet }, "privateIPAddressVersion": "IPv4" } }]
        }
    }])
}

/// The list of instances of a Flexible set has only these fields, without interfaces.
fn stub(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    name: &str,
    zone: Option<&str>,
) -> Value {
    json!({
        "name": name,
        "id": id::instance(&context.subscription.id, &group.name, &set.name, name),
        "type": "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
        "location": group.location,
        "instanceId": name,
        "zones": [zone]
    })
}

fn computer_name(set: &ScaleSet, instance: &Instance) -> String {
    format!(
        "{}{:06}",
        set.name.chars().take(8).collect::<String>(),
        instance.id
    )
}

fn show_instance(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    instance: &Instance,
    expand: bool,
) -> Value {
    let subscription = &context.subscription.id;
    let own_id = id::instance(
        subscription,
        &group.name,
        &set.name,
        &instance.id.to_string(),
    );
    let name = format!("{}_{}", set.name, instance.id);
    let interfaces: Vec<_> = instance
        .network_interfaces
        .iter()
        .map(|interface| json!({ "id": format!("{own_id}/networkInterfaces/{}", interface.name) }))
        .collect();
    let is_starting = instance.power_state == PowerState::Starting;
    let configurations = configurations(context, group, set);
    let properties = without_nulls(json!({
        "latestModelApplied": true,
        "modelDefinitionApplied": "VirtualMachineScaleSet",
        "networkProfileConfiguration": { "networkInterfaceConfigurations": configurations },
        "vmId": guid(&[&own_id, "vm"]),
        "instanceView": expand.then(|| placed_view(set, instance)),
        "hardwareProfile": { "vmSize": "Standard_DS1_v2" },
        "storageProfile":
            storage_profile(subscription, &group.name, &format!("{}_{name}", set.name)),
        "osProfile": os_profile("computerName", computer_name(set, instance)),
        "networkProfile": { "networkInterfaces": interfaces },
        "provisioningState": if is_starting { "Updating" } else { "Succeeded" },
        "timeCreated": CREATED,
    }));
    without_nulls(json!({
        "name": name,
        "id": own_id,
        "type": "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
        "location": group.location,
        "tags": instance.tags,
        "instanceId": instance.id.to_string(),
        "sku": { "name": "Standard_DS1_v2", "tier": "Standard" },
        "zones": instance.zone.as_ref().map(|zone| [zone]),
        "properties": properties,
    }))
}

/// The fields that `$select=instanceView` returns.
fn show_view(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    instance: &Instance,
) -> Value {
    json!({
        "id": id::instance(&context.subscription.id, &group.name, &set.name, &instance.id.to_string()),
        "instanceId": instance.id.to_string(),
        "properties": { "latestModelApplied": true, "instanceView": placed_view(set, instance), "hardwareProfile": {}, "provisioningState": "Succeeded" }
    })
}

fn placed_view(set: &ScaleSet, instance: &Instance) -> Value {
    let mut view = view(&computer_name(set, instance), instance.power_state);
    view["placementGroupId"] = guid(&[&set.name, "placement"]).into();
    view["platformUpdateDomain"] = (fingerprint(&[&set.name, &instance.id.to_string()]) % 5).into();
    view
}

/// The instances that were not deleted.
fn live_instances(set: &ScaleSet) -> impl Iterator<Item = &Instance> {
    set.instances.iter().filter(|instance| !instance.gone)
}

/// The operating system, named by the key `named` of the model.
fn os_profile(named: &str, name: String) -> Value {
    json!({
        named: name,
        "adminUsername": "operator",
        "linuxConfiguration": { "disablePasswordAuthentication": true, "ssh": { "publicKeys": [] }, "provisionVMAgent": true, "enableVMAgentPlatformUpdates": false },
        "secrets": [],
        "allowExtensionOperations": true,
        "requireGuestProvisionSignal": true
    })
}
