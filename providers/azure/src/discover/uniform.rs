//! Instances of a Uniform set: one listing gives all their interfaces.
//!
//! It requests (U) the set's interfaces; only where one of them lacks `properties.primary`, the
//! set's instances too. Azure overprovisions, and the interfaces of instances that were taken away
//! again stay in the listing for a while: recorded in 2023 and in 2025, four interfaces for two
//! instances, and exactly those of the two that were gone lacked `primary`.

use std::collections::HashMap;
use std::sync::Arc;

use cloud_autojoin_core::{Error, Exclusion, Result};

use super::candidate::{Candidate, Instance, Resolved};
use super::completeness::incomplete;
use super::query::Query;
use crate::arm::{Listing, NetworkInterface, ResourceId, UNIFORM_INSTANCES, VirtualMachine};
use crate::select::OrchestrationMode;

/// Reads the listing to its end, and sorts out what belongs to instances that are gone.
///
/// # Errors
///
/// A page, or the list of instances where it is needed, that cannot be read.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ResourceId,
    (first, rest): (Vec<NetworkInterface>, Listing<'_, NetworkInterface>),
    with_instances: bool,
) -> Result<Resolved> {
    let interfaces = rest.read_on(first).await?;
    let is_doubtful = |interface: &NetworkInterface| interface.properties.primary.is_none();
    let is_listed = with_instances || interfaces.iter().any(is_doubtful);
    let mut known = if is_listed {
        instances(query, set, false).await?
    } else {
        HashMap::new()
    };

    known.reserve(interfaces.len());

    let mut resolved = Resolved {
        mode: Some(OrchestrationMode::Uniform),
        ..Resolved::default()
    };
    for interface in interfaces {
        let id = instance_id(set, &interface);
        let is_gone = is_listed
            && is_doubtful(&interface)
            && id.as_ref().is_some_and(|id| !known.contains_key(id));
        let instance = id.map(|id| {
            let instance = known.entry(id);
            Arc::clone(instance.or_insert_with_key(|id| Arc::new(bare(set, id))))
        });
        let candidate = Candidate {
            interface,
            instance,
        };
        if is_gone {
            let node = candidate.excluded(vec![Exclusion::InstanceGone]);
            resolved.excluded.push(node);
        } else {
            resolved.candidates.push(candidate);
        }
    }
    Ok(resolved)
}

/// The instances of the set by their ids, with their power states if they are wanted.
///
/// # Errors
///
/// A page that cannot be read, or an instance view that is wanted and has no power state.
pub(super) async fn instances(
    query: Query<'_>,
    set: &ResourceId,
    with_view: bool,
) -> Result<HashMap<ResourceId, Arc<Instance>>> {
    let requests = query.requests();
    let list = query.list::<VirtualMachine>(if with_view {
        requests.uniform_power_states(set)
    } else {
        requests.of_uniform_set(&UNIFORM_INSTANCES, set)
    });
    let machines = list.read_on(Vec::new()).await?;
    let mut instances = HashMap::with_capacity(machines.len());
    for machine in machines {
        if with_view && machine.is_made() && machine.properties.power_state.is_none() {
            return Err(without_power_state(&machine));
        }
        let number = machine.instance_id.as_deref();
        let number = number.or_else(|| machine.id.after("virtualMachines"));
        let id = numbered(set, number.unwrap_or_default());
        let instance = Instance {
            id: id.clone(),
            scale_set: Some(set.name().to_owned()),
            ..Instance::of(machine)
        };
        instances.insert(id, Arc::new(instance));
    }
    Ok(instances)
}

/// The error for a virtual machine of which it is unknown whether it runs.
pub(super) fn without_power_state(machine: &VirtualMachine) -> Error {
    let operation = format!(
        "find the power state of virtual machine `{}`",
        machine.name()
    );
    incomplete(operation, "its instance view has none")
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

/// An instance of which only the number is known: Azure names them after the set and the number.
fn bare(set: &ResourceId, id: &ResourceId) -> Instance {
    Instance {
        name: format!("{}_{}", set.name(), id.name()),
        id: id.clone(),
        scale_set: Some(set.name().to_owned()),
        ..Instance::default()
    }
}
