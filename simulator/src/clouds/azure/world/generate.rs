//! Generates groups, scale sets, instances and virtual machines from plans, with deterministic
//! names in Azure's format. `interface` generates their interfaces.

use std::net::IpAddr;

use super::WorldError;
use super::fingerprint::{eight_hex, fingerprint};
use super::interface::{interface_configuration, set_configurations};
use super::plan::{
    AddressPlan, InstancePlan, InterfaceKind, NetworkInterfacePlan, ResourceGroupPlan,
    ScaleSetPlan, VirtualMachinePlan,
};
use super::resource::{
    Attachment, Instance, InterfaceReference, OrchestrationMode, PowerState, ResourceGroup,
    ScaleSet, Subscription, Tags, VirtualMachine,
};

impl Subscription {
    /// Adds a group with the resources of the plan.
    pub(super) fn add_resource_group(
        &mut self,
        plan: &ResourceGroupPlan,
        location: &str,
        number: usize,
    ) -> Result<(), WorldError> {
        if self.resource_group(&plan.name).is_some() {
            return Err(WorldError::Twice {
                kind: "resource group",
                name: plan.name.clone(),
            });
        }
        self.resource_groups
            .push(ResourceGroup::empty(plan, location, number)?);
        Ok(())
    }

    /// Fills the group of the plan when all groups exist: interfaces may be in another group than
    /// their machine.
    pub(super) fn fill_resource_group(
        &mut self,
        plan: &ResourceGroupPlan,
    ) -> Result<(), WorldError> {
        let group = self.group(&plan.name)?;
        for address in explicit_addresses(plan) {
            group.subnet.claim(address);
            group.subnet_v6.claim(address);
            group.public_subnet.claim(address);
        }
        for set in &plan.scale_set {
            self.add_scale_set(&plan.name, set)?;
        }
        for machine in &plan.virtual_machine {
            self.add_virtual_machine(&plan.name, machine)?;
        }
        let group = self.group(&plan.name)?;
        for (number, interface) in plan.network_interface.iter().enumerate() {
            let name = interface
                .name
                .clone()
                .unwrap_or_else(|| format!("{}-nic-{number}", plan.name));
            let attachment = match interface.kind {
                InterfaceKind::Unattached => Attachment::Unattached,
                InterfaceKind::PrivateEndpoint => {
                    Attachment::PrivateEndpoint(format!("{name}-endpoint"))
                }
                InterfaceKind::PrivateLinkService => {
                    Attachment::PrivateLinkService(format!("{name}-service"))
                }
                InterfaceKind::NetAppVolume => Attachment::NetAppVolume,
            };
            let primary = if attachment == Attachment::NetAppVolume {
                Some(true)
            } else {
                interface.primary
            };
            group.make_interface(interface, name, primary, attachment)?;
        }
        self.add_unrelated(&plan.name, plan.unrelated_interfaces)
    }

    fn group(&mut self, name: &str) -> Result<&mut ResourceGroup, WorldError> {
        self.resource_group_mut(name)
            .ok_or_else(|| WorldError::Missing {
                kind: "resource group",
                name: name.to_owned(),
            })
    }

    /// Adds a scale set with its instances to the group.
    ///
    /// # Errors
    ///
    /// There is no such group, a set of that name exists, or a subnet is exhausted.
    pub fn add_scale_set(
        &mut self,
        resource_group: &str,
        plan: &ScaleSetPlan,
    ) -> Result<(), WorldError> {
        let group = self.group(resource_group)?;
        if group.scale_set(&plan.name).is_some() {
            return Err(WorldError::Twice {
                kind: "scale set",
                name: plan.name.clone(),
            });
        }
        group.scale_sets.push(ScaleSet {
            name: plan.name.clone(),
            orchestration_mode: plan.orchestration_mode,
            tags: plan.tags.clone(),
            instances: Vec::new(),
            plan: plan.clone(),
            made: 0,
        });
        let alike = std::iter::repeat_n(&InstancePlan::default(), plan.instances)
            .cloned()
            .collect::<Vec<_>>();
        for instance in alike.iter().chain(&plan.instance) {
            self.add_instance(resource_group, &plan.name, instance, false)?;
        }
        for _ in 0..plan.phantoms {
            self.add_instance(resource_group, &plan.name, &InstancePlan::default(), true)?;
        }
        Ok(())
    }

    /// Adds one instance to the set and returns its name (Flexible) or number (Uniform). With
    /// `gone` only its interfaces are added (Uniform).
    pub(super) fn add_instance(
        &mut self,
        resource_group: &str,
        scale_set: &str,
        instance: &InstancePlan,
        gone: bool,
    ) -> Result<String, WorldError> {
        let group = self.group(resource_group)?;
        let group_name = group.name.clone();
        let set = group
            .scale_sets
            .iter_mut()
            .find(|set| set.name.eq_ignore_ascii_case(scale_set));
        let set = set.ok_or_else(|| WorldError::Missing {
            kind: "scale set",
            name: scale_set.to_owned(),
        })?;
        let serial = set.made;
        set.made += 1;
        let plan = set.plan.clone();
        let turn = usize::try_from(serial).unwrap_or_default();
        let zone = instance.zone.clone().or_else(|| {
            plan.zones
                .get(turn.checked_rem(plan.zones.len()).unwrap_or_default())
                .cloned()
        });
        let tags = instance
            .tags
            .clone()
            .unwrap_or_else(|| plan.instance_tags.clone());
        let on_host = instance.power_state != PowerState::Deallocated;

        if plan.orchestration_mode == OrchestrationMode::Uniform {
            let mut network_interfaces = Vec::new();
            for number in 0..plan.interfaces.max(1) {
                network_interfaces
                    .push(group.make_uniform_interface(&plan, instance, number, on_host, gone)?);
            }
            let made = Instance {
                id: serial,
                tags,
                zone,
                power_state: instance.power_state,
                gone,
                network_interfaces,
            };
            if let Some(set) = group
                .scale_sets
                .iter_mut()
                .find(|set| set.name.eq_ignore_ascii_case(scale_set))
            {
                set.instances.push(made);
            }
            return Ok(serial.to_string());
        }

        let name = instance.name.clone().unwrap_or_else(|| {
            format!(
                "{}_{}",
                plan.name,
                eight_hex(&[&group_name, &plan.name, "instance", &serial.to_string()])
            )
        });
        let mut interfaces = Vec::new();
        for number in 0..plan.interfaces.max(1) {
            let suffix = eight_hex(&[
                &group_name,
                &plan.name,
                "interface",
                &serial.to_string(),
                &number.to_string(),
            ]);
            interfaces.push(NetworkInterfacePlan {
                name: Some(format!(
                    "{}-{suffix}",
                    interface_configuration(&plan, number)
                )),
                resource_group: plan.interface_resource_group.clone(),
                tags: instance
                    .interface_tags
                    .clone()
                    .unwrap_or_else(|| plan.interface_tags.clone()),
                primary: Some(number == 0),
                ip_configuration: set_configurations(&plan, instance, number),
                ..NetworkInterfacePlan::default()
            });
        }
        let machine = VirtualMachinePlan {
            name: name.clone(),
            scale_set: Some(plan.name.clone()),
            tags,
            zone,
            power_state: instance.power_state,
            network_interface: interfaces,
            ..VirtualMachinePlan::default()
        };
        self.add_virtual_machine(&group_name, &machine)?;
        Ok(name)
    }

    /// Adds a virtual machine, or several by `count`, with their interfaces.
    ///
    /// # Errors
    ///
    /// There is no such group or set, a machine or interface of that name exists, or a subnet is
    /// exhausted.
    pub fn add_virtual_machine(
        &mut self,
        resource_group: &str,
        plan: &VirtualMachinePlan,
    ) -> Result<(), WorldError> {
        let Some(count) = plan.count else {
            return self.add_one_virtual_machine(resource_group, plan);
        };
        for number in 0..count {
            let one = VirtualMachinePlan {
                name: format!("{}-{number}", plan.name),
                count: None,
                ..plan.clone()
            };
            self.add_one_virtual_machine(resource_group, &one)?;
        }
        Ok(())
    }

    fn add_one_virtual_machine(
        &mut self,
        resource_group: &str,
        plan: &VirtualMachinePlan,
    ) -> Result<(), WorldError> {
        let group = self.group(resource_group)?;
        let group_name = group.name.clone();
        if group.virtual_machine(&plan.name).is_some() {
            return Err(WorldError::Twice {
                kind: "virtual machine",
                name: plan.name.clone(),
            });
        }
        if let Some(name) = plan
            .scale_set
            .as_ref()
            .filter(|name| group.scale_set(name).is_none())
        {
            return Err(WorldError::Missing {
                kind: "scale set",
                name: name.clone(),
            });
        }
        let single = [NetworkInterfacePlan {
            tags: plan.interface_tags.clone(),
            addresses: plan.addresses.clone(),
            public_address: plan.public_address,
            ..NetworkInterfacePlan::default()
        }];
        let plans = if plan.network_interface.is_empty() {
            single.as_slice()
        } else {
            &plan.network_interface
        };
        let mut references = Vec::new();
        for (number, interface) in plans.iter().enumerate() {
            let name = interface.name.clone().unwrap_or_else(|| {
                if number == 0 {
                    format!("{}VMNic", plan.name)
                } else {
                    format!("{}VMNic{}", plan.name, number + 1)
                }
            });
            let holder = interface.resource_group.as_deref().unwrap_or(&group_name);
            let attachment = Attachment::VirtualMachine {
                resource_group: group_name.clone(),
                name: plan.name.clone(),
            };
            let holder = self.group(holder)?;
            let primary = interface.primary.unwrap_or(number == 0);
            holder.make_interface(interface, name.clone(), Some(primary), attachment)?;
            if let Some(made) = holder.network_interfaces.last_mut() {
                made.on_host = plan.power_state != PowerState::Deallocated;
            }
            // Recorded: a manually created machine with one interface has no `properties` in the
            // reference; one created by a set has them.
            let written = interface
                .primary
                .or_else(|| (plans.len() > 1).then_some(primary));
            references.push(InterfaceReference {
                resource_group: holder.name.clone(),
                name,
                primary: written,
            });
        }
        let machine = VirtualMachine {
            name: plan.name.clone(),
            tags: plan.tags.clone(),
            zone: plan.zone.clone(),
            power_state: plan.power_state,
            scale_set: plan.scale_set.clone(),
            network_interfaces: references,
        };
        self.group(&group_name)?.virtual_machines.push(machine);
        Ok(())
    }

    fn add_unrelated(&mut self, resource_group: &str, count: usize) -> Result<(), WorldError> {
        let group = self.group(resource_group)?;
        let group_name = group.name.clone();
        let plan = NetworkInterfacePlan::default();
        for number in 0..count {
            let name = format!("unrelated-{number:06}");
            let (interface, attachment) = match number % 20 {
                7 => (
                    format!("{name}-pe-nic"),
                    Attachment::PrivateEndpoint(format!("{name}-pe")),
                ),
                13 => (format!("{name}-spare"), Attachment::Unattached),
                _ => (
                    format!("{name}VMNic"),
                    Attachment::VirtualMachine {
                        resource_group: group_name.clone(),
                        name: name.clone(),
                    },
                ),
            };
            let attached = matches!(attachment, Attachment::VirtualMachine { .. });
            group.add_interface(
                &plan,
                interface.clone(),
                attached.then_some(true),
                attachment,
            )?;
            if attached {
                group.virtual_machines.push(VirtualMachine {
                    name,
                    tags: Tags::new(),
                    zone: None,
                    power_state: PowerState::Running,
                    scale_set: None,
                    network_interfaces: vec![InterfaceReference {
                        resource_group: group_name.clone(),
                        name: interface,
                        primary: None,
                    }],
                });
            }
        }
        if count > 0 {
            group
                .network_interfaces
                .sort_by_cached_key(|interface| fingerprint(&[&interface.name]));
        }
        Ok(())
    }
}

/// All addresses in the plan of a group, so that they aren't allocated again.
fn explicit_addresses(plan: &ResourceGroupPlan) -> Vec<IpAddr> {
    let machines = plan
        .virtual_machine
        .iter()
        .flat_map(|machine| machine.addresses.iter().chain([&machine.public_address]));
    let interfaces =
        plan.network_interface
            .iter()
            .chain(
                plan.virtual_machine
                    .iter()
                    .flat_map(|machine| &machine.network_interface),
            )
            .flat_map(|interface| {
                let configurations = interface.ip_configuration.iter().flat_map(|configuration| {
                    [&configuration.address, &configuration.public_address]
                });
                interface
                    .addresses
                    .iter()
                    .chain([&interface.public_address])
                    .chain(configurations)
            });
    let instances = plan
        .scale_set
        .iter()
        .flat_map(|set| set.instance.iter().map(|instance| &instance.address));
    let all = machines.chain(interfaces).chain(instances);
    all.filter_map(|address| {
        if let AddressPlan::Is(address) = address {
            Some(*address)
        } else {
            None
        }
    })
    .collect()
}
