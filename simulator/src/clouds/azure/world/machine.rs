//! The data of instance metadata. `metadata` has the format.

use std::net::IpAddr;

use super::plan::Machine;
use super::principal::Principal;
use super::resource::{
    NetworkInterface, OrchestrationMode, PublicAddressUse, ResourceGroup, Subscription, Tags,
};
use super::{World, WorldError, guid, mac_address};
use crate::clouds::azure::arm::id;

/// The machine whose metadata is served.
#[derive(Debug, Clone)]
pub struct MachineFacts {
    /// The subscription it is in.
    pub subscription_id: String,
    /// The group it is in.
    pub resource_group: String,
    /// Its name; of a Uniform instance `{set}_{number}`.
    pub name: String,
    /// Its ARM id.
    pub resource_id: String,
    /// The GUID of the machine.
    pub vm_id: String,
    /// The region.
    pub location: String,
    /// The zone.
    pub zone: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The name of its scale set: `vmScaleSetName`, of Uniform instances.
    pub uniform_scale_set: Option<String>,
    /// The ARM id of its scale set: `virtualMachineScaleSet.id`, of Flexible instances.
    pub flexible_scale_set_id: Option<String>,
    /// The cloud's name in metadata (`AzurePublicCloud`).
    pub environment: String,
    /// Its interfaces, the primary one first.
    pub interfaces: Vec<InterfaceFacts>,
}

/// One interface of the machine.
#[derive(Debug, Clone)]
pub struct InterfaceFacts {
    /// In ARM's format, `00-0D-3A-31-90-69`; metadata omits the hyphens.
    pub mac_address: String,
    /// Private IPv4 addresses, each with its public one.
    pub ipv4: Vec<(IpAddr, Option<IpAddr>)>,
    /// Private IPv6 addresses.
    pub ipv6: Vec<IpAddr>,
    /// Network address and prefix of the IPv4 subnet.
    pub subnet: (IpAddr, u8),
}

impl World {
    pub(super) fn check_machine(&self) -> Result<(), WorldError> {
        let Some(machine) = &self.machine else {
            return Ok(());
        };
        if let Some(name) = machine.identities.iter().find(|name| {
            self.principals()
                .iter()
                .all(|principal| principal.name != **name)
        }) {
            return Err(WorldError::Missing {
                kind: "principal",
                name: name.clone(),
            });
        }
        if self.machine_facts().is_none() {
            let name = machine.virtual_machine.clone().or_else(|| {
                machine
                    .scale_set
                    .as_ref()
                    .map(|set| format!("{set}, instance {}", machine.instance))
            });
            let name = format!("{}/{}", machine.resource_group, name.unwrap_or_default());
            return Err(WorldError::Missing {
                kind: "machine",
                name,
            });
        }
        Ok(())
    }

    /// The identities that the machine can get tokens for.
    pub fn machine_identities(&self) -> impl Iterator<Item = &Principal> {
        let names = self.machine.iter().flat_map(|machine| &machine.identities);
        names.filter_map(|name| {
            self.principals()
                .iter()
                .find(|principal| principal.name == *name)
        })
    }

    /// The machine whose metadata is served; `None` if there is none or it was removed.
    pub fn machine_facts(&self) -> Option<MachineFacts> {
        let machine = self.machine.as_ref()?;
        let subscription = match &machine.subscription_id {
            Some(id) => self.subscription(id)?,
            None => self.subscriptions().first()?,
        };
        let group = subscription.resource_group(&machine.resource_group)?;
        let uniform = machine
            .scale_set
            .as_ref()
            .and_then(|name| group.scale_set(name))
            .filter(|set| set.orchestration_mode == OrchestrationMode::Uniform);
        match uniform {
            Some(set) => uniform_facts(machine, subscription, group, &set.name),
            None => virtual_machine_facts(machine, subscription, group),
        }
    }
}

fn environment(machine: &Machine) -> String {
    machine
        .environment
        .clone()
        .unwrap_or_else(|| "AzurePublicCloud".to_owned())
}

fn uniform_facts(
    machine: &Machine,
    subscription: &Subscription,
    group: &ResourceGroup,
    set: &str,
) -> Option<MachineFacts> {
    let set = group.scale_set(set)?;
    let instance = set
        .instances
        .iter()
        .find(|instance| instance.id == machine.instance && !instance.gone)?;
    let resource_id = id::instance(
        &subscription.id,
        &group.name,
        &set.name,
        &instance.id.to_string(),
    );
    let interfaces = instance.network_interfaces.iter().map(|interface| {
        interface_facts(
            subscription,
            group,
            interface,
            &format!("{resource_id}/networkInterfaces/{}", interface.name),
        )
    });
    Some(MachineFacts {
        subscription_id: subscription.id.clone(),
        resource_group: group.name.clone(),
        name: format!("{}_{}", set.name, instance.id),
        vm_id: guid(&[&resource_id, "vm"]),
        location: group.location.clone(),
        zone: instance.zone.clone(),
        tags: instance.tags.clone(),
        uniform_scale_set: Some(set.name.clone()),
        flexible_scale_set_id: None,
        environment: environment(machine),
        interfaces: interfaces.collect(),
        resource_id,
    })
}

fn virtual_machine_facts(
    machine: &Machine,
    subscription: &Subscription,
    group: &ResourceGroup,
) -> Option<MachineFacts> {
    let found = match (&machine.virtual_machine, &machine.scale_set) {
        (Some(name), _) => group.virtual_machine(name)?,
        (None, Some(set)) => group
            .members(set)
            .nth(usize::try_from(machine.instance).ok()?)?,
        (None, None) => return None,
    };
    let resource_id = id::virtual_machine(&subscription.id, &group.name, &found.name);
    let mut interfaces: Vec<_> = found
        .network_interfaces
        .iter()
        .filter_map(|reference| {
            let holder = subscription.resource_group(&reference.resource_group)?;
            let interface = holder.network_interface(&reference.name)?;
            let facts = interface_facts(
                subscription,
                holder,
                interface,
                &id::network_interface(&subscription.id, &holder.name, &interface.name),
            );
            Some((interface.primary != Some(true), facts))
        })
        .collect();
    interfaces.sort_by_key(|(secondary, _)| *secondary);
    Some(MachineFacts {
        subscription_id: subscription.id.clone(),
        resource_group: group.name.clone(),
        name: found.name.clone(),
        vm_id: guid(&[&resource_id, "vm"]),
        location: group.location.clone(),
        zone: found.zone.clone(),
        tags: found.tags.clone(),
        uniform_scale_set: None,
        flexible_scale_set_id: found
            .scale_set
            .as_ref()
            .map(|set| id::scale_set(&subscription.id, &group.name, set)),
        environment: environment(machine),
        interfaces: interfaces.into_iter().map(|(_, facts)| facts).collect(),
        resource_id,
    })
}

fn interface_facts(
    subscription: &Subscription,
    group: &ResourceGroup,
    interface: &NetworkInterface,
    id: &str,
) -> InterfaceFacts {
    let mut facts = InterfaceFacts {
        mac_address: mac_address(&[id]),
        ipv4: Vec::new(),
        ipv6: Vec::new(),
        subnet: (group.subnet.network(), group.subnet.prefix()),
    };
    for configuration in &interface.ip_configurations {
        let public = match &configuration.public_address {
            Some(PublicAddressUse::Reference {
                resource_group,
                name,
            }) => subscription
                .resource_group(resource_group)
                .and_then(|group| group.public_address(name))
                .and_then(|public| public.address),
            Some(PublicAddressUse::OfInstance(public)) => public.address,
            None => None,
        };
        match configuration.private_address {
            Some(address) if address.is_ipv4() => facts.ipv4.push((address, public)),
            Some(address) => facts.ipv6.push(address),
            None => {}
        }
    }
    facts
}
