//! The format of world files. Nearly every field has a default; an unknown field is an error.
//!
//! The same values build worlds in code: `ScaleSetPlan { name: "nomad".into(), instances: 3,
//! ..ScaleSetPlan::default() }`. `generate` creates the resources.

use std::net::IpAddr;

use serde::Deserialize;

use super::principal::Principal;
use super::resource::{AddressVersion, OrchestrationMode, PowerState, Tags};
use super::settings::{Settings, UniformListing};
use crate::clouds::azure::Fault;

/// A whole world.
///
/// A world with one subscription has `subscription_id` and `[[resource_group]]`; further
/// subscriptions are in `[[subscription]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldPlan {
    /// The default tenant of principals.
    pub tenant_id: String,
    /// The id of the subscription that `resource_group` belongs to.
    pub subscription_id: Option<String>,
    /// The default region of groups; by default `westeurope`.
    pub location: Option<String>,
    /// The settings.
    pub settings: Settings,
    /// The principals.
    pub principal: Vec<Principal>,
    /// Groups of the subscription `subscription_id`.
    pub resource_group: Vec<ResourceGroupPlan>,
    /// Further subscriptions.
    pub subscription: Vec<SubscriptionPlan>,
    /// The machine whose instance metadata is served.
    pub machine: Option<Machine>,
    /// Faults that are active from the start.
    pub fault: Vec<Fault>,
}

/// A subscription.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriptionPlan {
    /// The GUID.
    pub id: String,
    /// The display name; by default derived from the id.
    pub display_name: Option<String>,
    /// Its groups.
    pub resource_group: Vec<ResourceGroupPlan>,
}

/// A resource group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceGroupPlan {
    /// The name.
    pub name: String,
    /// The region.
    pub location: Option<String>,
    /// Tags of the group.
    pub tags: Tags,
    /// Private IPv4 addresses; by default `10.N.0.0/16` for the Nth group (from 0).
    pub subnet: Option<String>,
    /// Private IPv6 addresses; by default `fd00:N::/64`.
    pub subnet_v6: Option<String>,
    /// Public addresses; by default a part of 198.18.0.0/15, which is no one's,.
    pub public_subnet: Option<String>,
    /// Scale sets.
    pub scale_set: Vec<ScaleSetPlan>,
    /// Virtual machines outside scale sets, and those attached to a Flexible set manually.
    pub virtual_machine: Vec<VirtualMachinePlan>,
    /// Interfaces without a machine.
    pub network_interface: Vec<NetworkInterfacePlan>,
    /// The number of further, unrelated interfaces: most on machines, some on private endpoints,
    /// some unattached. With them the interfaces of the group are listed in random order.
    pub unrelated_interfaces: usize,
}

/// A scale set and the instances in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScaleSetPlan {
    /// The name.
    pub name: String,
    /// `flexible` (default) or `uniform`.
    pub orchestration_mode: OrchestrationMode,
    /// The number of instances.
    pub instances: usize,
    /// Further instances that differ from those.
    pub instance: Vec<InstancePlan>,
    /// Uniform: the number of deleted instances whose interfaces are still listed.
    pub phantoms: usize,
    /// Tags of the set.
    pub tags: Tags,
    /// Tags of each instance.
    pub instance_tags: Tags,
    /// Tags of each interface (Flexible only: Uniform interfaces show none).
    pub interface_tags: Tags,
    /// The zones of the instances, in turn.
    pub zones: Vec<String>,
    /// Whether the set has a profile to create instances from. Without one it has neither `sku` nor
    /// `virtualMachineProfile` (recorded 2023).
    pub profile: bool,
    /// The name of the first interface configuration: interfaces are called `{it}-{8 hex}`
    /// (Flexible) or just that (Uniform). `{name}Nic` by default.
    pub interface_configuration: Option<String>,
    /// Flexible: the group of the interfaces, if it isn't the set's.
    pub interface_resource_group: Option<String>,
    /// The number of interfaces of an instance.
    pub interfaces: usize,
    /// The number of IPv4 configurations of an interface.
    pub ip_configurations: usize,
    /// Whether each interface also has an IPv6 configuration.
    pub ipv6: Ipv6,
    /// Whether the first configuration of each instance has a public address.
    pub public_addresses: bool,
    /// The response of the Uniform interface listing, if it isn't that of `[settings]`.
    pub uniform_listing: Option<UniformListing>,
}

impl Default for ScaleSetPlan {
    fn default() -> Self {
        Self {
            name: String::new(),
            orchestration_mode: OrchestrationMode::default(),
            instances: 0,
            instance: Vec::new(),
            phantoms: 0,
            tags: Tags::new(),
            instance_tags: Tags::new(),
            interface_tags: Tags::new(),
            zones: Vec::new(),
            profile: true,
            interface_configuration: None,
            interface_resource_group: None,
            interfaces: 1,
            ip_configurations: 1,
            ipv6: Ipv6::None,
            public_addresses: false,
            uniform_listing: None,
        }
    }
}

/// Whether interfaces have an IPv6 configuration besides the IPv4 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6 {
    /// No.
    #[default]
    None,
    /// Yes, with an address.
    Address,
    /// Yes, but without an address (recorded 2022).
    WithoutAddress,
}

/// An instance that differs from the plan of its scale set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstancePlan {
    /// Flexible: the name of the machine.
    pub name: Option<String>,
    /// The private address of its first configuration.
    pub address: AddressPlan,
    /// Tags of the instance.
    pub tags: Option<Tags>,
    /// Tags of its interfaces.
    pub interface_tags: Option<Tags>,
    /// Its zone.
    pub zone: Option<String>,
    /// Its power state.
    pub power_state: PowerState,
}

/// A virtual machine with its interfaces.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VirtualMachinePlan {
    /// The name.
    pub name: String,
    /// The number of machines, named `{name}-0` and so on.
    pub count: Option<usize>,
    /// The Flexible set of the same group that it is attached to.
    pub scale_set: Option<String>,
    /// Tags of the machine.
    pub tags: Tags,
    /// Its zone.
    pub zone: Option<String>,
    /// Its power state.
    pub power_state: PowerState,
    /// Its interfaces; by default one, `{name}VMNic`.
    pub network_interface: Vec<NetworkInterfacePlan>,
    /// Tags of that default interface.
    pub interface_tags: Tags,
    /// Addresses of that one interface, a configuration each; by default one from the subnet.
    pub addresses: Vec<AddressPlan>,
    /// Public address of the first configuration of that default interface.
    pub public_address: AddressPlan,
}

/// An interface.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkInterfacePlan {
    /// The name; by default made from the machine's.
    pub name: Option<String>,
    /// Its group, if it isn't the machine's.
    pub resource_group: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Whether it is the machine's primary one; by default the first is.
    pub primary: Option<bool>,
    /// What it is attached to, if not to a machine.
    pub kind: InterfaceKind,
    /// Addresses, a configuration each; by default one from the subnet.
    pub addresses: Vec<AddressPlan>,
    /// Public address of the first configuration.
    pub public_address: AddressPlan,
    /// The configurations in full, instead of the two fields above.
    pub ip_configuration: Vec<IpConfigurationPlan>,
}

/// What an interface without a machine is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// Nothing.
    #[default]
    Unattached,
    /// A private endpoint.
    PrivateEndpoint,
    /// A private link service.
    PrivateLinkService,
    /// A NetApp volume.
    NetAppVolume,
}

/// An IP configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IpConfigurationPlan {
    /// The name; by default `ipconfig1` and so on.
    pub name: Option<String>,
    /// The private address.
    pub address: AddressPlan,
    /// The family, for a configuration without an address; by default IPv4.
    pub version: Option<AddressVersion>,
    /// Whether it is the primary one; by default the first is.
    pub primary: Option<bool>,
    /// Its public address.
    pub public_address: AddressPlan,
}

/// An address in a world file: `"auto"` is the next free one, `"none"` is none, anything else is
/// the address. By default private addresses are `auto` and public ones `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum AddressPlan {
    /// The default of the field.
    #[default]
    Unset,
    /// The next free address.
    Auto,
    /// No address.
    None,
    /// This address.
    Is(IpAddr),
}

impl TryFrom<String> for AddressPlan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            text => text.parse().map(Self::Is).map_err(|_| {
                format!("`{text}` is no address: write an IP address, `auto` or `none`")
            }),
        }
    }
}

/// The machine whose instance metadata is served. TOML: `[machine]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// The subscription it is in; by default the world's first.
    pub subscription_id: Option<String>,
    /// The group it is in.
    pub resource_group: String,
    /// Its name, for a virtual machine.
    pub virtual_machine: Option<String>,
    /// Its scale set, for an instance.
    pub scale_set: Option<String>,
    /// The instance: a Uniform instance's number, or the position in a Flexible set, from 0.
    pub instance: u32,
    /// The names of the principals that are its identities.
    pub identities: Vec<String>,
    /// The cloud as instance metadata spells it; by default `AzurePublicCloud`.
    pub environment: Option<String>,
}
