//! Network interfaces: of a subscription, a group, a Uniform set and its instances.
//!
//! Shapes: recorded azure-cli `test_vmss_simple_orchestration_mode` 2023 (on a Flexible instance), `test_vmss_nics` 2023 (Uniform), `test_network_nic` 2023
//! (unattached, private endpoint, NetApp, private link service), manageiq 2018 (deallocated).

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::{Answer, Room, id, page};
use crate::world::{
    Attachment, EmptyTags, Instance, IpConfiguration, Listing, NetworkInterface, OrchestrationMode, PublicAddressUse, ResourceGroup, ScaleSet, UniformListing,
    fingerprint, guid, mac_address,
};

const KIND: &str = "Microsoft.Network/networkInterfaces";

pub(super) fn list(room: &Room<'_>) -> Result<Answer, ArmError> {
    let all = || room.groups.iter().flat_map(|group| group.network_interfaces.iter().map(move |interface| (*group, interface))).collect();
    page::list(room, Listing::NetworkInterfaces, all, |(group, interface)| show(room, group, interface))
}

pub(super) fn one(room: &Room<'_>, name: &str) -> Result<Answer, ArmError> {
    let group = room.group()?;
    let interface = group.network_interface(name).ok_or_else(|| ArmError::resource_not_found(KIND, name, &group.name))?;
    Ok(Answer::One(show(room, group, interface)))
}

/// The listing that is for Uniform sets. What it says of a Flexible set was reported in three ways, see [`UniformListing`].
pub(super) fn of_scale_set(room: &Room<'_>, name: &str) -> Result<Answer, ArmError> {
    let group = room.group()?;
    let not_found = || ArmError::network_not_found(&id::scale_set(&room.subscription.id, &group.name, name));
    let set = group.scale_set(name).ok_or_else(not_found)?;
    if set.orchestration_mode == OrchestrationMode::Flexible {
        match set.plan.uniform_listing.unwrap_or_else(|| room.world.settings().uniform_listing_of_flexible) {
            UniformListing::NotFound => return Err(not_found()),
            UniformListing::Conflict => return Err(ArmError::not_allowed_on_scale_set("VirtualMachineScaleSets.networkInterfaces.GET")),
            UniformListing::Empty => {}
        }
    }
    let all = || set.instances.iter().flat_map(|instance| instance.network_interfaces.iter().map(move |interface| (instance, interface))).collect();
    page::list(room, Listing::ScaleSetNetworkInterfaces, all, |(instance, interface)| show_of_instance(room, group, set, instance, interface))
}

pub(super) fn of_instance(room: &Room<'_>, set: &str, number: &str) -> Result<Answer, ArmError> {
    let group = room.group()?;
    let (set, instance) = find_instance(room, group, set, number)?;
    page::list(
        room,
        Listing::ScaleSetNetworkInterfaces,
        || instance.network_interfaces.iter().collect(),
        |interface| show_of_instance(room, group, set, instance, interface),
    )
}

pub(super) fn one_of_instance(room: &Room<'_>, set: &str, number: &str, name: &str) -> Result<Answer, ArmError> {
    let group = room.group()?;
    let (set, instance) = find_instance(room, group, set, number)?;
    let interface = instance.network_interfaces.iter().find(|interface| interface.name.eq_ignore_ascii_case(name));
    let missing = || ArmError::network_not_found(&format!("{}/networkInterfaces/{name}", id::instance(&room.subscription.id, &group.name, &set.name, number)));
    Ok(Answer::One(show_of_instance(room, group, set, instance, interface.ok_or_else(missing)?)))
}

fn find_instance<'a>(room: &Room<'a>, group: &'a ResourceGroup, set: &str, number: &str) -> Result<(&'a ScaleSet, &'a Instance), ArmError> {
    let missing = || ArmError::network_not_found(&id::instance(&room.subscription.id, &group.name, set, number));
    let set = group.scale_set(set).ok_or_else(missing)?;
    let instance = set.instances.iter().find(|instance| instance.id.to_string() == number);
    Ok((set, instance.ok_or_else(missing)?))
}

/// What does not depend on where the interface is: the state, the IP configurations, DNS, the MAC address.
fn properties(interface: &NetworkInterface, own_id: &str, etag: &str, subnet: &str, room: &Room<'_>) -> Map<String, Value> {
    let mut properties = Map::new();
    let typed = interface.attachment != Attachment::ScaleSetInstance;
    let configurations: Vec<_> =
        interface.ip_configurations.iter().map(|configuration| show_configuration(configuration, own_id, etag, subnet, typed, room)).collect();
    properties.insert("provisioningState".to_owned(), "Succeeded".into());
    properties.insert("resourceGuid".to_owned(), guid(&[own_id, "resource"]).into());
    properties.insert("ipConfigurations".to_owned(), configurations.into());
    let mut dns = json!({ "dnsServers": [], "appliedDnsServers": [] });
    // Gone with the host, and never there for what is left of an instance: recorded 2018 and 2023.
    if interface.on_host && !(interface.attachment == Attachment::ScaleSetInstance && interface.primary.is_none()) {
        dns["internalDomainNameSuffix"] =
            format!("{:013x}{:013x}.ax.internal.cloudapp.net", fingerprint(&[subnet]) >> 12, fingerprint(&[subnet, "suffix"]) >> 12).into();
    }
    properties.insert("dnsSettings".to_owned(), dns);
    let mac = match interface.attachment {
        Attachment::Unattached => None,
        Attachment::PrivateEndpoint(_) => Some(String::new()),
        _ => interface.on_host.then(|| mac_address(&[own_id])),
    };
    if let Some(mac) = mac {
        properties.insert("macAddress".to_owned(), mac.into());
    }
    properties
}

fn show(room: &Room<'_>, group: &ResourceGroup, interface: &NetworkInterface) -> Value {
    let subscription = &room.subscription.id;
    let own_id = id::network_interface(subscription, &group.name, &interface.name);
    let etag = format!("W/\"{}\"", guid(&[&own_id, "etag"]));
    let mut properties = properties(interface, &own_id, &etag, &id::subnet(subscription, &group.name), room);
    properties.insert("vnetEncryptionSupported".to_owned(), false.into());
    properties.insert("enableIPForwarding".to_owned(), false.into());
    if interface.attachment == Attachment::NetAppVolume {
        properties.insert("linkedResourceType".to_owned(), "Microsoft.Netapp/volumes".into());
    }
    if let Some(primary) = interface.primary {
        properties.insert("primary".to_owned(), primary.into());
    }
    let mut attach = |key: &str, id: String| drop(properties.insert(key.to_owned(), json!({ "id": id })));
    let network = |kind: &str, name: &str| id::resource(subscription, &group.name, &format!("Microsoft.Network/{kind}"), name);
    match &interface.attachment {
        Attachment::VirtualMachine { resource_group, name } => attach("virtualMachine", id::virtual_machine(subscription, resource_group, name)),
        Attachment::NetAppVolume => attach("bareMetalServer", network("bareMetalServers", "baremetalTenant")),
        _ => {}
    }
    properties.insert("hostedWorkloads".to_owned(), json!([]));
    properties.insert("tapConfigurations".to_owned(), json!([]));
    let mut attach = |key: &str, id: String| drop(properties.insert(key.to_owned(), json!({ "id": id })));
    match &interface.attachment {
        Attachment::PrivateEndpoint(name) => attach("privateEndpoint", network("privateEndpoints", name)),
        Attachment::PrivateLinkService(name) => attach("privateLinkService", network("privateLinkServices", name)),
        _ => {}
    }
    properties.insert("nicType".to_owned(), "Standard".into());
    properties.insert("allowPort25Out".to_owned(), true.into());

    let mut shown = Map::new();
    shown.insert("name".to_owned(), interface.name.clone().into());
    shown.insert("id".to_owned(), own_id.into());
    shown.insert("etag".to_owned(), etag.into());
    match (interface.tags.is_empty(), room.world.settings().empty_tags) {
        (true, EmptyTags::Absent) => {}
        (true, EmptyTags::Null) => drop(shown.insert("tags".to_owned(), Value::Null)),
        (true, EmptyTags::Empty) | (false, _) => drop(shown.insert("tags".to_owned(), json!(interface.tags))),
    }
    shown.insert("properties".to_owned(), properties.into());
    shown.insert("type".to_owned(), KIND.into());
    shown.insert("location".to_owned(), group.location.clone().into());
    shown.insert("kind".to_owned(), "Regular".into());
    shown.into()
}

/// No `tags`, no `type`, and the id below the instance.
fn show_of_instance(room: &Room<'_>, group: &ResourceGroup, set: &ScaleSet, instance: &Instance, interface: &NetworkInterface) -> Value {
    let subscription = &room.subscription.id;
    let instance_id = id::instance(subscription, &group.name, &set.name, &instance.id.to_string());
    let own_id = format!("{instance_id}/networkInterfaces/{}", interface.name);
    let etag = format!("W/\"{}\"", guid(&[&own_id, "etag"]));
    let mut properties = properties(interface, &own_id, &etag, &id::subnet(subscription, &group.name), room);
    properties.insert("enableIPForwarding".to_owned(), false.into());
    if let Some(primary) = interface.primary {
        properties.insert("primary".to_owned(), primary.into());
    }
    properties.insert("virtualMachine".to_owned(), json!({ "id": instance_id }));
    json!({ "name": interface.name, "id": own_id, "etag": etag, "properties": properties, "location": group.location })
}

fn show_configuration(configuration: &IpConfiguration, interface: &str, etag: &str, subnet: &str, typed: bool, room: &Room<'_>) -> Value {
    let own_id = format!("{interface}/ipConfigurations/{}", configuration.name);
    let mut properties = Map::new();
    properties.insert("provisioningState".to_owned(), "Succeeded".into());
    if let Some(address) = configuration.private_address {
        properties.insert("privateIPAddress".to_owned(), address.to_string().into());
    }
    properties.insert("privateIPAllocationMethod".to_owned(), "Dynamic".into());
    let public = configuration.public_address.as_ref().map(|public| match public {
        PublicAddressUse::Reference { resource_group, name } => id::public_address(&room.subscription.id, resource_group, name),
        PublicAddressUse::OfInstance(public) => format!("{own_id}/publicIPAddresses/{}", public.name),
    });
    if let Some(public) = public {
        properties.insert("publicIPAddress".to_owned(), json!({ "id": public }));
    }
    if configuration.private_address.is_some() {
        properties.insert("subnet".to_owned(), json!({ "id": subnet }));
    }
    if let Some(primary) = configuration.primary {
        properties.insert("primary".to_owned(), primary.into());
    }
    properties.insert("privateIPAddressVersion".to_owned(), configuration.version.as_str().into());
    let mut shown = Map::new();
    shown.insert("name".to_owned(), configuration.name.clone().into());
    shown.insert("id".to_owned(), own_id.into());
    shown.insert("etag".to_owned(), etag.into());
    if typed {
        shown.insert("type".to_owned(), "Microsoft.Network/networkInterfaces/ipConfigurations".into());
    }
    shown.insert("properties".to_owned(), properties.into());
    shown.into()
}
