//! Network interfaces with the instances they are attached to, and the nodes made of them.

use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Finding, Node, Parent, Result};

use super::lookup::Found;
use super::results::incomplete;
use crate::arm::{NetworkInterface, Resource, ResourceId, ScaleSet, VirtualMachine};
use crate::select::OrchestrationMode;

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
    /// The id of the instance, known or not.
    pub(super) fn instance_id(&self) -> Option<&ResourceId> {
        let named = self.interface.properties.virtual_machine.as_ref();
        let known = self.instance.as_ref().map(|instance| &instance.id);
        known.or(named).filter(|id| !id.is_empty())
    }

    /// The node of the interface, without addresses.
    pub(super) fn into_node(self, excluded: Vec<Exclusion>) -> Node {
        let Self {
            interface,
            instance,
        } = self;
        let name = interface.name().to_owned();
        let mut node = node(
            NETWORK_INTERFACE,
            interface.id,
            name,
            instance.as_deref(),
            excluded,
        );
        if instance.is_none()
            && let Some(id) = &interface.properties.virtual_machine
            && !id.name().is_empty()
        {
            node.parents.push(Parent::new(INSTANCE, id.name()));
        }
        node.tags = interface.tags.0;
        node
    }
}

/// The instances of a scale set, or a single one.
#[derive(Default)]
pub(super) struct Members {
    /// The mode of the scale set.
    pub mode: Option<OrchestrationMode>,
    /// The interfaces of the instances.
    pub interfaces: Vec<Attachment>,
    /// What is excluded whatever the query.
    pub excluded: Vec<Node>,
    /// Findings about the scale set.
    pub findings: Vec<Finding>,
}

impl Members {
    /// No instances of a scale set of this mode.
    pub(super) fn of_mode(mode: OrchestrationMode) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    /// No instances, and why.
    pub(super) fn of_findings(findings: Vec<Finding>) -> Self {
        Self {
            findings,
            ..Self::default()
        }
    }

    /// Adds the interfaces of a virtual machine. Those that aren't in `found` were deleted.
    ///
    /// # Errors
    ///
    /// The response lacks the machine's interfaces.
    pub(super) fn add_machine(
        &mut self,
        mut machine: VirtualMachine,
        found: &mut Found<NetworkInterface>,
    ) -> Result<()> {
        if machine.lacks_interfaces() {
            let name = machine.name();
            let operation = format!("find the network interfaces of virtual machine `{name}`");
            return Err(incomplete(operation, "the virtual machine names none"));
        }
        let ids = machine.take_interface_ids();
        if ids.is_empty() {
            self.excluded
                .push(instance_node(&machine, vec![Exclusion::NoAddress]));
        }
        let machine = Arc::new(machine);
        for id in ids {
            match found.remove(&id) {
                Some(interface) => self.interfaces.push(Attachment {
                    interface,
                    instance: Some(Arc::clone(&machine)),
                }),
                None => self.excluded.push(deleted_interface(id, Some(&machine))),
            }
        }
        Ok(())
    }
}

/// The node of an instance that is excluded.
pub(super) fn instance_node(machine: &VirtualMachine, excluded: Vec<Exclusion>) -> Node {
    resource_node(INSTANCE, machine, Some(machine), excluded)
}

/// The node of a scale set that is excluded.
pub(super) fn set_node(set: &ScaleSet, excluded: Vec<Exclusion>) -> Node {
    resource_node(SCALE_SET, set, None, excluded)
}

fn resource_node<P>(
    kind: &'static str,
    resource: &Resource<P>,
    instance: Option<&VirtualMachine>,
    excluded: Vec<Exclusion>,
) -> Node {
    let (id, name) = (resource.id.clone(), resource.name().to_owned());
    let mut node = node(kind, id, name, instance, excluded);
    node.tags.clone_from(&resource.tags.0);
    node
}

/// The node of an interface that was deleted between list and get.
pub(super) fn deleted_interface(id: ResourceId, instance: Option<&VirtualMachine>) -> Node {
    let name = id.name().to_owned();
    let excluded = vec![Exclusion::Vanished];
    node(NETWORK_INTERFACE, id, name, instance, excluded)
}

/// A node that is `instance` or is attached to it.
fn node(
    kind: &'static str,
    id: ResourceId,
    name: String,
    instance: Option<&VirtualMachine>,
    excluded: Vec<Exclusion>,
) -> Node {
    let group = id.resource_group();
    let group = group.or_else(|| instance?.id.resource_group());
    let group = group.map(str::to_owned);
    let mut node = Node::new(kind, id.into_string(), name);
    if let Some(machine) = instance {
        let set = machine.properties.scale_set.as_ref().map(ResourceId::name);
        let set = set.filter(|name| !name.is_empty());
        node.parents
            .extend(set.map(|name| Parent::new(SCALE_SET, name)));
        if kind != INSTANCE {
            node.parents.push(Parent::new(INSTANCE, machine.name()));
        }
        node.add_attribute("resource group", group);
        node.add_attribute("zone", machine.zone.clone());
    } else {
        node.add_attribute("resource group", group);
    }
    node.excluded = excluded;
    node
}
