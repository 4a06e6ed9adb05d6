//! Interfaces by tags, wherever these may be set: on scale sets, on instances, on the interfaces
//! themselves.
//!
//! Azure cannot filter any of them by tag, so each place is a list of the subscription or of its
//! groups, read page by page, judged and forgotten; `tag_index.rs` asks ARM's index instead. A tag
//! on a scale set leads to its members, one on an instance to its interfaces. Each of those is
//! judged by all that is known of it: its own tags, its instance's, its scale set's. So what is
//! left for the list of interfaces has nothing but its own tags.
//!
//! Interfaces and Flexible instances inherit nothing from their set. Instances of Uniform sets are
//! in no list of virtual machines, and carry the tags of their set.

use cloud_autojoin_core::{Exclusion, Result};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::answer::Answer;
use super::candidate::{Candidate, Instance, Resolved, SCALE_SET, node};
use super::completeness::incomplete;
use super::empty_scale_set::mode_of;
use super::lookup::{PartialList, SIDE_BY_SIDE, look_up};
use super::query::Query;
use super::scale_set::resolve_listed;
use super::tag_match::{NearMisses, holds, judge};
use crate::arm::{self, NetworkInterface, Resource, ResourceId, ScaleSet, VirtualMachine};
use crate::select::{TagPlace, Tags};

/// How many sets are resolved side by side.
const SETS: usize = 4;

/// A search by tags, and what it has come to.
pub(super) struct TagSearch<'a, 's> {
    pub query: Query<'a>,
    pub tags: &'a Tags,
    /// The groups to look in; empty: the whole subscription.
    pub resource_groups: &'a [String],
    pub answer: &'s mut Answer<'a>,
    pub seen: Seen,
}

/// What was seen in each place, matching or not.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub interfaces: NearMisses,
    pub machines: NearMisses,
    pub scale_sets: NearMisses,
}

impl TagSearch<'_, '_> {
    /// Takes the interfaces that carry the tags into the answer, by lists of all the places.
    ///
    /// # Errors
    ///
    /// A page that cannot be read: what was found until then is no answer.
    pub(super) async fn by_lists(&mut self) -> Result<()> {
        let (query, tags, groups) = (self.query, self.tags, self.resource_groups);
        let mut sets: Vec<ScaleSet> = Vec::new();
        if tags.may_be_on(TagPlace::ScaleSet) {
            let (answer, seen) = (&mut *self.answer, &mut self.seen.scale_sets);
            let visit = |set: ScaleSet| {
                let reasons = judge(tags, &[(TagPlace::ScaleSet, &set.tags)]);
                seen.note(&reasons);
                if contributes(tags, TagPlace::ScaleSet, &set, &reasons) {
                    sets.push(set);
                } else if tags.places == [TagPlace::ScaleSet] {
                    answer.leave_out([node(SCALE_SET, &set, reasons)]);
                }
            };
            query.each(groups, visit).await?;
            self.take_sets(&sets).await?;
        }
        if tags.may_be_on(TagPlace::Instance) {
            let (answer, seen) = (&mut *self.answer, &mut self.seen.machines);
            let decides_alone = !tags.may_be_on(TagPlace::NetworkInterface);
            let mut machines = Vec::new();
            let visit = |machine: VirtualMachine| {
                let has_interfaces = machine.interface_ids().next().is_some();
                if has_interfaces && machine.interface_ids().all(|id| answer.has(id)) {
                    return;
                }
                let reasons = judge(tags, &[(TagPlace::Instance, &machine.tags)]);
                seen.note(&reasons);
                if contributes(tags, TagPlace::Instance, &machine, &reasons) {
                    machines.push(machine);
                } else if decides_alone {
                    answer.leave_out([Instance::of(machine).node(reasons)]);
                }
            };
            query.each(groups, visit).await?;
            self.take_machines(&sets, machines).await?;
        }
        if tags.may_be_on(TagPlace::NetworkInterface) {
            let (answer, seen) = (&mut *self.answer, &mut self.seen.interfaces);
            let visit = |interface: NetworkInterface| {
                if answer.has(&interface.id) {
                    return;
                }
                let reasons = judge(tags, &[(TagPlace::NetworkInterface, &interface.tags)]);
                seen.note(&reasons);
                let candidate = Candidate {
                    interface,
                    instance: None,
                };
                answer.judge(candidate, reasons);
            };
            query.each(groups, visit).await?;
        }
        Ok(())
    }

    /// Resolves scale sets, and takes their members.
    ///
    /// # Errors
    ///
    /// A set of which something cannot be read, or of which the answer leaves out where it is.
    pub(super) async fn take_sets(&mut self, sets: &[ScaleSet]) -> Result<()> {
        if let Some(set) = sets.iter().find(|set| set.id.resource_group().is_none()) {
            let operation = format!("find the instances of scale set `{}`", set.name());
            return Err(incomplete(operation, "its id names no resource group"));
        }
        let (query, instance_tags) = (self.query, self.tags.may_be_on(TagPlace::Instance));
        let resolving = sets.iter();
        let resolving: Vec<_> = resolving
            .map(|set| resolve_listed(query, &set.id, mode_of(set), instance_tags))
            .collect();
        let resolved = stream::iter(resolving).buffered(SETS);
        let resolved: Vec<Resolved> = resolved.try_collect().await?;
        for (set, resolved) in sets.iter().zip(resolved) {
            if resolved.candidates.is_empty() && resolved.excluded.is_empty() {
                let reason = Exclusion::Other("it has no instances".into());
                self.answer.leave_out([node(SCALE_SET, set, vec![reason])]);
            }
            self.take(resolved, Some(&set.tags));
        }
        Ok(())
    }

    /// Looks up the interfaces of virtual machines, and takes them. `sets` are the scale sets that
    /// carry a tag.
    ///
    /// # Errors
    ///
    /// A list or an interface that cannot be read.
    pub(super) async fn take_machines(
        &mut self,
        sets: &[ScaleSet],
        machines: Vec<VirtualMachine>,
    ) -> Result<()> {
        let ids = machines.iter().flat_map(VirtualMachine::interface_ids);
        let wanted: Vec<ResourceId> = ids.cloned().collect();
        // Many interfaces of a whole subscription may be in many groups: one list has them all.
        let is_whole = self.resource_groups.is_empty() && wanted.len() > SIDE_BY_SIDE;
        let partial = is_whole.then(|| PartialList {
            resource_group: None,
            read: Vec::new(),
            rest: self.query.list_in(None),
            must_list: false,
        });
        let mut found = look_up(self.query, wanted, partial).await?;
        for machine in machines {
            let set = set_of(sets, Some(&machine));
            let mut resolved = Resolved::default();
            resolved.gather(machine, None, &mut found)?;
            self.take(resolved, set.map(|set| &set.tags));
        }
        Ok(())
    }

    fn take(&mut self, resolved: Resolved, set_tags: Option<&arm::Tags>) {
        self.answer.find(resolved.findings);
        for candidate in resolved.candidates {
            let near = &mut self.seen.interfaces;
            judge_candidate(self.tags, candidate, set_tags, self.answer, near);
        }
        self.answer.leave_out(resolved.excluded);
    }
}

/// Takes a candidate by everything that is known of its tags, and notes the verdict.
pub(super) fn judge_candidate(
    tags: &Tags,
    candidate: Candidate,
    set_tags: Option<&arm::Tags>,
    answer: &mut Answer<'_>,
    near: &mut NearMisses,
) {
    let mut tagged = vec![(TagPlace::NetworkInterface, &candidate.interface.tags)];
    if let Some(instance) = &candidate.instance {
        tagged.push((TagPlace::Instance, &instance.tags));
        tagged.extend(set_tags.map(|tags| (TagPlace::ScaleSet, tags)));
    }
    let reasons = judge(tags, &tagged);
    near.note(&reasons);
    answer.judge(candidate, reasons);
}

/// Whether what carries these tags can lead to an interface for which all hold: each must hold
/// here, or may hold elsewhere beside one that does here.
pub(super) fn contributes<P>(
    tags: &Tags,
    place: TagPlace,
    carrier: &Resource<P>,
    reasons: &[Exclusion],
) -> bool {
    if tags.places == [place] {
        return reasons.is_empty();
    }
    let mut conditions = tags.conditions.iter();
    conditions.any(|condition| holds(condition, &carrier.tags))
}

/// The scale set of a virtual machine, if it is one of `sets`.
pub(super) fn set_of<'a>(
    sets: &'a [ScaleSet],
    machine: Option<&VirtualMachine>,
) -> Option<&'a ScaleSet> {
    let id = machine?.properties.scale_set.as_ref()?;
    sets.iter().find(|set| set.id == *id)
}
