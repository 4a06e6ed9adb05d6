//! Which instances run just now, by their instance views: nothing else is sure (a deallocated machine keeps its interfaces and their addresses).

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Call, Exclusion, Result};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::candidate::Candidate;
use super::lookup::SIDE_BY_SIDE;
use super::scale_set::ScaleSetName;
use super::uniform;
use crate::arm::{ResourceId, VirtualMachine, is_not_found, name_key};
use crate::azure::Azure;

/// What an instance view without a power state comes to.
const UNKNOWN: &str = "in no known power state";

/// The power state of an instance (`running`, `deallocated`), or why there is none.
pub(super) type PowerStates = HashMap<ResourceId, Result<String, Exclusion>>;

/// Reads the power states of the instances of `candidates`: of a Uniform set in one list, of virtual machines one by one, several at a time.
///
/// # Errors
///
/// A power state that cannot be read; an instance that is gone is none.
pub(super) async fn read(azure: &Azure, call: &Call, candidates: &[Candidate]) -> Result<PowerStates> {
    let mut states = PowerStates::new();
    let mut sets: HashMap<String, ScaleSetName> = HashMap::new();
    let mut machines: HashSet<ResourceId> = HashSet::new();
    for candidate in candidates {
        let Some(id) = candidate.instance_id() else { continue };
        if let Some(state) = candidate.instance.as_ref().and_then(|instance| instance.power_state.clone()) {
            states.insert(id.clone(), Ok(state));
        } else if let Some(set) = ScaleSetName::of_instance(id) {
            sets.insert(name_key(set.id(azure).as_str()), set);
        } else {
            machines.insert(id.clone());
        }
    }
    for instances in try_join_all(sets.values().map(|set| uniform::instances(azure, call, set, true))).await? {
        states.extend(instances.into_iter().map(|(id, instance)| (id, Ok(instance.power_state.clone().unwrap_or_else(|| UNKNOWN.to_owned())))));
    }
    states.extend(of_machines(azure, call, machines).await?);
    Ok(states)
}

async fn of_machines(azure: &Azure, call: &Call, machines: HashSet<ResourceId>) -> Result<PowerStates> {
    let asks = azure.arm().asks(&azure.config().subscription_id);
    stream::iter(machines)
        .map(|id| {
            let (arm, ask, call) = (azure.arm().clone(), asks.virtual_machine(&id, true), call.clone());
            async move {
                match arm.read::<VirtualMachine>(&ask, &call).await {
                    Ok(machine) => {
                        let view = machine.properties.instance_view.unwrap_or_default();
                        Ok((id, Ok(view.power_state().unwrap_or(UNKNOWN).to_owned())))
                    }
                    Err(error) if is_not_found(&error) => Ok((id, Err(Exclusion::InstanceGone))),
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await
}
