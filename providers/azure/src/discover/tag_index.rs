//! Tags by ARM's index of resources: the cost follows the matches, not the size of the
//! subscription.
//!
//! The index is asked once for each tag (it cannot be asked for two at once, nor for a kind or a
//! group beside a tag); the tag with the fewest hits leads on, since all must hold. The index may
//! lag, and it gives no tags: each hit is read afresh, and judged by what it says now.

use std::sync::Arc;

use cloud_autojoin_core::Result;
use futures::future::try_join_all;

use super::candidate::{Candidate, Instance, SCALE_SET, node, vanished};
use super::completeness::incomplete;
use super::lookup::{Found, look_up};
use super::tag_match::judge;
use super::tags::{TagSearch, contributes, judge_candidate, set_of};
use crate::arm::{
    IndexedResource, Kind, NETWORK_INTERFACES, NetworkInterface, ResourceId, SCALE_SETS, ScaleSet,
    VIRTUAL_MACHINES, VirtualMachine,
};
use crate::select::TagPlace;

/// The places, each with the type of its resources.
pub(super) const PLACES: [(TagPlace, Kind); 3] = [
    (TagPlace::ScaleSet, SCALE_SETS),
    (TagPlace::Instance, VIRTUAL_MACHINES),
    (TagPlace::NetworkInterface, NETWORK_INTERFACES),
];

/// The place that a hit of the index is of.
pub(super) fn place_of(hit: &IndexedResource) -> Option<TagPlace> {
    let found = hit.kind();
    let mut places = PLACES.iter();
    let place = places.find(|(_, kind)| found.eq_ignore_ascii_case(kind.name));
    place.map(|(place, _)| *place)
}

impl TagSearch<'_, '_> {
    /// Takes the interfaces that the index leads to into the answer.
    ///
    /// # Errors
    ///
    /// The index, or a resource that it names, cannot be read; one that is gone is none.
    pub(super) async fn by_index(&mut self) -> Result<()> {
        let (query, tags) = (self.query, self.tags);
        let lists = tags.conditions.iter().map(|condition| {
            let request = query.requests();
            let request = request.resources_with_tag(&condition.name, &condition.value);
            query.list::<IndexedResource>(request).read_on(Vec::new())
        });
        let counts =
            |hit: &IndexedResource| place_of(hit).is_some_and(|place| tags.may_be_on(place));
        let hits = try_join_all(lists).await?;
        let mut all = hits.iter().flatten();
        if let Some(hit) =
            all.find(|hit| hit.id.is_empty() && (hit.kind().is_empty() || counts(hit)))
        {
            let operation = format!(
                "look up a resource of type `{}` that the resource index names",
                hit.kind()
            );
            return Err(incomplete(operation, "it has no id"));
        }
        let hits = hits.into_iter().map(|mut hits| {
            hits.retain(|hit| hit.id.is_in(self.resource_groups) && counts(hit));
            hits
        });
        let hits = hits.min_by_key(Vec::len).unwrap_or_default();
        let ids = |place| {
            let hits = hits.iter().filter(|hit| place_of(hit) == Some(place));
            hits.map(|hit| hit.id.clone()).collect::<Vec<ResourceId>>()
        };

        let mut sets: Vec<ScaleSet> = Vec::new();
        let found: Found<ScaleSet> = look_up(query, ids(TagPlace::ScaleSet), None).await?;
        for set in found.into_values() {
            let reasons = judge(tags, &[(TagPlace::ScaleSet, &set.tags)]);
            self.seen.scale_sets.note(&reasons);
            if contributes(tags, TagPlace::ScaleSet, &set, &reasons) {
                sets.push(set);
            } else {
                self.answer.leave_out([node(SCALE_SET, &set, reasons)]);
            }
        }
        self.take_sets(&sets).await?;

        let machines: Found<VirtualMachine> = look_up(query, ids(TagPlace::Instance), None).await?;
        for machine in machines.values() {
            let reasons = judge(tags, &[(TagPlace::Instance, &machine.tags)]);
            self.seen.machines.note(&reasons);
        }
        self.add_sets_of(machines.values(), &mut sets).await?;
        self.take_machines(&sets, machines.into_values().collect())
            .await?;

        let mut wanted = ids(TagPlace::NetworkInterface);
        wanted.retain(|id| !self.answer.has(id));
        let mut found: Found<NetworkInterface> = look_up(query, wanted.clone(), None).await?;
        let owners = self.owners(&found).await?;
        self.add_sets_of(owners.values(), &mut sets).await?;
        for id in wanted {
            let Some(interface) = found.remove(&id) else {
                self.answer.leave_out([vanished(&id, None)]);
                continue;
            };
            let owner = interface.properties.virtual_machine.as_ref();
            let owner = owner.and_then(|id| owners.get(id));
            let set_tags = set_of(&sets, owner).map(|set| &set.tags);
            let candidate = Candidate {
                instance: owner.map(|machine| Arc::new(Instance::of(machine.clone()))),
                interface,
            };
            let near = &mut self.seen.interfaces;
            judge_candidate(tags, candidate, set_tags, self.answer, near);
        }
        Ok(())
    }

    /// The virtual machines of interfaces, where further tags may be set on them or on their sets.
    /// With one tag only, which the interface itself has, nothing more needs to be known.
    async fn owners(&self, interfaces: &Found<NetworkInterface>) -> Result<Found<VirtualMachine>> {
        if self.tags.conditions.len() < 2 || self.tags.places == [TagPlace::NetworkInterface] {
            return Ok(Found::new());
        }
        let owners = interfaces.values();
        let owners = owners.filter_map(|found| found.properties.virtual_machine.clone());
        look_up(self.query, owners.filter(|id| !id.is_empty()), None).await
    }

    /// Adds the scale sets of `machines`, where further tags may be set on them.
    async fn add_sets_of(
        &self,
        machines: impl Iterator<Item = &VirtualMachine>,
        sets: &mut Vec<ScaleSet>,
    ) -> Result<()> {
        if self.tags.conditions.len() > 1 && self.tags.may_be_on(TagPlace::ScaleSet) {
            let ids = machines.filter_map(|machine| machine.properties.scale_set.as_ref());
            let is_known = |id: &ResourceId| sets.iter().any(|set| set.id == *id);
            let wanted = ids.filter(|id| !id.is_empty() && !is_known(id)).cloned();
            let wanted: Vec<ResourceId> = wanted.collect();
            sets.extend(look_up(self.query, wanted, None).await?.into_values());
        }
        Ok(())
    }
}
