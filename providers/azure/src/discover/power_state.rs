//! Which instances are running, by their instance views: nothing else is reliable (a deallocated
//! machine keeps its interfaces and their addresses).
//!
//! Azure allows 12 reads a minute of one machine, for all clients together, and 300 lists of
//! machines. So the views come in lists, one for each scale set and one for all other machines; a
//! machine is read singly only if its list doesn't have it.

use std::collections::HashMap;

use cloud_autojoin_core::Result;
use futures::future::{try_join, try_join_all};

use super::attachment::Attachment;
use super::completeness::incomplete;
use super::lookup::{Found, Ids, PartialList, search};
use super::query::Query;
use crate::arm::{ResourceId, VirtualMachine, name_key};

/// Of how many Flexible sets the views are listed set by set; the machines of more are taken from
/// the list of the subscription.
const SETS: usize = 4;

/// The power state of a machine that is being made or deleted, while Azure gives none.
const UNKNOWN: &str = "in no known power state";

impl Query<'_> {
    /// Reads the power states (`running`, `deallocated`) of the instances of `attachments`. A
    /// deleted instance has none.
    ///
    /// # Errors
    ///
    /// A power state can't be read, or the response lacks it.
    pub(super) async fn power_states(self, attachments: &[Attachment]) -> Result<Found<String>> {
        let requests = self.requests();
        let mut states = Found::new();
        let mut uniform = Ids::new();
        let mut flexible: HashMap<ResourceId, Ids> = HashMap::new();
        let mut others = Ids::new();
        for attachment in attachments {
            let Some(id) = attachment.instance_id() else {
                continue;
            };
            let known = attachment.instance.as_ref().map(|found| &found.properties);
            let set = known.and_then(|known| known.scale_set.as_ref());
            if let Some(state) = known.and_then(|known| known.power_state.clone()) {
                states.insert(id.clone(), state);
            } else if let Some(set) = id.set_of_instance() {
                uniform.insert(set);
            } else if let Some(set) = set.filter(|set| set.resource_group().is_some()) {
                flexible.entry(set.clone()).or_default().insert(id.clone());
            } else {
                others.insert(id.clone());
            }
        }
        if flexible.len() > SETS {
            others.extend(flexible.drain().flat_map(|(_, ids)| ids));
        }
        let of_uniform = uniform.iter().map(|set| self.uniform_instances(set, true));
        for (id, instance) in try_join_all(of_uniform).await?.into_iter().flatten() {
            states.insert(id, state_of(&instance)?);
        }
        let of_sets = flexible.into_iter().map(|(set, ids)| async move {
            let list = PartialList::new(self.list(requests.flexible_power_states(&set)));
            // What Azure leaves of a machine beside its view in the list of a set is not
            // documented, and names are unique in a group.
            let names = ids.iter().map(|id| (name_key(id.name()), id.clone()));
            let names: HashMap<String, ResourceId> = names.collect();
            let by_name = |missing: &mut Ids, machine: &VirtualMachine| {
                machine.properties.power_state.as_ref()?;
                missing.take(names.get(&name_key(machine.name()))?)
            };
            search(Some(list), ids, true, by_name).await
        });
        let list = PartialList::new(self.list(requests.power_states()));
        let by_id = |missing: &mut Ids, machine: &VirtualMachine| {
            machine.properties.power_state.as_ref()?;
            missing.take(&machine.id)
        };
        let of_subscription = search(Some(list), others, false, by_id);
        let (mut hits, of_subscription) = try_join(try_join_all(of_sets), of_subscription).await?;
        hits.push(of_subscription);
        let machines = self
            .read_missing(hits, |id| requests.power_state(id))
            .await?;
        for (id, machine) in machines {
            states.insert(id, state_of(&machine)?);
        }
        Ok(states)
    }
}

fn state_of(machine: &VirtualMachine) -> Result<String> {
    match &machine.properties.power_state {
        None if machine.is_made() => {
            let name = machine.name();
            let operation = format!("find the power state of virtual machine `{name}`");
            Err(incomplete(operation, "its instance view has none"))
        }
        state => Ok(state.as_deref().unwrap_or(UNKNOWN).to_owned()),
    }
}
