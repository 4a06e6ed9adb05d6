//! Generates interfaces, IP configurations and addresses from plans.

use std::net::IpAddr;

use super::WorldError;
use super::plan::{
    AddressPlan, InstancePlan, IpConfigurationPlan, Ipv6, NetworkInterfacePlan, ResourceGroupPlan,
    ScaleSetPlan,
};
use super::resource::{
    AddressVersion, Attachment, IpConfiguration, NetworkInterface, PublicAddress, PublicAddressUse,
    ResourceGroup, Tags,
};

impl ResourceGroup {
    /// An empty group; `number` is its number in the world, which determines the default address
    /// ranges.
    pub(super) fn empty(
        plan: &ResourceGroupPlan,
        location: &str,
        number: usize,
    ) -> Result<Self, WorldError> {
        let range = |written: &Option<String>, default: String| {
            written
                .as_ref()
                .unwrap_or(&default)
                .parse()
                .map_err(|problem| WorldError::Subnet {
                    resource_group: plan.name.clone(),
                    problem,
                })
        };
        Ok(Self {
            name: plan.name.clone(),
            location: plan.location.clone().unwrap_or_else(|| location.to_owned()),
            tags: plan.tags.clone(),
            subnet: range(&plan.subnet, format!("10.{}.0.0/16", number % 256))?,
            subnet_v6: range(&plan.subnet_v6, format!("fd00:{:x}::/64", number % 0xffff))?,
            public_subnet: range(
                &plan.public_subnet,
                format!("198.{}.{}.0/20", 18 + number / 16 % 2, number % 16 * 16),
            )?,
            scale_sets: Vec::new(),
            virtual_machines: Vec::new(),
            network_interfaces: Vec::new(),
            public_addresses: Vec::new(),
        })
    }

    fn next_address(&mut self, version: AddressVersion) -> Result<IpAddr, WorldError> {
        let subnet = match version {
            AddressVersion::V4 => &mut self.subnet,
            AddressVersion::V6 => &mut self.subnet_v6,
        };
        subnet.allocate().ok_or_else(|| WorldError::SubnetFull {
            resource_group: self.name.clone(),
            subnet: subnet.cidr(),
        })
    }

    fn next_public_address(&mut self) -> Result<IpAddr, WorldError> {
        let subnet = &mut self.public_subnet;
        subnet.allocate().ok_or_else(|| WorldError::SubnetFull {
            resource_group: self.name.clone(),
            subnet: subnet.cidr(),
        })
    }

    fn make_configuration(
        &mut self,
        plan: &IpConfigurationPlan,
        number: usize,
        interface: &str,
    ) -> Result<IpConfiguration, WorldError> {
        let version = match (plan.address, plan.version) {
            (AddressPlan::Is(address), _) => AddressVersion::of(address),
            (_, version) => version.unwrap_or(AddressVersion::V4),
        };
        let private_address = match plan.address {
            AddressPlan::Unset | AddressPlan::Auto => Some(self.next_address(version)?),
            AddressPlan::None => None,
            AddressPlan::Is(address) => Some(address),
        };
        // ARM omits `primary` of an IPv6 configuration without an address, and IPv6 is never the
        // primary one.
        let default_primary = match version {
            AddressVersion::V4 => Some(number == 0),
            AddressVersion::V6 => private_address.map(|_| false),
        };
        let name = plan
            .name
            .clone()
            .unwrap_or_else(|| format!("ipconfig{}", number + 1));
        let public_address = match plan.public_address {
            AddressPlan::Unset | AddressPlan::None => None,
            AddressPlan::Auto => Some(self.next_public_address()?),
            AddressPlan::Is(address) => Some(address),
        };
        let public_address = public_address.map(|address| {
            let public = PublicAddress {
                name: format!("{interface}-{name}-public"),
                address: Some(address),
                tags: Tags::new(),
                used_by: Some((self.name.clone(), interface.to_owned(), name.clone())),
            };
            let reference = PublicAddressUse::Reference {
                resource_group: self.name.clone(),
                name: public.name.clone(),
            };
            self.public_addresses.push(public);
            reference
        });
        Ok(IpConfiguration {
            name,
            private_address,
            version,
            primary: plan.primary.or(default_primary),
            public_address,
        })
    }

    pub(super) fn make_interface(
        &mut self,
        plan: &NetworkInterfacePlan,
        name: String,
        primary: Option<bool>,
        attachment: Attachment,
    ) -> Result<(), WorldError> {
        if self.network_interface(&name).is_some() {
            return Err(WorldError::Twice {
                kind: "network interface",
                name,
            });
        }
        self.add_interface(plan, name, primary, attachment)
    }

    /// As [`ResourceGroup::make_interface`], for names that are known to be unique, which avoids
    /// quadratic comparisons.
    pub(super) fn add_interface(
        &mut self,
        plan: &NetworkInterfacePlan,
        name: String,
        primary: Option<bool>,
        attachment: Attachment,
    ) -> Result<(), WorldError> {
        let short: Vec<_> = match plan.addresses.as_slice() {
            [] => vec![IpConfigurationPlan {
                public_address: plan.public_address,
                ..IpConfigurationPlan::default()
            }],
            addresses => addresses
                .iter()
                .enumerate()
                .map(|(number, address)| IpConfigurationPlan {
                    address: *address,
                    public_address: if number == 0 {
                        plan.public_address
                    } else {
                        AddressPlan::None
                    },
                    ..IpConfigurationPlan::default()
                })
                .collect(),
        };
        let plans = if plan.ip_configuration.is_empty() {
            &short
        } else {
            &plan.ip_configuration
        };
        let configurations: Result<Vec<_>, _> = plans
            .iter()
            .enumerate()
            .map(|(number, plan)| self.make_configuration(plan, number, &name))
            .collect();
        self.network_interfaces.push(NetworkInterface {
            name,
            tags: plan.tags.clone(),
            ip_configurations: configurations?,
            primary,
            attachment,
            on_host: true,
        });
        Ok(())
    }

    pub(super) fn make_uniform_interface(
        &mut self,
        set: &ScaleSetPlan,
        instance: &InstancePlan,
        number: usize,
        on_host: bool,
        gone: bool,
    ) -> Result<NetworkInterface, WorldError> {
        let name = interface_configuration(set, number);
        let mut configurations = Vec::new();
        for (place, plan) in set_configurations(set, instance, number).iter().enumerate() {
            let without_public = IpConfigurationPlan {
                public_address: AddressPlan::None,
                ..plan.clone()
            };
            let mut configuration = self.make_configuration(&without_public, place, &name)?;
            if plan.public_address == AddressPlan::Auto {
                let address = Some(self.next_public_address()?);
                configuration.public_address = Some(PublicAddressUse::OfInstance(PublicAddress {
                    name: "instancepublicip".to_owned(),
                    address,
                    tags: Tags::new(),
                    used_by: None,
                }));
            }
            configurations.push(configuration);
        }
        let primary = (!gone).then_some(number == 0);
        Ok(NetworkInterface {
            name,
            tags: Tags::new(),
            ip_configurations: configurations,
            primary,
            attachment: Attachment::ScaleSetInstance,
            on_host,
        })
    }
}

/// The configurations of interface `number` of an instance, by the plan of its set.
pub(super) fn set_configurations(
    set: &ScaleSetPlan,
    instance: &InstancePlan,
    number: usize,
) -> Vec<IpConfigurationPlan> {
    let mut plans: Vec<_> = (0..set.ip_configurations.max(1))
        .map(|configuration| IpConfigurationPlan {
            name: Some(if configuration == 0 {
                format!("{}IPConfig", set.name)
            } else {
                format!("{}IPConfig{}", set.name, configuration + 1)
            }),
            address: if configuration == 0 && number == 0 {
                instance.address
            } else {
                AddressPlan::Auto
            },
            public_address: if set.public_addresses && configuration == 0 && number == 0 {
                AddressPlan::Auto
            } else {
                AddressPlan::None
            },
            ..IpConfigurationPlan::default()
        })
        .collect();
    if set.ipv6 != Ipv6::None {
        let address = if set.ipv6 == Ipv6::Address {
            AddressPlan::Auto
        } else {
            AddressPlan::None
        };
        plans.push(IpConfigurationPlan {
            name: Some(format!("{}IPv6Config", set.name)),
            address,
            version: Some(AddressVersion::V6),
            ..IpConfigurationPlan::default()
        });
    }
    plans
}

pub(super) fn interface_configuration(set: &ScaleSetPlan, number: usize) -> String {
    let first = set
        .interface_configuration
        .clone()
        .unwrap_or_else(|| format!("{}Nic", set.name));
    if number == 0 {
        first
    } else {
        format!("{first}{}", number + 1)
    }
}
