//! Which instances run just now, by their instance views: nothing else is sure (a deallocated
//! machine keeps its interfaces and their addresses).
//!
//! Azure allows 12 reads a minute of one machine, for everyone together, and 300 lists of machines.
//! So the views come in lists, one for each scale set and one for all other machines; a machine is
//! read singly only where its list does not have it.

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Error, Result};
use futures::future::{try_join, try_join_all};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::candidate::Candidate;
use super::lookup::SIDE_BY_SIDE;
use super::query::Query;
use super::uniform::{instances, without_power_state};
use crate::arm::{Listing, ResourceId, VirtualMachine, is_not_found, name_key};

/// Of how many Flexible sets the views are listed set by set; the machines of more are taken from
/// the list of the subscription.
const SETS: usize = 4;

/// What the state of a machine that is being made or deleted comes to, while Azure gives none.
const UNKNOWN: &str = "in no known power state";

/// The power state of an instance (`running`, `deallocated`); none where it is gone.
pub(super) type PowerStates = HashMap<ResourceId, Option<String>>;

/// Reads the power states of the instances of `candidates`.
///
/// # Errors
///
/// A power state that cannot be read or that the answer leaves out; an instance that is gone is
/// none.
pub(super) async fn read(query: Query<'_>, candidates: &[Candidate]) -> Result<PowerStates> {
    let requests = query.requests();
    let mut states = PowerStates::new();
    let mut uniform: HashSet<ResourceId> = HashSet::new();
    let mut flexible: HashMap<ResourceId, HashSet<ResourceId>> = HashMap::new();
    let mut others: HashSet<ResourceId> = HashSet::new();
    for candidate in candidates {
        let Some(id) = candidate.instance_id() else {
            continue;
        };
        let instance = candidate.instance.as_ref();
        let state = instance.and_then(|instance| instance.power_state.clone());
        let set_name = instance.and_then(|instance| instance.scale_set.as_deref());
        if state.is_some() {
            states.insert(id.clone(), state);
        } else if let Some(set) = id.set_of_instance() {
            uniform.insert(set);
        } else if let (Some(name), Some(group)) = (set_name, id.resource_group()) {
            // Machines of a Flexible set are in its resource group.
            let set = ResourceId::scale_set(&query.config.subscription_id, group, name);
            flexible.entry(set).or_default().insert(id.clone());
        } else {
            others.insert(id.clone());
        }
    }
    if flexible.len() > SETS {
        others.extend(flexible.drain().flat_map(|(_, ids)| ids));
    }
    let of_uniform = uniform.iter().map(|set| instances(query, set, true));
    for instances in try_join_all(of_uniform).await? {
        let state = |state: &Option<String>| Some(state.clone().unwrap_or_else(unknown));
        let instances = instances.into_iter();
        states.extend(instances.map(|(id, instance)| (id, state(&instance.power_state))));
    }
    let of_sets = try_join_all(flexible.into_iter().map(|(set, machines)| {
        of_list(
            query.list(requests.flexible_power_states(&set)),
            machines,
            true,
        )
    }));
    let of_subscription = of_list(query.list(requests.power_states()), others, false);
    let (of_sets, of_subscription) = try_join(of_sets, of_subscription).await?;
    let mut missing = Vec::new();
    for (found, left) in of_sets.into_iter().chain([of_subscription]) {
        states.extend(found);
        missing.extend(left);
    }
    let singly = missing.into_iter().map(|id| async move {
        let request = requests.power_state(&id);
        let state = match query.read::<VirtualMachine>(request).await {
            Ok(machine) => match machine.properties.power_state {
                None if machine.is_made() => return Err(without_power_state(&machine)),
                state => Some(state.unwrap_or_else(unknown)),
            },
            Err(error) if is_not_found(&error) => None,
            Err(error) => return Err(error),
        };
        Ok((id, state))
    });
    let singly: Vec<_> = stream::iter(singly)
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    states.extend(singly);
    Ok(states)
}

/// Reads a list of views for those of `machines`; the states found, and the machines without. The
/// list `of_set` is read to its end, that of the subscription as long as its pages are fewer than
/// the machines that are missing: at most twice what reading those singly costs.
async fn of_list(
    mut list: Listing<'_, VirtualMachine>,
    machines: HashSet<ResourceId>,
    of_set: bool,
) -> Result<(PowerStates, Vec<ResourceId>)> {
    // What Azure leaves of a machine beside its view in the list of a set is not documented, and
    // names are unique in a group.
    let key = |id: &ResourceId, name: &str| name_key(if of_set { name } else { id.as_str() });
    let machines = machines.into_iter().map(|id| (key(&id, id.name()), id));
    let mut missing: HashMap<String, ResourceId> = machines.collect();
    let mut states = PowerStates::new();
    while list.has_more() && !missing.is_empty() && (of_set || list.pages_read() < missing.len()) {
        let page = match list.next().await {
            Ok(page) => page,
            // Not allowed, not there, or a query that this Azure does not know: another way may be
            // open. The role may be one over some groups only.
            Err(Error::Api(error)) if matches!(error.status(), 400 | 403 | 404) => break,
            Err(error) => return Err(error),
        };
        for machine in page {
            if machine.properties.power_state.is_some()
                && let Some(id) = missing.remove(&key(&machine.id, machine.name()))
            {
                states.insert(id, machine.properties.power_state);
            }
        }
    }
    Ok((states, missing.into_values().collect()))
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}
