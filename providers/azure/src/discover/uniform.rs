//! Instances of a Uniform set: one listing gives all their interfaces.
//!
//! It requests (U) the set's interfaces; only where one of them lacks `properties.primary`, the
//! set's instances too. Azure overprovisions, and the interfaces of instances that were taken away
//! again stay in the listing for a while: recorded in 2023 and in 2025, four interfaces for two
//! instances, and exactly those of the two that were gone lacked `primary`.

use std::collections::HashMap;
use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Result};

use super::candidate::{Candidate, Instance};
use super::completeness;
use super::members::{Opened, Resolved, ScaleSetName};
use super::query::Query;
use crate::arm::{NetworkInterface, ResourceId, VirtualMachine};
use crate::select::OrchestrationMode;

/// Reads the listing to its end, and sorts out what belongs to instances that are gone.
///
/// # Errors
///
/// A page, or the list of instances where it is needed, that cannot be read.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ScaleSetName,
    (first, rest): Opened<'_, NetworkInterface>,
    with_instances: bool,
) -> Result<Resolved> {
    let interfaces = rest.read_on(first).await?;
    let doubtful = interfaces
        .iter()
        .any(|interface| interface.properties.primary.is_none());
    let listed = if doubtful || with_instances {
        Some(instances(query, set, false).await?)
    } else {
        None
    };

    let mut resolved = Resolved::new(OrchestrationMode::Uniform);
    let mut unlisted: HashMap<ResourceId, Arc<Instance>> = HashMap::new();
    for interface in interfaces {
        let id = instance_id(query, set, &interface);
        let known = id
            .as_ref()
            .zip(listed.as_ref())
            .and_then(|(id, listed)| listed.get(id))
            .cloned();
        let is_gone = listed.is_some()
            && known.is_none()
            && id.is_some()
            && interface.properties.primary.is_none();
        let instance = known.or_else(|| {
            id.map(|id| {
                Arc::clone(
                    unlisted
                        .entry(id.clone())
                        .or_insert_with(|| Arc::new(bare(set, id))),
                )
            })
        });
        let candidate = Candidate {
            interface,
            instance,
        };
        if is_gone {
            resolved
                .excluded
                .push(candidate.excluded(vec![Exclusion::InstanceGone]));
        } else {
            resolved.candidates.push(candidate);
        }
    }
    Ok(resolved)
}

/// The instances of the set by their ids, with their instance views if they are wanted.
///
/// # Errors
///
/// A page that cannot be read, or an instance view that is wanted and has no power state.
pub(super) async fn instances(
    query: Query<'_>,
    set: &ScaleSetName,
    with_view: bool,
) -> Result<HashMap<ResourceId, Arc<Instance>>> {
    let requests = query.requests();
    let list = query.list::<VirtualMachine>(requests.scale_set_instances(
        &set.resource_group,
        &set.name,
        with_view,
    ));
    let machines = list.read_on(Vec::new()).await?;
    let has_state = |machine: &VirtualMachine| {
        machine
            .properties
            .instance_view
            .as_ref()
            .is_some_and(|view| view.power_state().is_some())
    };
    if let Some(machine) = machines
        .iter()
        .find(|machine| with_view && machine.is_made() && !has_state(machine))
    {
        return Err(completeness::of_power_state(machine));
    }
    Ok(machines
        .iter()
        .map(|machine| {
            let number = machine
                .instance_id
                .as_deref()
                .or_else(|| machine.id.after("virtualMachines"))
                .unwrap_or_default();
            let id = numbered(query, set, number);
            (
                id.clone(),
                Arc::new(Instance {
                    id,
                    scale_set: Some(set.name.clone()),
                    ..Instance::of(machine)
                }),
            )
        })
        .collect())
}

/// The id of the instance that an interface belongs to.
fn instance_id(
    query: Query<'_>,
    set: &ScaleSetName,
    interface: &NetworkInterface,
) -> Option<ResourceId> {
    let owner = interface
        .properties
        .virtual_machine
        .as_ref()
        .map(|machine| &machine.id);
    let number = interface
        .id
        .after("virtualMachines")
        .or_else(|| owner?.after("virtualMachines"))?;
    Some(numbered(query, set, number))
}

/// The id of an instance in one spelling: the group in it may be spelled differently by the list of
/// instances and by that of interfaces.
fn numbered(query: Query<'_>, set: &ScaleSetName, number: &str) -> ResourceId {
    ResourceId::new(format!("{}/virtualMachines/{number}", set.id(query)))
}

/// An instance of which only the number is known: Azure names them after the set and the number.
fn bare(set: &ScaleSetName, id: ResourceId) -> Instance {
    Instance {
        name: format!("{}_{}", set.name, id.name()),
        id,
        scale_set: Some(set.name.clone()),
        ..Instance::default()
    }
}
