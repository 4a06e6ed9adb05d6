//! The resources of a pretend subscription: groups, scale sets, instances, virtual machines,
//! interfaces, public addresses.
//!
//! These are plain values. How they come to be is told in `generate`; how ARM shows them stands in
//! [`crate::clouds::azure::arm`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::plan::ScaleSetPlan;
use super::subnet::Subnet;

/// Tag names and values. ARM compares names without case, so a world should not have two that
/// differ only in case.
pub type Tags = BTreeMap<String, String>;

/// One subscription with everything in it.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The GUID.
    pub id: String,
    /// What the Azure CLI shows.
    pub display_name: String,
    /// In the order of listings.
    pub resource_groups: Vec<ResourceGroup>,
}

impl Subscription {
    /// The group of that name, compared without case.
    pub fn resource_group(&self, name: &str) -> Option<&ResourceGroup> {
        self.resource_groups
            .iter()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// The group of that name, compared without case.
    pub fn resource_group_mut(&mut self, name: &str) -> Option<&mut ResourceGroup> {
        self.resource_groups
            .iter_mut()
            .find(|group| group.name.eq_ignore_ascii_case(name))
    }
}

/// One resource group.
#[derive(Debug, Clone)]
pub struct ResourceGroup {
    /// The name, in the case in which it was made.
    pub name: String,
    /// The region of everything in it.
    pub location: String,
    /// Tags of the group itself; nothing inherits them.
    pub tags: Tags,
    /// Where private IPv4 addresses come from.
    pub subnet: Subnet,
    /// Where private IPv6 addresses come from.
    pub subnet_v6: Subnet,
    /// Where public addresses come from.
    pub public_subnet: Subnet,
    /// Scale sets of both modes.
    pub scale_sets: Vec<ScaleSet>,
    /// Plain virtual machines and the instances of Flexible sets.
    pub virtual_machines: Vec<VirtualMachine>,
    /// Interfaces, except those of Uniform instances.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Public addresses, except those of Uniform instances.
    pub public_addresses: Vec<PublicAddress>,
}

impl ResourceGroup {
    /// The scale set of that name, compared without case.
    pub fn scale_set(&self, name: &str) -> Option<&ScaleSet> {
        self.scale_sets
            .iter()
            .find(|set| set.name.eq_ignore_ascii_case(name))
    }

    /// The virtual machine of that name, compared without case.
    pub fn virtual_machine(&self, name: &str) -> Option<&VirtualMachine> {
        self.virtual_machines
            .iter()
            .find(|machine| machine.name.eq_ignore_ascii_case(name))
    }

    /// The interface of that name, compared without case.
    pub fn network_interface(&self, name: &str) -> Option<&NetworkInterface> {
        self.network_interfaces
            .iter()
            .find(|interface| interface.name.eq_ignore_ascii_case(name))
    }

    /// The public address of that name, compared without case.
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

/// How the instances of a scale set are kept.
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
    /// The word of `properties.orchestrationMode`.
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
    /// Uniform: the instances, and what is left of those that are gone. Flexible: always empty, see
    /// [`ResourceGroup::members`].
    pub instances: Vec<Instance>,
    /// How a further instance is made.
    pub plan: ScaleSetPlan,
    /// How many instances were ever made: the next one's number.
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
    /// What the instance view says.
    pub power_state: PowerState,
    /// The instance itself is gone (overprovisioned and deleted) and only its interfaces are still
    /// listed, without `properties.primary`:
    /// recorded in 2023 and 2025.
    pub gone: bool,
    /// Its interfaces. Every instance has interfaces of the same names.
    pub network_interfaces: Vec<NetworkInterface>,
}

/// One virtual machine, plain or in a Flexible set.
#[derive(Debug, Clone)]
pub struct VirtualMachine {
    /// The name.
    pub name: String,
    /// Tags of the virtual machine.
    pub tags: Tags,
    /// Availability zone.
    pub zone: Option<String>,
    /// What the instance view says.
    pub power_state: PowerState,
    /// The Flexible set it is an instance of; the set is always in the same resource group.
    pub scale_set: Option<String>,
    /// Its interfaces, wherever they are.
    pub network_interfaces: Vec<InterfaceReference>,
}

/// A virtual machine's word on one of its interfaces.
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

/// What the instance view says of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerState {
    /// On its way to running.
    Starting,
    /// Up.
    #[default]
    Running,
    /// On its way to stopped.
    Stopping,
    /// Down, still paid for; it keeps its host.
    Stopped,
    /// On its way to deallocated.
    Deallocating,
    /// Down and off its host: interfaces keep their address and lose their MAC address.
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
    /// `properties.primary`: absent while the interface is attached to nothing, and on what is left
    /// of an instance that is gone.
    pub primary: Option<bool>,
    /// What it is attached to.
    pub attachment: Attachment,
    /// Its machine is on a host. Without one the interface has neither MAC address nor domain name
    /// suffix (recorded 2018).
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
    /// The instance of a Uniform set that holds the interface.
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
    /// The private address. None is normal while a machine is made, and for the IPv6 half of an
    /// interface whose subnet has no IPv6 range (recorded 2022).
    pub private_address: Option<IpAddr>,
    /// The family, which is known without an address too.
    pub version: AddressVersion,
    /// `properties.primary`; absent on IPv6 configurations without address.
    pub primary: Option<bool>,
    /// The public address in front of it.
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

    /// The word of `privateIPAddressVersion` and `publicIPAddressVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// How an IP configuration comes by its public address.
#[derive(Debug, Clone)]
pub enum PublicAddressUse {
    /// A resource of its own.
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
    /// The address; none until it is given out (dynamic allocation and a machine that is off).
    pub address: Option<IpAddr>,
    /// Tags.
    pub tags: Tags,
    /// Resource group, interface and IP configuration that use it.
    pub used_by: Option<(String, String, String)>,
}
