//! What the paths hand on: interfaces that belong to what was asked for, with what is known of
//! their instances, and nodes for what is out.

use std::sync::Arc;

use cloud_autojoin_core::{Address, Exclusion, Finding, Node, Parent, Result};

use super::completeness::incomplete;
use super::ip_configuration::{PublicAddresses, judge};
use super::lookup::Found;
use crate::arm::{NetworkInterface, Resource, ResourceId, Tags, VirtualMachine};
use crate::select::{AzureConfig, OrchestrationMode};

/// The kind of a node that is an interface.
const NETWORK_INTERFACE: &str = "network interface";

/// The kind of a node that is an instance without interfaces.
const INSTANCE: &str = "instance";

/// What an instance may be part of.
pub(super) const SCALE_SET: &str = "scale set";

/// What was found of one scale set, or of one instance.
#[derive(Default)]
pub(super) struct Resolved {
    /// The mode of the set.
    pub mode: Option<OrchestrationMode>,
    /// The interfaces of its instances.
    pub candidates: Vec<Candidate>,
    /// What was looked at and is out.
    pub excluded: Vec<Node>,
    /// What is worth knowing.
    pub findings: Vec<Finding>,
}

impl Resolved {
    /// Nothing but a finding.
    pub(super) fn of_finding(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }

    /// Sorts the interfaces of a virtual machine into those found and those gone. `scale_set` is
    /// the name of the set that it was listed for.
    ///
    /// # Errors
    ///
    /// The answer leaves out which interfaces the machine has.
    pub(super) fn gather(
        &mut self,
        mut machine: VirtualMachine,
        scale_set: Option<&str>,
        found: &mut Found<NetworkInterface>,
    ) -> Result<()> {
        if machine.lacks_interfaces() {
            let operation = format!(
                "find the network interfaces of virtual machine `{}`",
                machine.name()
            );
            return Err(incomplete(operation, "the virtual machine names none"));
        }
        let ids = machine.take_interface_ids();
        let mut instance = Instance::of(machine);
        if let Some(scale_set) = scale_set {
            instance.scale_set = Some(scale_set.to_owned());
        }
        if ids.is_empty() {
            self.excluded
                .push(instance.node(vec![Exclusion::NoAddress]));
        }
        let instance = Arc::new(instance);
        for id in ids {
            match found.remove(&id) {
                Some(interface) => self.candidates.push(Candidate {
                    interface,
                    instance: Some(Arc::clone(&instance)),
                }),
                None => self.excluded.push(vanished(&id, Some(&instance))),
            }
        }
        Ok(())
    }
}

/// One instance: a virtual machine, or a part of a Uniform set.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// Its id, as Azure spelled it.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Its availability zone, where it is known.
    pub zone: Option<String>,
    /// The name of its scale set.
    pub scale_set: Option<String>,
    /// Its own tags, where they are known.
    pub tags: Tags,
    /// Its power state, where it was asked for: `running`.
    pub power_state: Option<String>,
}

impl Instance {
    /// What a virtual machine says of itself.
    pub(super) fn of(machine: VirtualMachine) -> Self {
        let set = machine.properties.scale_set.as_ref().map(ResourceId::name);
        Self {
            name: machine.name().to_owned(),
            scale_set: set.filter(|name| !name.is_empty()).map(str::to_owned),
            id: machine.id,
            zone: machine.zone,
            tags: machine.tags,
            power_state: machine.properties.power_state,
        }
    }

    /// A node for the instance itself, which is out.
    pub(super) fn node(&self, reasons: Vec<Exclusion>) -> Node {
        let mut node = Node::new(INSTANCE, self.id.as_str(), self.name.clone());
        self.describe(&mut node, None);
        node.tags.clone_from(&self.tags.0);
        node.excluded = reasons;
        node
    }

    /// Describes a node that is this instance or is part of it, in `group`.
    fn describe(&self, node: &mut Node, group: Option<&str>) {
        let scale_set = self.scale_set.as_ref();
        let scale_set = scale_set.map(|name| Parent::new(SCALE_SET, name.clone()));
        node.parents.extend(scale_set);
        if node.kind != INSTANCE {
            node.parents.push(Parent::new(INSTANCE, self.name.clone()));
        }
        add_group(node, group.or_else(|| self.id.resource_group()));
        node.add_attribute("zone", self.zone.clone());
    }
}

fn add_group(node: &mut Node, group: Option<&str>) {
    node.add_attribute("resource group", group.map(str::to_owned));
}

/// The node of a resource that is out, of which nothing else is known than what it says itself.
pub(super) fn node<P>(kind: &'static str, resource: &Resource<P>, reasons: Vec<Exclusion>) -> Node {
    let mut node = Node::new(kind, resource.id.as_str(), resource.name());
    add_group(&mut node, resource.id.resource_group());
    node.tags.clone_from(&resource.tags.0);
    node.excluded = reasons;
    node
}

/// The node of an interface that was gone when it was looked for.
pub(super) fn vanished(id: &ResourceId, instance: Option<&Instance>) -> Node {
    let mut node = Node::new(NETWORK_INTERFACE, id.as_str(), id.name());
    match instance {
        Some(instance) => instance.describe(&mut node, id.resource_group()),
        None => add_group(&mut node, id.resource_group()),
    }
    node.excluded.push(Exclusion::Vanished);
    node
}

/// An interface that belongs to what was asked for.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The interface.
    pub interface: NetworkInterface,
    /// What it is attached to, where that is an instance that is known.
    pub instance: Option<Arc<Instance>>,
}

impl Candidate {
    /// The id of its instance, known or not.
    pub(super) fn instance_id(&self) -> Option<&ResourceId> {
        let named = self.interface.properties.virtual_machine.as_ref();
        let known = self.instance.as_ref().map(|instance| &instance.id);
        known.or(named).filter(|id| !id.is_empty())
    }

    /// Its node, with the addresses that count.
    ///
    /// # Errors
    ///
    /// The interface gives no address, and the answer leaves out whether it has one.
    pub(super) fn judged(self, config: &AzureConfig, public: &PublicAddresses) -> Result<Node> {
        let (addresses, excluded) = judge(config, &self.interface, public)?;
        let mut node = self.excluded(excluded);
        let address = |ip| {
            let address = Address::ip(ip).with_network_interface(node.name.clone());
            match node.parent(INSTANCE) {
                Some(instance) => address.with_instance(instance),
                None => address,
            }
        };
        node.addresses = addresses.into_iter().map(address).collect();
        Ok(node)
    }

    /// Its node, left out for these reasons.
    pub(super) fn excluded(self, reasons: Vec<Exclusion>) -> Node {
        let Self {
            interface,
            instance,
        } = self;
        let mut node = Node::new(NETWORK_INTERFACE, String::new(), interface.name());
        let group = interface.id.resource_group();
        if let Some(instance) = instance {
            instance.describe(&mut node, group);
        } else {
            let machine = interface.properties.virtual_machine.as_ref();
            let machine = machine
                .map(ResourceId::name)
                .filter(|name| !name.is_empty());
            node.parents
                .extend(machine.map(|name| Parent::new(INSTANCE, name)));
            add_group(&mut node, group);
        }
        node.tags = interface.tags.0;
        node.id = interface.id.into_string();
        node.excluded = reasons;
        node
    }
}
