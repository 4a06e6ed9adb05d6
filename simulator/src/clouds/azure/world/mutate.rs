//! Changes of a running world: instances, tags, power states, addresses.
//!
//! Names are looked up in all groups, case-insensitively; the first match is used.

use super::plan::InstancePlan;
use super::resource::{
    Instance, NetworkInterface, OrchestrationMode, PowerState, PublicAddressUse, ResourceGroup,
    ScaleSet, Subscription, Tags, VirtualMachine,
};
use super::{World, WorldError};

/// A resource by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A scale set.
    ScaleSet(&'a str),
    /// A virtual machine, also an instance of a Flexible set.
    VirtualMachine(&'a str),
    /// An instance of a Uniform set: the set and the number.
    Instance(&'a str, u32),
    /// An interface that is no part of a Uniform instance.
    NetworkInterface(&'a str),
}

impl Named<'_> {
    fn missing(self) -> WorldError {
        let (kind, name) = match self {
            Self::ScaleSet(name) => ("scale set", name.to_owned()),
            Self::VirtualMachine(name) => ("virtual machine", name.to_owned()),
            Self::Instance(set, number) => ("Uniform instance", format!("{set}/{number}")),
            Self::NetworkInterface(name) => ("network interface", name.to_owned()),
        };
        WorldError::Missing { kind, name }
    }
}

impl World {
    /// Adds an instance to the scale set by its plan: a machine, interfaces and new addresses.
    /// Returns the machine's name (Flexible) or the instance's number (Uniform).
    ///
    /// # Errors
    ///
    /// There is no such set, or its subnet is exhausted.
    pub fn add_instance(&mut self, scale_set: &str) -> Result<String, WorldError> {
        let named = Named::ScaleSet(scale_set);
        for subscription in self.subscriptions_mut() {
            let holder = subscription
                .resource_groups
                .iter()
                .find(|group| group.scale_set(scale_set).is_some())
                .map(|group| group.name.clone());
            if let Some(group) = holder {
                return subscription.add_instance(
                    &group,
                    scale_set,
                    &InstancePlan::default(),
                    false,
                );
            }
        }
        Err(named.missing())
    }

    /// Removes an instance, by the machine's name (Flexible) or by number (Uniform), with its
    /// interfaces and public addresses.
    ///
    /// # Errors
    ///
    /// There is no such set or instance.
    pub fn remove_instance(&mut self, scale_set: &str, instance: &str) -> Result<(), WorldError> {
        for subscription in self.subscriptions_mut() {
            for at in 0..subscription.resource_groups.len() {
                let group = &mut subscription.resource_groups[at];
                let Some(set) = group
                    .scale_sets
                    .iter_mut()
                    .find(|set| set.name.eq_ignore_ascii_case(scale_set))
                else {
                    continue;
                };
                if set.orchestration_mode == OrchestrationMode::Uniform {
                    let number = instance.parse().unwrap_or(u32::MAX);
                    let before = set.instances.len();
                    set.instances
                        .retain(|instance| instance.id != number || instance.gone);
                    return if set.instances.len() < before {
                        Ok(())
                    } else {
                        Err(Named::Instance(scale_set, number).missing())
                    };
                }
                let is_member = |machine: &VirtualMachine| {
                    machine.name.eq_ignore_ascii_case(instance)
                        && machine
                            .scale_set
                            .as_deref()
                            .is_some_and(|name| name.eq_ignore_ascii_case(scale_set))
                };
                let place = group
                    .virtual_machines
                    .iter()
                    .position(is_member)
                    .ok_or_else(|| Named::VirtualMachine(instance).missing())?;
                let machine = group.virtual_machines.remove(place);
                for reference in machine.network_interfaces {
                    subscription.drop_interface(&reference.resource_group, &reference.name);
                }
                return Ok(());
            }
        }
        Err(Named::ScaleSet(scale_set).missing())
    }

    /// Removes the instance and adds a new one, as an upgrade or a repair does. Returns the new
    /// one's name or number.
    ///
    /// # Errors
    ///
    /// There is no such set or instance, or the subnet is exhausted.
    pub fn replace_instance(
        &mut self,
        scale_set: &str,
        instance: &str,
    ) -> Result<String, WorldError> {
        self.remove_instance(scale_set, instance)?;
        self.add_instance(scale_set)
    }

    /// Removes the scale set with all its instances and their interfaces.
    ///
    /// # Errors
    ///
    /// There is no such set.
    pub fn remove_scale_set(&mut self, scale_set: &str) -> Result<(), WorldError> {
        let members: Vec<_> = self
            .groups()
            .flat_map(|group| group.members(scale_set).map(|machine| machine.name.clone()))
            .collect();
        for member in members {
            self.remove_instance(scale_set, &member)?;
        }
        for group in self.groups_mut() {
            let before = group.scale_sets.len();
            group
                .scale_sets
                .retain(|set| !set.name.eq_ignore_ascii_case(scale_set));
            if group.scale_sets.len() < before {
                return Ok(());
            }
        }
        Err(Named::ScaleSet(scale_set).missing())
    }

    /// Deletes an interface, but not the reference of its machine, as a client may see it between a
    /// list and a get.
    ///
    /// # Errors
    ///
    /// There is no such interface.
    pub fn delete_network_interface(&mut self, name: &str) -> Result<(), WorldError> {
        for subscription in self.subscriptions_mut() {
            let holder = subscription
                .resource_groups
                .iter()
                .find(|group| group.network_interface(name).is_some())
                .map(|group| group.name.clone());
            if let Some(group) = holder {
                subscription.drop_interface(&group, name);
                return Ok(());
            }
        }
        Err(Named::NetworkInterface(name).missing())
    }

    /// Sets the tags of the resource.
    ///
    /// # Errors
    ///
    /// There is no such resource.
    pub fn set_tags(&mut self, resource: Named<'_>, tags: Tags) -> Result<(), WorldError> {
        let place = match resource {
            Named::ScaleSet(name) => self.scale_set_mut(name).map(|set| &mut set.tags),
            Named::VirtualMachine(name) => self
                .virtual_machine_mut(name)
                .map(|machine| &mut machine.tags),
            Named::Instance(set, number) => self
                .instance_mut(set, number)
                .map(|instance| &mut instance.tags),
            Named::NetworkInterface(name) => self
                .network_interface_mut(name)
                .map(|interface| &mut interface.tags),
        };
        *place.ok_or_else(|| resource.missing())? = tags;
        Ok(())
    }

    /// Sets the power state of a virtual machine or a Uniform instance, and of its interfaces.
    ///
    /// # Errors
    ///
    /// There is no such machine, or the resource isn't one.
    pub fn set_power_state(
        &mut self,
        machine: Named<'_>,
        power_state: PowerState,
    ) -> Result<(), WorldError> {
        let on_host = power_state != PowerState::Deallocated;
        match machine {
            Named::VirtualMachine(name) => {
                let found = self
                    .virtual_machine_mut(name)
                    .ok_or_else(|| machine.missing())?;
                found.power_state = power_state;
                for reference in found.network_interfaces.clone() {
                    if let Some(interface) = self.network_interface_mut(&reference.name) {
                        interface.on_host = on_host;
                    }
                }
            }
            Named::Instance(set, number) => {
                let found = self
                    .instance_mut(set, number)
                    .ok_or_else(|| machine.missing())?;
                found.power_state = power_state;
                for interface in &mut found.network_interfaces {
                    interface.on_host = on_host;
                }
            }
            Named::ScaleSet(_) | Named::NetworkInterface(_) => return Err(machine.missing()),
        }
        Ok(())
    }

    /// Removes the private addresses of an interface, or of all interfaces of a Uniform instance,
    /// as during the creation of a machine.
    ///
    /// # Errors
    ///
    /// There is no such interface or instance, or the resource is neither.
    pub fn remove_addresses(&mut self, resource: Named<'_>) -> Result<(), WorldError> {
        let interfaces = match resource {
            Named::NetworkInterface(name) => {
                self.network_interface_mut(name).map(std::slice::from_mut)
            }
            Named::Instance(set, number) => self
                .instance_mut(set, number)
                .map(|instance| instance.network_interfaces.as_mut_slice()),
            Named::ScaleSet(_) | Named::VirtualMachine(_) => None,
        };
        for interface in interfaces.ok_or_else(|| resource.missing())? {
            for configuration in &mut interface.ip_configurations {
                configuration.private_address = None;
            }
        }
        Ok(())
    }

    /// The scale set of that name.
    pub fn scale_set_mut(&mut self, name: &str) -> Option<&mut ScaleSet> {
        self.groups_mut()
            .flat_map(|group| &mut group.scale_sets)
            .find(|set| set.name.eq_ignore_ascii_case(name))
    }

    /// The virtual machine of that name.
    pub fn virtual_machine_mut(&mut self, name: &str) -> Option<&mut VirtualMachine> {
        self.groups_mut()
            .flat_map(|group| &mut group.virtual_machines)
            .find(|machine| machine.name.eq_ignore_ascii_case(name))
    }

    /// The instance of that number of the Uniform set.
    pub fn instance_mut(&mut self, scale_set: &str, number: u32) -> Option<&mut Instance> {
        self.scale_set_mut(scale_set)?
            .instances
            .iter_mut()
            .find(|instance| instance.id == number)
    }

    /// The interface of that name.
    pub fn network_interface_mut(&mut self, name: &str) -> Option<&mut NetworkInterface> {
        self.groups_mut()
            .flat_map(|group| &mut group.network_interfaces)
            .find(|interface| interface.name.eq_ignore_ascii_case(name))
    }

    fn groups(&self) -> impl Iterator<Item = &ResourceGroup> {
        self.subscriptions()
            .iter()
            .flat_map(|subscription| &subscription.resource_groups)
    }

    fn groups_mut(&mut self) -> impl Iterator<Item = &mut ResourceGroup> {
        self.subscriptions_mut()
            .iter_mut()
            .flat_map(|subscription| &mut subscription.resource_groups)
    }
}

impl Subscription {
    /// Removes an interface and its public addresses.
    fn drop_interface(&mut self, resource_group: &str, name: &str) {
        let Some(group) = self.resource_group_mut(resource_group) else {
            return;
        };
        let Some(place) = group
            .network_interfaces
            .iter()
            .position(|interface| interface.name.eq_ignore_ascii_case(name))
        else {
            return;
        };
        for configuration in group.network_interfaces.remove(place).ip_configurations {
            if let Some(PublicAddressUse::Reference {
                resource_group,
                name,
            }) = configuration.public_address
                && let Some(group) = self.resource_group_mut(&resource_group)
            {
                group.public_addresses.retain(|public| public.name != name);
            }
        }
    }
}
