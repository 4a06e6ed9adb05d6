//! The expected results of tests: the instances and addresses of a world, independent of responses.

use std::net::IpAddr;

use super::World;
use super::mutate::Named;
use super::resource::{
    NetworkInterface, OrchestrationMode, ResourceGroup, ScaleSet, Subscription, VirtualMachine,
};

impl World {
    /// The names (Flexible) or numbers (Uniform) of the existing instances of the set, in the order
    /// of listings. Empty when there is no such set.
    pub fn instances(&self, scale_set: &str) -> Vec<String> {
        match self.find_scale_set(scale_set) {
            Some((_, _, set)) if set.orchestration_mode == OrchestrationMode::Uniform => set
                .instances
                .iter()
                .filter(|instance| !instance.gone)
                .map(|instance| instance.id.to_string())
                .collect(),
            Some((_, group, set)) => group
                .members(&set.name)
                .map(|machine| machine.name.clone())
                .collect(),
            None => Vec::new(),
        }
    }

    /// The names of the interfaces of a virtual machine, the primary one first if it is listed
    /// first. Empty when there is no such machine.
    pub fn interfaces_of(&self, virtual_machine: &str) -> Vec<String> {
        let machines = self
            .every_group()
            .flat_map(|(_, group)| &group.virtual_machines);
        let mut found =
            machines.filter(|machine| machine.name.eq_ignore_ascii_case(virtual_machine));
        found
            .next()
            .map(|machine| {
                machine
                    .network_interfaces
                    .iter()
                    .map(|reference| reference.name.clone())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// All private addresses of the resource, v4 and v6, sorted: those of all interfaces, and for a
    /// set of all existing instances.
    pub fn private_addresses(&self, resource: Named<'_>) -> Vec<IpAddr> {
        let interfaces: Vec<&NetworkInterface> = match resource {
            Named::ScaleSet(name) => match self.find_scale_set(name) {
                Some((_, _, set)) if set.orchestration_mode == OrchestrationMode::Uniform => set
                    .instances
                    .iter()
                    .filter(|instance| !instance.gone)
                    .flat_map(|instance| &instance.network_interfaces)
                    .collect(),
                Some((subscription, group, set)) => group
                    .members(&set.name)
                    .flat_map(|machine| interfaces(subscription, machine))
                    .collect(),
                None => Vec::new(),
            },
            Named::Instance(name, number) => {
                let set = self.find_scale_set(name).map(|(_, _, set)| set);
                let instance = set.and_then(|set| {
                    set.instances
                        .iter()
                        .find(|instance| instance.id == number && !instance.gone)
                });
                instance
                    .map(|instance| instance.network_interfaces.iter().collect())
                    .unwrap_or_default()
            }
            Named::VirtualMachine(name) => {
                let mut found = self.every_group().filter_map(|(subscription, group)| {
                    Some((subscription, group.virtual_machine(name)?))
                });
                found
                    .next()
                    .map(|(subscription, machine)| interfaces(subscription, machine))
                    .unwrap_or_default()
            }
            Named::NetworkInterface(name) => self
                .every_group()
                .find_map(|(_, group)| group.network_interface(name))
                .into_iter()
                .collect(),
        };
        let mut addresses: Vec<_> = interfaces
            .into_iter()
            .flat_map(|interface| &interface.ip_configurations)
            .filter_map(|configuration| configuration.private_address)
            .collect();
        addresses.sort();
        addresses
    }

    fn every_group(&self) -> impl Iterator<Item = (&Subscription, &ResourceGroup)> {
        self.subscriptions().iter().flat_map(|subscription| {
            subscription
                .resource_groups
                .iter()
                .map(move |group| (subscription, group))
        })
    }

    fn find_scale_set(&self, name: &str) -> Option<(&Subscription, &ResourceGroup, &ScaleSet)> {
        self.every_group()
            .find_map(|(subscription, group)| Some((subscription, group, group.scale_set(name)?)))
    }
}

fn interfaces<'a>(
    subscription: &'a Subscription,
    machine: &VirtualMachine,
) -> Vec<&'a NetworkInterface> {
    let find = |group: &str, name: &str| {
        subscription
            .resource_group(group)
            .and_then(|group| group.network_interface(name))
    };
    machine
        .network_interfaces
        .iter()
        .filter_map(|reference| find(&reference.resource_group, &reference.name))
        .collect()
}
