//! Instances of a Uniform set: one list has all their interfaces.
//!
//! It requests (U) the set's interfaces; only where one of them lacks `properties.primary`, the
//! set's instances too. Azure overprovisions, and the interfaces of instances that were taken away
//! again stay in the list for a while: recorded in 2023 and in 2025, four interfaces for two
//! instances, and exactly those of the two that were gone lacked `primary`.

use std::collections::HashMap;
use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Result};

use super::attachment::{Attachment, Members};
use super::query::Query;
use crate::arm::{Listing, NetworkInterface, ResourceId, UNIFORM_INSTANCES, VirtualMachine};
use crate::select::{OrchestrationMode, TagPlace};

/// Reads the list of interfaces to its end, and excludes those of deleted instances.
///
/// # Errors
///
/// A page can't be read, or the list of instances if it is needed.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ResourceId,
    (first, rest): (Vec<NetworkInterface>, Listing<'_, NetworkInterface>),
) -> Result<Members> {
    let interfaces = rest.read_on(first).await?;
    let is_doubtful = |interface: &NetworkInterface| interface.properties.primary.is_none();
    let is_listed = query.tags_may_be_on(TagPlace::Instance) || interfaces.iter().any(is_doubtful);
    let mut known = HashMap::new();
    if is_listed {
        known = instances(query, set, false).await?;
    }
    known.reserve(interfaces.len());
    let mut members = Members::of_mode(OrchestrationMode::Uniform);
    for interface in interfaces {
        let id = instance_id(set, &interface);
        let is_gone = is_listed
            && is_doubtful(&interface)
            && id.as_ref().is_some_and(|id| !known.contains_key(id));
        let instance = id.map(|id| {
            let instance = known.entry(id);
            // Azure names instances after the set and the number.
            let bare = |id: &ResourceId| {
                let name = Some(format!("{}_{}", set.name(), id.name()));
                let instance = VirtualMachine {
                    name,
                    ..VirtualMachine::default()
                };
                Arc::new(instance_of(set, id.clone(), instance))
            };
            Arc::clone(instance.or_insert_with_key(bare))
        });
        let attachment = Attachment {
            interface,
            instance,
        };
        if is_gone {
            let node = attachment.into_node(vec![Exclusion::InstanceGone]);
            members.excluded.push(node);
        } else {
            members.interfaces.push(attachment);
        }
    }
    Ok(members)
}

/// The instances of the set by their ids, with their power states if they are wanted.
///
/// # Errors
///
/// A page can't be read.
pub(super) async fn instances(
    query: Query<'_>,
    set: &ResourceId,
    with_view: bool,
) -> Result<HashMap<ResourceId, Arc<VirtualMachine>>> {
    let requests = query.requests();
    let list = query.list::<VirtualMachine>(if with_view {
        requests.uniform_power_states(set)
    } else {
        requests.of_uniform_set(&UNIFORM_INSTANCES, set)
    });
    let machines = list.read_on(Vec::new()).await?.into_iter();
    let instances = machines.map(|machine| {
        let number = machine.instance_id.as_deref();
        let number = number.or_else(|| machine.id.after("virtualMachines"));
        let id = numbered(set, number.unwrap_or_default());
        (id.clone(), Arc::new(instance_of(set, id, machine)))
    });
    Ok(instances.collect())
}

/// An instance of the set, with its id and that of the set in one spelling.
fn instance_of(set: &ResourceId, id: ResourceId, mut instance: VirtualMachine) -> VirtualMachine {
    instance.id = id;
    instance.properties.scale_set = Some(set.clone());
    instance
}

/// The id of the instance that an interface belongs to.
fn instance_id(set: &ResourceId, interface: &NetworkInterface) -> Option<ResourceId> {
    let owner = interface.properties.virtual_machine.as_ref();
    let number = interface.id.after("virtualMachines");
    let number = number.or_else(|| owner?.after("virtualMachines"))?;
    Some(numbered(set, number))
}

/// The id of an instance in one spelling: the group in it may be spelled differently by the list of
/// instances and by that of interfaces.
fn numbered(set: &ResourceId, number: &str) -> ResourceId {
    set.child(&format!("virtualMachines/{number}"))
}
