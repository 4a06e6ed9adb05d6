//! Interfaces by tags, wherever these may be set: on scale sets, on instances, on the interfaces
//! themselves.
//!
//! Azure can't filter any of them by tag, so each place is a list of the subscription or of its
//! groups, read page by page, judged and dropped; with `lookup=index` it is what ARM's index has
//! (`tag_index.rs`) instead. A tag on a scale set leads to its members, one on an instance to its
//! interfaces. Each of those is judged by all that is known of it: its own tags, its instance's,
//! its scale set's. So what is left for the list of interfaces has nothing but its own tags.
//!
//! Interfaces and Flexible instances inherit nothing from their set. Instances of Uniform sets are
//! in no list of virtual machines, and carry the tags of their set.

use cloud_autojoin_core::{Exclusion, Result};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::attachment::{Attachment, instance_node, set_node};
use super::completeness::incomplete;
use super::empty_scale_set::mode_of;
use super::lookup::{CONCURRENT_READS, PartialList};
use super::members::Members;
use super::results::Results;
use super::tag_index::set_of;
use crate::arm::{NetworkInterface, Resource, ResourceId, ScaleSet, VirtualMachine};
use crate::select::{Lookup, TagPlace};

/// How many sets are resolved concurrently.
const SETS: usize = 4;

impl Results<'_> {
    /// Adds the interfaces with the tags.
    ///
    /// # Errors
    ///
    /// A page, or a resource of the index, can't be read: what was found until then is a partial
    /// list.
    pub(super) async fn search_tags(&mut self, groups: &[String], lookup: Lookup) -> Result<()> {
        let (query, tags) = (self.query, self.query.tags());
        let hits = match lookup {
            Lookup::Index => Some(query.index_hits(groups).await?),
            Lookup::List => None,
        };
        let mut sets: Vec<ScaleSet> = Vec::new();
        if tags.may_be_on(TagPlace::ScaleSet) {
            let is_reported = hits.is_some() || tags.places == [TagPlace::ScaleSet];
            let visit = |set: ScaleSet| match self.examine(TagPlace::ScaleSet, &set) {
                None => sets.push(set),
                Some(reasons) if is_reported => self.discovery.record(set_node(&set, reasons)),
                Some(_) => {}
            };
            query.each_tagged(hits.as_deref(), groups, visit).await?;
            self.add_sets(&sets).await?;
        }
        if tags.may_be_on(TagPlace::Instance) {
            let is_reported = hits.is_some() || !tags.may_be_on(TagPlace::NetworkInterface);
            let mut machines = Vec::new();
            let visit = |machine: VirtualMachine| {
                let has_interfaces = machine.interface_ids().next().is_some();
                if has_interfaces && machine.interface_ids().all(|id| self.has_examined(id)) {
                    return;
                }
                match self.examine(TagPlace::Instance, &machine) {
                    None => machines.push(machine),
                    Some(reasons) if is_reported => {
                        self.discovery.record(instance_node(&machine, reasons));
                    }
                    Some(_) => {}
                }
            };
            query.each_tagged(hits.as_deref(), groups, visit).await?;
            if hits.is_some() {
                query.add_sets_of(&machines, &mut sets).await?;
            }
            self.add_machines(&sets, machines, groups).await?;
        }
        if let Some(hits) = hits {
            return self.add_indexed_interfaces(&hits, &mut sets).await;
        }
        if tags.may_be_on(TagPlace::NetworkInterface) {
            let visit = |interface: NetworkInterface| {
                if !self.has_examined(&interface.id) {
                    self.add_interface(Attachment::new(interface, None), None);
                }
            };
            query.each(groups, visit).await?;
        }
        Ok(())
    }

    /// Why a resource with these tags can't lead to an interface for which all hold. Each must hold
    /// here, or may hold elsewhere beside one that does here.
    fn examine<P>(&mut self, place: TagPlace, resource: &Resource<P>) -> Option<Vec<Exclusion>> {
        let reasons = self.judge(&[(place, Some(&resource.tags))]);
        let tags = self.query.tags();
        let may_miss = if tags.places == [place] {
            1
        } else {
            tags.conditions.len()
        };
        (reasons.len() >= may_miss).then_some(reasons)
    }

    /// Adds the members of scale sets.
    ///
    /// # Errors
    ///
    /// A part of a set can't be read, or the response lacks where the set is.
    async fn add_sets(&mut self, sets: &[ScaleSet]) -> Result<()> {
        if let Some(set) = sets.iter().find(|set| set.id.resource_group().is_none()) {
            let operation = format!("find the instances of scale set `{}`", set.name());
            return Err(incomplete(operation, "its id names no resource group"));
        }
        let (query, sets) = (self.query, sets.iter());
        let resolving = sets
            .clone()
            .map(|set| query.members_if_any(&set.id, mode_of(set)));
        let resolving: Vec<_> = resolving.collect();
        let resolved = stream::iter(resolving).buffered(SETS);
        let resolved: Vec<Option<Members>> = resolved.try_collect().await?;
        for (set, members) in sets.zip(resolved) {
            let members = members.unwrap_or_default();
            if members.interfaces.is_empty() && members.excluded.is_empty() {
                let reason = Exclusion::Other("it has no instances".into());
                self.discovery.record(set_node(set, vec![reason]));
            }
            self.add_members(members, Some(&set.tags));
        }
        Ok(())
    }

    /// Looks up the interfaces of virtual machines, and adds them. `sets` are the scale sets with a
    /// tag.
    ///
    /// # Errors
    ///
    /// A list or an interface can't be read.
    async fn add_machines(
        &mut self,
        sets: &[ScaleSet],
        machines: Vec<VirtualMachine>,
        groups: &[String],
    ) -> Result<()> {
        let ids = machines.iter().flat_map(VirtualMachine::interface_ids);
        let wanted: Vec<ResourceId> = ids.cloned().collect();
        // Many interfaces of a whole subscription may be in many groups: one list has them all.
        let is_whole = groups.is_empty() && wanted.len() > CONCURRENT_READS;
        let list = is_whole.then(|| PartialList::new(self.query.list_in(None)));
        let mut found = self.query.look_up(wanted, list).await?;
        for machine in machines {
            let set = set_of(sets, &machine);
            let mut members = Members::default();
            members.add_machine(machine, &mut found)?;
            self.add_members(members, set.map(|set| &set.tags));
        }
        Ok(())
    }
}
