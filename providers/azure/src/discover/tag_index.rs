//! Tags by ARM's index of resources: the cost follows the matches, not the size of the
//! subscription.
//!
//! The index is searched once for each tag (a request can't have two, nor a type or a group beside
//! a tag); the tag with the fewest hits leads on, since all must hold. The index may lag, and it
//! gives no tags: each hit is read afresh, and judged by its present tags.

use std::sync::Arc;

use cloud_autojoin_core::Result;
use futures::future::try_join_all;

use super::attachment::{Attachment, deleted_interface, set_node};
use super::lookup::{Found, look_up};
use super::query::Query;
use super::results::{Results, incomplete};
use super::tags::{PLACES, set_of};
use crate::arm::{IndexedResource, NetworkInterface, ResourceId, ScaleSet, VirtualMachine};
use crate::select::{TagPlace, Tags};

/// The place that a hit of the index is of.
pub(super) fn place_of(hit: &IndexedResource) -> Option<TagPlace> {
    let found = hit.kind();
    let mut places = PLACES.iter();
    let place = places.find(|(_, kind)| found.eq_ignore_ascii_case(kind.name));
    place.map(|(place, _)| *place)
}

impl Results<'_> {
    /// Adds the interfaces that the index leads to.
    ///
    /// # Errors
    ///
    /// The index, or a resource in it, can't be read. A deleted one is left out.
    pub(super) async fn search_index(&mut self, tags: &Tags, groups: &[String]) -> Result<()> {
        let query = self.query;
        let hits = hits(query, tags, groups).await?;
        let ids = |place| {
            let hits = hits.iter().filter(|hit| place_of(hit) == Some(place));
            hits.map(|hit| hit.id.clone()).collect::<Vec<ResourceId>>()
        };

        let mut sets: Vec<ScaleSet> = Vec::new();
        let found: Found<ScaleSet> = look_up(query, ids(TagPlace::ScaleSet), None).await?;
        for set in found.into_values() {
            match self.examine(tags, TagPlace::ScaleSet, &set) {
                None => sets.push(set),
                Some(reasons) => self.discovery.record(set_node(&set, reasons)),
            }
        }
        self.add_sets(&sets).await?;

        let machines: Found<VirtualMachine> = look_up(query, ids(TagPlace::Instance), None).await?;
        for machine in machines.values() {
            self.judge(&[(TagPlace::Instance, Some(&machine.tags))]);
        }
        add_sets_of(query, tags, &machines, &mut sets).await?;
        let machines = machines.into_values().collect();
        self.add_machines(&sets, machines, groups).await?;

        let mut wanted = ids(TagPlace::NetworkInterface);
        wanted.retain(|id| !self.has_examined(id));
        let mut found: Found<NetworkInterface> = look_up(query, wanted.clone(), None).await?;
        let owners = owners(query, tags, &found).await?;
        add_sets_of(query, tags, &owners, &mut sets).await?;
        for id in wanted {
            let Some(interface) = found.remove(&id) else {
                self.discovery.record(deleted_interface(id, None));
                continue;
            };
            let owner = interface.properties.virtual_machine.as_ref();
            let owner = owner.and_then(|id| owners.get(id));
            let set_tags = set_of(&sets, owner).map(|set| &set.tags);
            let instance = owner.cloned().map(Arc::new);
            let attachment = Attachment {
                interface,
                instance,
            };
            self.add_interface(attachment, set_tags);
        }
        Ok(())
    }
}

/// The hits of the tag with the fewest.
///
/// # Errors
///
/// The index can't be read, or it lacks where a resource is.
async fn hits(query: Query<'_>, tags: &Tags, groups: &[String]) -> Result<Vec<IndexedResource>> {
    let lists = tags.conditions.iter().map(|condition| {
        let requests = query.requests();
        let request = requests.resources_with_tag(&condition.name, &condition.value);
        query.list::<IndexedResource>(request).read_on(Vec::new())
    });
    let counts = |hit: &IndexedResource| place_of(hit).is_some_and(|place| tags.may_be_on(place));
    let mut lists = try_join_all(lists).await?;
    let is_nowhere =
        |hit: &&IndexedResource| hit.id.is_empty() && (hit.kind().is_empty() || counts(hit));
    if let Some(hit) = lists.iter().flatten().find(is_nowhere) {
        let kind = hit.kind();
        let operation =
            format!("look up a resource of type `{kind}` that the resource index names");
        return Err(incomplete(operation, "it has no id"));
    }
    for hits in &mut lists {
        hits.retain(|hit| hit.id.is_in(groups) && counts(hit));
    }
    Ok(lists.into_iter().min_by_key(Vec::len).unwrap_or_default())
}

/// The virtual machines of interfaces, where further tags may be set on them or on their sets. With
/// one tag only, which the interface itself has, nothing more needs to be known.
async fn owners(
    query: Query<'_>,
    tags: &Tags,
    interfaces: &Found<NetworkInterface>,
) -> Result<Found<VirtualMachine>> {
    if tags.conditions.len() < 2 || tags.places == [TagPlace::NetworkInterface] {
        return Ok(Found::new());
    }
    let owners = interfaces.values();
    let owners = owners.filter_map(|found| found.properties.virtual_machine.clone());
    look_up(query, owners.filter(|id| !id.is_empty()), None).await
}

/// Adds the scale sets of `machines`, where further tags may be set on them.
async fn add_sets_of(
    query: Query<'_>,
    tags: &Tags,
    machines: &Found<VirtualMachine>,
    sets: &mut Vec<ScaleSet>,
) -> Result<()> {
    if tags.conditions.len() > 1 && tags.may_be_on(TagPlace::ScaleSet) {
        let ids = machines.values();
        let ids = ids.filter_map(|machine| machine.properties.scale_set.as_ref());
        let is_known = |id: &ResourceId| sets.iter().any(|set| set.id == *id);
        let wanted = ids.filter(|id| !id.is_empty() && !is_known(id)).cloned();
        let wanted: Vec<ResourceId> = wanted.collect();
        sets.extend(look_up(query, wanted, None).await?.into_values());
    }
    Ok(())
}
