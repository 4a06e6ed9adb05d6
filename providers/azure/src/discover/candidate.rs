//! What the paths hand on: interfaces that belong to what was asked for, with what is known of
//! their instances.

use std::sync::Arc;

use cloud_autojoin_core::{Address, Exclusion, Node, Parent, Result};

use super::ip_configuration::{AddressRule, PublicAddresses};
use crate::arm::{NetworkInterface, ResourceId, Tags, VirtualMachine};

/// The kind of a node that is an interface.
pub(super) const NETWORK_INTERFACE: &str = "network interface";

/// The kind of a node that is an instance without interfaces.
pub(super) const INSTANCE: &str = "instance";

/// What an instance may be part of.
pub(super) const SCALE_SET: &str = "scale set";

/// The attribute that every node has.
pub(super) const RESOURCE_GROUP: &str = "resource group";

/// One instance: a virtual machine, or a part of a Uniform set.
#[derive(Debug, Clone, Default)]
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
    /// The tags of its scale set, where they are known.
    pub scale_set_tags: Tags,
    /// Its power state, where it was asked for: `running`.
    pub power_state: Option<String>,
}

impl Instance {
    /// What a virtual machine says of itself.
    pub(super) fn of(machine: &VirtualMachine) -> Self {
        Self {
            id: machine.id.clone(),
            name: machine.name().to_owned(),
            zone: machine.zone().map(str::to_owned),
            scale_set: machine
                .properties
                .virtual_machine_scale_set
                .as_ref()
                .map(|set| set.id.name().to_owned())
                .filter(|name| !name.is_empty()),
            tags: machine.tags.clone(),
            scale_set_tags: Tags::default(),
            power_state: machine
                .properties
                .instance_view
                .as_ref()
                .and_then(|view| view.power_state())
                .map(str::to_owned),
        }
    }

    /// A node for the instance itself, which has no interface to represent it.
    pub(super) fn node(&self, reason: Exclusion) -> Node {
        self.node_for(vec![reason])
    }

    /// The same for several reasons.
    pub(super) fn node_for(&self, reasons: Vec<Exclusion>) -> Node {
        let mut node = Node::new(INSTANCE, self.id.as_str(), self.name.clone());
        self.describe(&mut node, None);
        node.tags.clone_from(&self.tags.0);
        node.excluded = reasons;
        node
    }

    /// Describes a node that is this instance or is part of it, in `group`.
    fn describe(&self, node: &mut Node, group: Option<&str>) {
        let group = group.or_else(|| self.id.resource_group());
        if let Some(scale_set) = &self.scale_set {
            node.parents.push(Parent::new(SCALE_SET, scale_set.clone()));
        }
        if node.kind != INSTANCE {
            node.parents.push(Parent::new(INSTANCE, self.name.clone()));
        }
        node.add_attribute(RESOURCE_GROUP, group.map(str::to_owned));
        node.add_attribute("zone", self.zone.clone());
    }
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
        match &self.instance {
            Some(instance) => Some(&instance.id),
            None => self
                .interface
                .properties
                .virtual_machine
                .as_ref()
                .map(|machine| &machine.id),
        }
        .filter(|id| !id.is_empty())
    }

    /// Its node, with the addresses that count.
    ///
    /// # Errors
    ///
    /// The interface gives no address, and the answer leaves out whether it has one.
    pub(super) fn judged(self, rule: AddressRule, public: &PublicAddresses) -> Result<Node> {
        let (addresses, excluded) = rule.judge(&self.interface, public)?;
        let mut node = self.described();
        node.addresses = addresses
            .into_iter()
            .map(|address| {
                let address = Address::ip(address).with_network_interface(node.name.clone());
                match node.parent(INSTANCE) {
                    Some(instance) => address.with_instance(instance),
                    None => address,
                }
            })
            .collect();
        node.excluded = excluded;
        Ok(node)
    }

    /// Its node, left out for these reasons.
    pub(super) fn excluded(self, reasons: Vec<Exclusion>) -> Node {
        let mut node = self.described();
        node.excluded = reasons;
        node
    }

    fn described(self) -> Node {
        let Self {
            interface,
            instance,
        } = self;
        let name = interface.name().to_owned();
        let mut node = Node::new(NETWORK_INTERFACE, String::new(), name);
        let group = interface.id.resource_group();
        if let Some(instance) = instance {
            instance.describe(&mut node, group);
        } else {
            let machine = interface
                .properties
                .virtual_machine
                .as_ref()
                .map(|machine| machine.id.name());
            if let Some(name) = machine.filter(|name| !name.is_empty()) {
                node.parents.push(Parent::new(INSTANCE, name));
            }
            node.add_attribute(RESOURCE_GROUP, group.map(str::to_owned));
        }
        node.tags = interface.tags.0;
        node.id = interface.id.into_string();
        node
    }
}

/// The node of an interface of which only the id is known.
pub(super) fn unseen(id: &ResourceId, instance: &Instance, reason: Exclusion) -> Node {
    let mut node = Node::new(NETWORK_INTERFACE, id.as_str(), id.name());
    instance.describe(&mut node, id.resource_group());
    node.excluded.push(reason);
    node
}
