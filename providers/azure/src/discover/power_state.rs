//! Which instances run just now, by their instance views: nothing else is sure (a deallocated
//! machine keeps its interfaces and their addresses).
//!
//! Azure allows 12 reads a minute of one machine, for everyone together, and 300 lists of machines.
//! So the views come in lists, one for each scale set and one for all other machines; a machine is
//! read singly only where its list does not have it.

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Error, Exclusion, Result};
use futures::future::{try_join, try_join_all};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::candidate::Candidate;
use super::completeness;
use super::lookup::SIDE_BY_SIDE;
use super::members::ScaleSetName;
use super::query::Query;
use super::uniform;
use crate::arm::{ResourceId, VirtualMachine, is_not_found, name_key};

/// Of how many Flexible sets the views are listed set by set; the machines of more are taken from
/// the list of the subscription.
const SETS: usize = 4;

/// What the state of a machine that is being made or deleted comes to, while Azure gives none.
const UNKNOWN: &str = "in no known power state";

/// The power state of an instance (`running`, `deallocated`), or why there is none.
pub(super) type PowerStates = HashMap<ResourceId, Result<String, Exclusion>>;

/// Reads the power states of the instances of `candidates`.
///
/// # Errors
///
/// A power state that cannot be read or that the answer leaves out; an instance that is gone is
/// none.
pub(super) async fn read(query: Query<'_>, candidates: &[Candidate]) -> Result<PowerStates> {
    let mut states = PowerStates::new();
    let mut uniform: HashMap<String, ScaleSetName> = HashMap::new();
    let mut flexible: HashMap<String, (ScaleSetName, HashSet<ResourceId>)> = HashMap::new();
    let mut others: HashSet<ResourceId> = HashSet::new();
    for candidate in candidates {
        let Some(id) = candidate.instance_id() else {
            continue;
        };
        let instance = candidate.instance.as_ref();
        if let Some(state) = instance.and_then(|instance| instance.power_state.clone()) {
            states.insert(id.clone(), Ok(state));
        } else if let Some(set) = ScaleSetName::of_instance(id) {
            uniform.insert(name_key(set.id(query).as_str()), set);
        } else if let (Some(name), Some(group)) = (
            instance.and_then(|instance| instance.scale_set.clone()),
            id.resource_group(),
        ) {
            // Machines of a Flexible set are in its resource group.
            let set = ScaleSetName {
                resource_group: group.to_owned(),
                name,
            };
            flexible
                .entry(name_key(set.id(query).as_str()))
                .or_insert_with(|| (set, HashSet::new()))
                .1
                .insert(id.clone());
        } else {
            others.insert(id.clone());
        }
    }
    if flexible.len() > SETS {
        others.extend(
            std::mem::take(&mut flexible)
                .into_values()
                .flat_map(|(_, ids)| ids),
        );
    }
    for instances in try_join_all(
        uniform
            .values()
            .map(|set| uniform::instances(query, set, true)),
    )
    .await?
    {
        states.extend(instances.into_iter().map(|(id, instance)| {
            (
                id,
                Ok(instance
                    .power_state
                    .clone()
                    .unwrap_or_else(|| UNKNOWN.to_owned())),
            )
        }));
    }
    let of_sets = try_join_all(
        flexible
            .into_values()
            .map(|(set, ids)| of_set(query, set, ids)),
    );
    let (of_sets, of_others) = try_join(of_sets, of_subscription(query, others)).await?;
    let mut missing = Vec::new();
    for (found, left) in of_sets.into_iter().chain([of_others]) {
        states.extend(found.into_iter().map(|(id, state)| (id, Ok(state))));
        missing.extend(left);
    }
    states.extend(read_singly(query, missing).await?);
    Ok(states)
}

/// The states found, and the machines without.
type Listed = (HashMap<ResourceId, String>, HashSet<ResourceId>);

/// Reads the views of a Flexible set in one list.
async fn of_set(
    query: Query<'_>,
    set: ScaleSetName,
    mut missing: HashSet<ResourceId>,
) -> Result<Listed> {
    let requests = query.requests();
    let list = query.list::<VirtualMachine>(requests.scale_set_members(
        &set.resource_group,
        &set.name,
        true,
    ));
    let machines = match list.read_on(Vec::new()).await {
        Ok(machines) => machines,
        Err(error) if is_refused(&error) => return Ok((HashMap::new(), missing)),
        Err(error) => return Err(error),
    };
    // By name, which is unique in a group: what Azure leaves of a machine beside its view is not
    // documented.
    let mut by_name: HashMap<String, ResourceId> = missing
        .iter()
        .map(|id| (name_key(id.name()), id.clone()))
        .collect();
    let mut found = HashMap::new();
    for machine in machines {
        if let Some(state) = state_of(&machine)
            && let Some(id) = by_name.remove(&name_key(machine.name()))
        {
            missing.remove(&id);
            found.insert(id, state);
        }
    }
    Ok((found, missing))
}

/// Reads the list of all views of the subscription, as long as its pages are fewer than the
/// machines that are missing: at most twice what reading those singly costs.
async fn of_subscription(query: Query<'_>, mut missing: HashSet<ResourceId>) -> Result<Listed> {
    let mut found = HashMap::new();
    let mut list = query.list::<VirtualMachine>(query.requests().virtual_machine_states());
    while list.has_more() && list.pages_read() < missing.len() {
        let page = match list.next().await {
            Ok(page) => page.unwrap_or_default(),
            // The role may be one over some groups only.
            Err(error) if is_refused(&error) => break,
            Err(error) => return Err(error),
        };
        for machine in page {
            if let Some(state) = state_of(&machine)
                && missing.remove(&machine.id)
            {
                found.insert(machine.id, state);
            }
        }
    }
    Ok((found, missing))
}

/// Whether another way to ask may be open: not allowed, not there, or a query that this Azure does
/// not know.
fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Api(error) if matches!(error.status(), 400 | 403 | 404))
}

fn state_of(machine: &VirtualMachine) -> Option<String> {
    machine
        .properties
        .instance_view
        .as_ref()?
        .power_state()
        .map(str::to_owned)
}

async fn read_singly(query: Query<'_>, machines: Vec<ResourceId>) -> Result<PowerStates> {
    let requests = query.requests();
    stream::iter(machines)
        .map(|id| {
            let request = requests.virtual_machine(&id, true);
            async move {
                match query.read::<VirtualMachine>(request).await {
                    Ok(machine) => match state_of(&machine) {
                        Some(state) => Ok((id, Ok(state))),
                        None if machine.is_made() => Err(completeness::of_power_state(&machine)),
                        None => Ok((id, Ok(UNKNOWN.to_owned()))),
                    },
                    Err(error) if is_not_found(&error) => Ok((id, Err(Exclusion::InstanceGone))),
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await
}
