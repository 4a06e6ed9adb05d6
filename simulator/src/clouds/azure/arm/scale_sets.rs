//! Scale sets and their instances.
//!
//! Shapes: recorded azure-cli `test_vm_list_filter` and `test_vmss_simple_orchestration_mode` 2023
//! (Flexible, with and without profile), `test_vmss_create_w_ips` 2023 (Uniform),
//! `test_vmss_hibernate` 2025 (instances of a Flexible set are stubs), `test_vmss_nics` 2023
//! (instances of a Uniform set in full).

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::machines::{instance_view as view, storage_profile};
use super::{ArmBody, ArmContext, id, page};
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
    let count = set
        .instances
        .iter()
        .filter(|instance| !instance.gone)
        .count();
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
            let all = || {
                set.instances
                    .iter()
                    .filter(|instance| !instance.gone)
                    .collect()
            };
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
    let instance = set
        .instances
        .iter()
        .find(|instance| instance.id == number && !instance.gone)
        .ok_or_else(missing)?;
    let shown = if view_only {
        view(&computer_name(set, instance), instance.power_state)
    } else {
        show_instance(context, group, set, instance, expands_view(context))
    };
    ArmBody::one(&shown)
}

fn expands_view(context: &ArmContext<'_>) -> bool {
    context
        .request
        .query("$expand")
        .is_some_and(|expand| expand.eq_ignore_ascii_case("instanceView"))
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
    let mut properties = Map::new();
    properties.insert("singlePlacementGroup".to_owned(), (!flexible).into());
    if context.api_version >= MODE_SINCE {
        properties.insert(
            "orchestrationMode".to_owned(),
            set.orchestration_mode.as_str().into(),
        );
    }
    if !flexible {
        properties.insert("upgradePolicy".to_owned(), json!({ "mode": "Manual" }));
    }
    if set.plan.profile {
        properties.insert(
            "virtualMachineProfile".to_owned(),
            profile(context, group, set, flexible),
        );
    }
    properties.insert("provisioningState".to_owned(), "Succeeded".into());
    if !flexible {
        properties.insert("overprovision".to_owned(), (set.plan.phantoms > 0).into());
        properties.insert(
            "doNotRunExtensionsOnOverprovisionedVMs".to_owned(),
            false.into(),
        );
    }
    properties.insert(
        "uniqueId".to_owned(),
        guid(&[&context.subscription.id, &group.name, &set.name, "set"]).into(),
    );
    if flexible {
        properties.insert("platformFaultDomainCount".to_owned(), 1.into());
        properties.insert("constrainedMaximumCapacity".to_owned(), false.into());
    }
    properties.insert("timeCreated".to_owned(), CREATED.into());

    let mut shown = Map::new();
    shown.insert("name".to_owned(), set.name.clone().into());
    shown.insert(
        "id".to_owned(),
        id::scale_set(&context.subscription.id, group_in_id, &set.name).into(),
    );
    shown.insert("type".to_owned(), KIND.into());
    shown.insert("location".to_owned(), group.location.clone().into());
    shown.insert("tags".to_owned(), json!(set.tags));
    if !set.plan.zones.is_empty() {
        shown.insert("zones".to_owned(), json!(set.plan.zones));
    }
    if set.plan.profile {
        let capacity = if flexible {
            group.members(&set.name).count()
        } else {
            set.instances
                .iter()
                .filter(|instance| !instance.gone)
                .count()
        };
        shown.insert(
            "sku".to_owned(),
            json!({ "name": "Standard_DS1_v2", "tier": "Standard", "capacity": capacity }),
        );
    }
    shown.insert("properties".to_owned(), properties.into());
    shown.into()
}

fn profile(
    context: &ArmContext<'_>,
    group: &ResourceGroup,
    set: &ScaleSet,
    flexible: bool,
) -> Value {
    let mut network = Map::new();
    if flexible {
        network.insert("networkApiVersion".to_owned(), "2020-11-01".into());
    }
    network.insert(
        "networkInterfaceConfigurations".to_owned(),
        configurations(context, group, set),
    );
    json!({
        "osProfile": {
            "computerNamePrefix": set.name.chars().take(8).collect::<String>(),
            "adminUsername": "operator",
            "linuxConfiguration": { "disablePasswordAuthentication": true, "ssh": { "publicKeys": [] }, "provisionVMAgent": true, "enableVMAgentPlatformUpdates": false },
            "secrets": [],
            "allowExtensionOperations": true,
            "requireGuestProvisionSignal": true
        },
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
    let mut properties = Map::new();
    properties.insert("latestModelApplied".to_owned(), true.into());
    properties.insert(
        "modelDefinitionApplied".to_owned(),
        "VirtualMachineScaleSet".into(),
    );
    properties.insert(
        "networkProfileConfiguration".to_owned(),
        json!({ "networkInterfaceConfigurations": configurations(context, group, set) }),
    );
    properties.insert("vmId".to_owned(), guid(&[&own_id, "vm"]).into());
    if expand {
        properties.insert("instanceView".to_owned(), placed_view(set, instance));
    }
    properties.insert(
        "hardwareProfile".to_owned(),
        json!({ "vmSize": "Standard_DS1_v2" }),
    );
    properties.insert(
        "storageProfile".to_owned(),
        storage_profile(subscription, &group.name, &format!("{}_{name}", set.name)),
    );
    properties.insert(
        "osProfile".to_owned(),
        json!({
            "computerName": computer_name(set, instance),
            "adminUsername": "operator",
            "linuxConfiguration": { "disablePasswordAuthentication": true, "ssh": { "publicKeys": [] }, "provisionVMAgent": true, "enableVMAgentPlatformUpdates": false },
            "secrets": [],
            "allowExtensionOperations": true,
            "requireGuestProvisionSignal": true
        }),
    );
    properties.insert(
        "networkProfile".to_owned(),
        json!({ "networkInterfaces": interfaces }),
    );
    properties.insert(
        "provisioningState".to_owned(),
        if instance.power_state == PowerState::Starting {
            "Updating"
        } else {
            "Succeeded"
        }
        .into(),
    );
    properties.insert("timeCreated".to_owned(), CREATED.into());

    let mut shown = Map::new();
    shown.insert("name".to_owned(), name.into());
    shown.insert("id".to_owned(), own_id.into());
    shown.insert(
        "type".to_owned(),
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines".into(),
    );
    shown.insert("location".to_owned(), group.location.clone().into());
    shown.insert("tags".to_owned(), json!(instance.tags));
    shown.insert("instanceId".to_owned(), instance.id.to_string().into());
    shown.insert(
        "sku".to_owned(),
        json!({ "name": "Standard_DS1_v2", "tier": "Standard" }),
    );
    if let Some(zone) = &instance.zone {
        shown.insert("zones".to_owned(), json!([zone]));
    }
    shown.insert("properties".to_owned(), properties.into());
    shown.into()
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
