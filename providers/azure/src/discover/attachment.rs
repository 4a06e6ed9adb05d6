//! Network interfaces with the instances they are attached to, and the nodes made of them.

use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Node, Parent};

use crate::arm::{NetworkInterface, Resource, ResourceId, ScaleSet, VirtualMachine};

/// The kinds of nodes and of their parents.
const NETWORK_INTERFACE: &str = "network interface";
pub(super) const INSTANCE: &str = "instance";
const SCALE_SET: &str = "scale set";

/// A network interface, and the instance it is attached to if that is known: a virtual machine, or
/// an instance of a Uniform set.
#[derive(Debug)]
pub(super) struct Attachment {
    pub interface: NetworkInterface,
    pub instance: Option<Arc<VirtualMachine>>,
}

impl Attachment {
    pub(super) fn new(interface: NetworkInterface, instance: Option<Arc<VirtualMachine>>) -> Self {
        Self {
            interface,
            instance,
        }
    }

    /// The id of the instance, known or not.
    pub(super) fn instance_id(&self) -> Option<&ResourceId> {
        let named = self.interface.properties.virtual_machine.as_ref();
        let known = self.instance.as_ref().map(|instance| &instance.id);
        known.or(named).filter(|id| !id.is_empty())
    }

    /// The node of the interface, without addresses.
    pub(super) fn into_node(self, excluded: Vec<Exclusion>) -> Node {
        let (interface, instance) = (self.interface, self.instance.as_deref());
        let name = interface.name().to_owned();
        let mut node = node(NETWORK_INTERFACE, interface.id, name, instance);
        if instance.is_none()
            && let Some(id) = &interface.properties.virtual_machine
            && !id.name().is_empty()
        {
            node.parents.push(Parent::new(INSTANCE, id.name()));
        }
        node.tags = interface.tags.0;
        node.excluded = excluded;
        node
    }
}

/// The node of an interface that was deleted between list and get.
pub(super) fn deleted_interface(id: ResourceId, instance: Option<&VirtualMachine>) -> Node {
    let name = id.name().to_owned();
    let mut node = node(NETWORK_INTERFACE, id, name, instance);
    node.excluded.push(Exclusion::Vanished);
    node
}

/// The node of an instance that is excluded.
pub(super) fn instance_node(machine: &VirtualMachine, excluded: Vec<Exclusion>) -> Node {
    let (id, name) = (machine.id.clone(), machine.name().to_owned());
    let node = node(INSTANCE, id, name, Some(machine));
    described(node, machine, excluded)
}

/// The node of a scale set that is excluded.
pub(super) fn set_node(set: &ScaleSet, excluded: Vec<Exclusion>) -> Node {
    let node = node(SCALE_SET, set.id.clone(), set.name().to_owned(), None);
    described(node, set, excluded)
}

fn described<P>(mut node: Node, resource: &Resource<P>, excluded: Vec<Exclusion>) -> Node {
    node.tags.clone_from(&resource.tags.0);
    node.excluded = excluded;
    node
}

/// A node that is an instance or is attached to one.
fn node(kind: &'static str, id: ResourceId, name: String, of: Option<&VirtualMachine>) -> Node {
    let group = id.resource_group();
    let group = group.or_else(|| of?.id.resource_group());
    let group = group.map(str::to_owned);
    let mut node = Node::new(kind, id.into_string(), name);
    let set = of.and_then(|machine| machine.properties.scale_set.as_ref());
    if let Some(name) = set.map(ResourceId::name).filter(|name| !name.is_empty()) {
        node.parents.push(Parent::new(SCALE_SET, name));
    }
    if let Some(machine) = of.filter(|_| kind != INSTANCE) {
        node.parents.push(Parent::new(INSTANCE, machine.name()));
    }
    node.add_attribute("resource group", group);
    node.add_attribute("zone", of.and_then(|machine| machine.zone.clone()));
    node
}
