//! The resources of a simulated subscription: groups, scale sets, instances, virtual machines,
//! interfaces, public addresses.
//!
//! These are plain values. `generate` creates them; [`crate::clouds::azure::arm`] serialises them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::plan::ScaleSetPlan;
use super::subnet::Subnet;

/// Tag names and values. ARM compares names case-insensitively, so no two should differ only in
/// case.
pub type Tags = BTreeMap<String, String>;

/// One subscription with its resources.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The GUID.
    pub id: String,
    /// The display name.
    pub display_name: String,
    /// In the order of listings.
    pub resource_groups: Vec<ResourceGroup>,
}

impl Subscription {
    /// The group with this name, compared case-insensitively.
    pub fn resource_group(&self, name: &str) -> Option<&ResourceGroup> {
        self.resource_groups
            .iter()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// The group with this name, compared case-insensitively.
    pub fn resource_group_mut(&mut self, name: &str) -> Option<&mut ResourceGroup> {
        self.resource_groups
            .iter_mut()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }
}

/// One resource group.
#[derive(Debug, Clone)]
pub struct ResourceGroup {
    /// The name, in its original case.
    pub name: String,
    /// The region of its resources.
    pub location: String,
    /// Tags of the group itself, which aren't inherited.
    pub tags: Tags,
    /// The range of private IPv4 addresses.
    pub subnet: Subnet,
    /// The range of private IPv6 addresses.
    pub subnet_v6: Subnet,
    /// The range of public addresses.
    pub public_subnet: Subnet,
    /// Scale sets of both modes.
    pub scale_sets: Vec<ScaleSet>,
    /// Virtual machines, including the instances of Flexible sets.
    pub virtual_machines: Vec<VirtualMachine>,
    /// Interfaces, except those of Uniform instances.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Public addresses, except those of Uniform instances.
    pub public_addresses: Vec<PublicAddress>,
}

impl ResourceGroup {
    /// The scale set with this name, compared case-insensitively.
    pub fn scale_set(&self, name: &str) -> Option<&ScaleSet> {
        self.scale_sets
            .iter()
            .find(|set| set.name.eq_ignore_ascii_case(name))
    }

    /// The virtual machine with this name, compared case-insensitively.
    pub fn virtual_machine(&self, name: &str) -> Option<&VirtualMachine> {
        self.virtual_machines
            .iter()
            .find(|machine| machine.name.eq_ignore_ascii_case(name))
    }

    /// The interface with this name, compared case-insensitively.
    pub fn network_interface(&self, name: &str) -> Option<&NetworkInterface> {
        self.network_interfaces
            .iter()
            .find(|interface| interface.name.eq_ignore_ascii_case(name))
    }

    /// The public address with this name, compared case-insensitively.
    pub fn public_address(&self, name: &str) -> Option<&PublicAddress> {
        self.public_addresses
            .iter()
            .find(|address| address.name.eq_ignore_ascii_case(name))
    }

    /// The virtual machines that are instances of the Flexible set `scale_set`, in the order of
    /// listings.
    pub fn members<'a>(&'a self, scale_set: &'a str) -> impl Iterator<Item = &'a VirtualMachine> {
        self.virtual_machines.iter().filter(move |machine| {
            machine
                .scale_set
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(scale_set))
        })
    }
}

/// The orchestration mode of a scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OrchestrationMode {
    /// Instances are ordinary virtual machines (the default of new scale sets).
    #[default]
    #[serde(rename = "flexible", alias = "Flexible")]
    Flexible,
    /// Instances are numbered parts of the set, and so are their interfaces.
    #[serde(rename = "uniform", alias = "Uniform")]
    Uniform,
}

impl OrchestrationMode {
    /// The value of `properties.orchestrationMode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flexible => "Flexible",
            Self::Uniform => "Uniform",
        }
    }
}

/// One virtual machine scale set.
#[derive(Debug, Clone)]
pub struct ScaleSet {
    /// The name.
    pub name: String,
    /// Flexible or Uniform.
    pub orchestration_mode: OrchestrationMode,
    /// Tags of the set itself.
    pub tags: Tags,
    /// Uniform: the instances, including deleted ones whose interfaces are still listed. Flexible:
    /// always empty, see [`ResourceGroup::members`].
    pub instances: Vec<Instance>,
    /// The plan of further instances.
    pub plan: ScaleSetPlan,
    /// The number of instances ever created, which is the next one's number.
    pub made: u32,
}

/// One instance of a Uniform scale set.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The number of the instance.
    pub id: u32,
    /// Tags of the instance.
    pub tags: Tags,
    /// Availability zone.
    pub zone: Option<String>,
    /// The power state in the instance view.
    pub power_state: PowerState,
    /// The instance was deleted (overprovisioning) and only its interfaces are still listed,
    /// without `properties.primary`: recorded in 2023 and 2025.
    pub gone: bool,
    /// Its interfaces. Every instance has interfaces of the same names.
    pub network_interfaces: Vec<NetworkInterface>,
}

/// One virtual machine, possibly in a Flexible set.
#[derive(Debug, Clone)]
pub struct VirtualMachine {
    /// The name.
    pub name: String,
    /// Tags of the virtual machine.
    pub tags: Tags,
    /// Availability zone.
    pub zone: Option<String>,
    /// The power state in the instance view.
    pub power_state: PowerState,
    /// The Flexible set it is an instance of; the set is always in the same resource group.
    pub scale_set: Option<String>,
    /// Its interfaces, in any group.
    pub network_interfaces: Vec<InterfaceReference>,
}

/// A virtual machine's reference to one of its interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceReference {
    /// The resource group of the interface, which need not be the machine's.
    pub resource_group: String,
    /// The name of the interface.
    pub name: String,
    /// `properties.primary`; without it the reference has no `properties` at all, as recorded for
    /// machines with a single interface.
    pub primary: Option<bool>,
}

/// The power state of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerState {
    /// Becoming running.
    Starting,
    /// Running.
    #[default]
    Running,
    /// Becoming stopped.
    Stopping,
    /// Stopped, with its host still allocated.
    Stopped,
    /// Becoming deallocated.
    Deallocating,
    /// Stopped without a host: interfaces keep their address and lose their MAC address.
    Deallocated,
}

impl PowerState {
    /// The word after `PowerState/`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Deallocating => "deallocating",
            Self::Deallocated => "deallocated",
        }
    }
}

/// One network interface.
#[derive(Debug, Clone)]
pub struct NetworkInterface {
    /// The name.
    pub name: String,
    /// Tags of the interface; Uniform interfaces never show any.
    pub tags: Tags,
    /// Its IP configurations, the primary one first.
    pub ip_configurations: Vec<IpConfiguration>,
    /// `properties.primary`: absent on unattached interfaces and on those of deleted instances.
    pub primary: Option<bool>,
    /// What it is attached to.
    pub attachment: Attachment,
    /// Whether its machine has a host. Without one the interface has neither MAC address nor domain
    /// name suffix (recorded 2018).
    pub on_host: bool,
}

/// What a network interface is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// Nothing.
    Unattached,
    /// A virtual machine.
    VirtualMachine {
        /// The machine's resource group.
        resource_group: String,
        /// The machine's name.
        name: String,
    },
    /// An instance of a Uniform set.
    ScaleSetInstance,
    /// A private endpoint of that name in the same group.
    PrivateEndpoint(String),
    /// A private link service of that name in the same group.
    PrivateLinkService(String),
    /// A NetApp volume: `primary` is true, and there is no virtual machine (recorded 2023).
    NetAppVolume,
}

/// One IP configuration of an interface.
#[derive(Debug, Clone)]
pub struct IpConfiguration {
    /// The name.
    pub name: String,
    /// The private address. It's absent while a machine is created, and in the IPv6 configuration
    /// of an interface whose subnet has no IPv6 range (recorded 2022).
    pub private_address: Option<IpAddr>,
    /// The family, known also without an address.
    pub version: AddressVersion,
    /// `properties.primary`; absent on IPv6 configurations without address.
    pub primary: Option<bool>,
    /// Its public address.
    pub public_address: Option<PublicAddressUse>,
}

/// The family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AddressVersion {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl AddressVersion {
    /// The family of `address`.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// The value of `privateIPAddressVersion` and `publicIPAddressVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The public address of an IP configuration.
#[derive(Debug, Clone)]
pub enum PublicAddressUse {
    /// A separate resource.
    Reference {
        /// The resource group of the public address.
        resource_group: String,
        /// The name of the public address.
        name: String,
    },
    /// Part of a Uniform instance.
    OfInstance(PublicAddress),
}

/// One public address.
#[derive(Debug, Clone)]
pub struct PublicAddress {
    /// The name.
    pub name: String,
    /// The address; `None` until it is allocated (dynamic allocation and a stopped machine).
    pub address: Option<IpAddr>,
    /// Tags.
    pub tags: Tags,
    /// Resource group, interface and IP configuration that use it.
    pub used_by: Option<(String, String, String)>,
}
