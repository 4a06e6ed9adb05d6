//! Network interfaces: of a subscription, a group, a Uniform set and its instances.
//!
//! Shapes: recorded azure-cli `test_vmss_simple_orchestration_mode` 2023 (on a Flexible instance),
//! `test_vmss_nics` 2023 (Uniform), `test_network_nic` 2023 (unattached, private endpoint, NetApp,
//! private link service), manageiq 2018 (deallocated).

use std::net::IpAddr;

use serde::Serialize;

use super::error::ArmError;
use super::{ArmBody, ArmContext, id, page};
use crate::clouds::azure::world::{
    Attachment, EmptyTags, Instance, IpConfiguration, Listing, NetworkInterface, OrchestrationMode,
    PublicAddressUse, ResourceGroup, ScaleSet, Tags, UniformListing, fingerprint, guid,
    mac_address,
};

const KIND: &str = "Microsoft.Network/networkInterfaces";

pub(super) fn list(context: &ArmContext<'_>) -> Result<ArmBody, ArmError> {
    let all = || context.resources(|group| &group.network_interfaces);
    page::list(
        context,
        Listing::NetworkInterfaces,
        all,
        |(group, interface)| show(context, group, interface),
    )
}

pub(super) fn one(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let interface = group
        .network_interface(name)
        .ok_or_else(|| ArmError::resource_not_found(KIND, name, &group.name))?;
    ArmBody::one(&show(context, group, interface))
}

/// The listing for Uniform sets. Three different responses were reported for Flexible sets, see
/// [`UniformListing`].
pub(super) fn of_scale_set(context: &ArmContext<'_>, name: &str) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let not_found =
        || ArmError::network_not_found(&id::scale_set(&context.subscription.id, &group.name, name));
    let set = group.scale_set(name).ok_or_else(not_found)?;
    if set.orchestration_mode == OrchestrationMode::Flexible {
        match set
            .plan
            .uniform_listing
            .unwrap_or_else(|| context.world.settings().uniform_listing_of_flexible)
        {
            UniformListing::NotFound => return Err(not_found()),
            UniformListing::Conflict => {
                return Err(ArmError::not_allowed_on_scale_set(
                    "VirtualMachineScaleSets.networkInterfaces.GET",
                ));
            }
            UniformListing::Empty => {}
        }
    }
    let all = || {
        set.instances
            .iter()
            .flat_map(|instance| {
                instance
                    .network_interfaces
                    .iter()
                    .map(move |interface| (instance, interface))
            })
            .collect()
    };
    page::list(
        context,
        Listing::ScaleSetNetworkInterfaces,
        all,
        |(instance, interface)| show_of_instance(context, group, set, instance, interface),
    )
}

pub(super) fn of_instance(
    context: &ArmContext<'_>,
    set: &str,
    number: &str,
) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let (set, instance) = find_instance(context, group, set, number)?;
    page::list(
        context,
        Listing::ScaleSetNetworkInterfaces,
        || instance.network_interfaces.iter().collect(),
        |interface| show_of_instance(context, group, set, instance, interface),
    )
}

pub(super) fn one_of_instance(
    context: &ArmContext<'_>,
    set: &str,
    number: &str,
    name: &str,
) -> Result<ArmBody, ArmError> {
    let group = context.group()?;
    let (set, instance) = find_instance(context, group, set, number)?;
    let interface = instance
        .network_interfaces
        .iter()
        .find(|interface| interface.name.eq_ignore_ascii_case(name));
    let missing = || {
        ArmError::network_not_found(&format!(
            "{}/networkInterfaces/{name}",
            id::instance(&context.subscription.id, &group.name, &set.name, number)
        ))
    };
    ArmBody::one(&show_of_instance(
        context,
        group,
        set,
        instance,
        interface.ok_or_else(missing)?,
    ))
}

fn find_instance<'a>(
    context: &ArmContext<'a>,
    group: &'a ResourceGroup,
    set: &str,
    number: &str,
) -> Result<(&'a ScaleSet, &'a Instance), ArmError> {
    let missing = || {
        ArmError::network_not_found(&id::instance(
            &context.subscription.id,
            &group.name,
            set,
            number,
        ))
    };
    let set = group.scale_set(set).ok_or_else(missing)?;
    let instance = set
        .instances
        .iter()
        .find(|instance| instance.id.to_string() == number);
    Ok((set, instance.ok_or_else(missing)?))
}

/// An interface as ARM serialises it. It's serialised directly into the page: a large subscription
/// has a hundred thousand.
#[derive(Serialize)]
pub(super) struct InterfaceJson<'a> {
    name: &'a str,
    id: String,
    etag: String,
    /// Absent on interfaces of Uniform instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Option<&'a Tags>>,
    properties: Properties<'a>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind_of_resource: Option<&'static str>,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    provisioning_state: &'static str,
    resource_guid: String,
    ip_configurations: Vec<Configuration<'a>>,
    dns_settings: DnsSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vnet_encryption_supported: Option<bool>,
    #[serde(rename = "enableIPForwarding")]
    enable_ip_forwarding: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_resource_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_machine: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bare_metal_server: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_workloads: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tap_configurations: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_endpoint: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_link_service: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nic_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_port25_out: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DnsSettings {
    dns_servers: [(); 0],
    applied_dns_servers: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    internal_domain_name_suffix: Option<String>,
}

#[derive(Serialize)]
struct Id {
    id: String,
}

#[derive(Serialize)]
struct Configuration<'a> {
    name: &'a str,
    id: String,
    etag: String,
    /// Absent on interfaces of Uniform instances.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    properties: ConfigurationProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigurationProperties {
    provisioning_state: &'static str,
    #[serde(rename = "privateIPAddress", skip_serializing_if = "Option::is_none")]
    private_ip_address: Option<IpAddr>,
    #[serde(rename = "privateIPAllocationMethod")]
    private_ip_allocation_method: &'static str,
    #[serde(rename = "publicIPAddress", skip_serializing_if = "Option::is_none")]
    public_ip_address: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<bool>,
    #[serde(rename = "privateIPAddressVersion")]
    private_ip_address_version: &'static str,
}

fn show<'a>(
    context: &ArmContext<'a>,
    group: &'a ResourceGroup,
    interface: &'a NetworkInterface,
) -> InterfaceJson<'a> {
    let subscription = &context.subscription.id;
    let id = id::network_interface(subscription, &group.name, &interface.name);
    let network = |kind: &str, name: &str| {
        Some(Id {
            id: id::resource(
                subscription,
                &group.name,
                &format!("Microsoft.Network/{kind}"),
                name,
            ),
        })
    };
    let etag = etag(&id);
    let mut properties = properties(context, group, interface, &id, &etag);
    properties.vnet_encryption_supported = Some(false);
    properties.hosted_workloads = Some([]);
    properties.tap_configurations = Some([]);
    properties.nic_type = Some("Standard");
    properties.allow_port25_out = Some(true);
    match &interface.attachment {
        Attachment::VirtualMachine {
            resource_group,
            name,
        } => {
            properties.virtual_machine = Some(Id {
                id: id::virtual_machine(subscription, resource_group, name),
            })
        }
        Attachment::NetAppVolume => {
            properties.linked_resource_type = Some("Microsoft.Netapp/volumes");
            properties.bare_metal_server = network("bareMetalServers", "baremetalTenant");
        }
        Attachment::PrivateEndpoint(name) => {
            properties.private_endpoint = network("privateEndpoints", name)
        }
        Attachment::PrivateLinkService(name) => {
            properties.private_link_service = network("privateLinkServices", name)
        }
        Attachment::Unattached | Attachment::ScaleSetInstance => {}
    }
    let tags = match (
        interface.tags.is_empty(),
        context.world.settings().empty_tags,
    ) {
        (true, EmptyTags::Absent) => None,
        (true, EmptyTags::Null) => Some(None),
        (true, EmptyTags::Empty) | (false, _) => Some(Some(&interface.tags)),
    };
    InterfaceJson {
        name: &interface.name,
        id,
        etag,
        tags,
        properties,
        kind_of_resource: Some(KIND),
        location: &group.location,
        kind: Some("Regular"),
    }
}

/// No `tags`, no `type`, and the id below the instance.
fn show_of_instance<'a>(
    context: &ArmContext<'a>,
    group: &'a ResourceGroup,
    set: &ScaleSet,
    instance: &Instance,
    interface: &'a NetworkInterface,
) -> InterfaceJson<'a> {
    let instance_id = id::instance(
        &context.subscription.id,
        &group.name,
        &set.name,
        &instance.id.to_string(),
    );
    let id = format!("{instance_id}/networkInterfaces/{}", interface.name);
    let etag = etag(&id);
    let mut properties = properties(context, group, interface, &id, &etag);
    properties.virtual_machine = Some(Id { id: instance_id });
    InterfaceJson {
        name: &interface.name,
        id,
        etag,
        tags: None,
        properties,
        kind_of_resource: None,
        location: &group.location,
        kind: None,
    }
}

fn etag(id: &str) -> String {
    format!("W/\"{}\"", guid(&[id, "etag"]))
}

/// The properties common to all interfaces: the state, the IP configurations, DNS, the MAC address.
fn properties<'a>(
    context: &ArmContext<'a>,
    group: &'a ResourceGroup,
    interface: &'a NetworkInterface,
    id: &str,
    etag: &str,
) -> Properties<'a> {
    let subnet = id::subnet(&context.subscription.id, &group.name);
    let of_instance = interface.attachment == Attachment::ScaleSetInstance;
    // Absent without a host, and for the interfaces of a deleted instance: recorded 2018 and 2023.
    let has_suffix = interface.on_host && !(of_instance && interface.primary.is_none());
    let suffix = || {
        format!(
            "{:013x}{:013x}.ax.internal.cloudapp.net",
            fingerprint(&[&subnet]) >> 12,
            fingerprint(&[&subnet, "suffix"]) >> 12
        )
    };
    Properties {
        provisioning_state: "Succeeded",
        resource_guid: guid(&[id, "resource"]),
        ip_configurations: interface
            .ip_configurations
            .iter()
            .map(|configuration| {
                show_configuration(context, configuration, id, &subnet, etag, of_instance)
            })
            .collect(),
        dns_settings: DnsSettings {
            dns_servers: [],
            applied_dns_servers: [],
            internal_domain_name_suffix: has_suffix.then(suffix),
        },
        mac_address: match interface.attachment {
            Attachment::Unattached => None,
            Attachment::PrivateEndpoint(_) => Some(String::new()),
            _ => interface.on_host.then(|| mac_address(&[id])),
        },
        vnet_encryption_supported: None,
        enable_ip_forwarding: false,
        linked_resource_type: None,
        primary: interface.primary,
        virtual_machine: None,
        bare_metal_server: None,
        hosted_workloads: None,
        tap_configurations: None,
        private_endpoint: None,
        private_link_service: None,
        nic_type: None,
        allow_port25_out: None,
    }
}

fn show_configuration<'a>(
    context: &ArmContext<'_>,
    configuration: &'a IpConfiguration,
    interface: &str,
    subnet: &str,
    etag: &str,
    of_instance: bool,
) -> Configuration<'a> {
    let id = format!("{interface}/ipConfigurations/{}", configuration.name);
    let public = configuration
        .public_address
        .as_ref()
        .map(|public| match public {
            PublicAddressUse::Reference {
                resource_group,
                name,
            } => id::public_address(&context.subscription.id, resource_group, name),
            PublicAddressUse::OfInstance(public) => {
                format!("{id}/publicIPAddresses/{}", public.name)
            }
        });
    Configuration {
        name: &configuration.name,
        id,
        etag: etag.to_owned(),
        kind: (!of_instance).then_some("Microsoft.Network/networkInterfaces/ipConfigurations"),
        properties: ConfigurationProperties {
            provisioning_state: "Succeeded",
            private_ip_address: configuration.private_address,
            private_ip_allocation_method: "Dynamic",
            public_ip_address: public.map(|id| Id { id }),
            subnet: configuration.private_address.map(|_| Id {
                id: subnet.to_owned(),
            }),
            primary: configuration.primary,
            private_ip_address_version: configuration.version.as_str(),
        },
    }
}
