//! Tags by ARM's index of resources: the cost follows the matches, not the size of the
//! subscription.
//!
//! The index is searched once for each tag (a request can't have two, nor a type or a group beside
//! a tag); the tag with the fewest hits leads on, since all must hold. The index may lag, and it
//! gives no tags: each hit is read afresh, and judged by its present tags.

use std::sync::Arc;

use cloud_autojoin_core::Result;
use futures::future::try_join_all;

use super::attachment::{Attachment, deleted_interface};
use super::completeness::incomplete;
use super::lookup::Found;
use super::query::Query;
use super::results::Results;
use super::tag_match::place_of;
use crate::arm::{
    IndexedResource, Kind, NETWORK_INTERFACES, NetworkInterface, Properties, Resource, ResourceId,
    ScaleSet, VirtualMachine,
};
use crate::select::TagPlace;

fn ids_of(kind: &Kind, hits: &[IndexedResource]) -> Vec<ResourceId> {
    let is_of_kind = |hit: &&IndexedResource| hit.kind().eq_ignore_ascii_case(kind.name);
    let hits = hits.iter().filter(is_of_kind);
    hits.map(|hit| hit.id.clone()).collect()
}

/// The scale set of a virtual machine, if it is one of `sets`.
pub(super) fn set_of<'a>(sets: &'a [ScaleSet], machine: &VirtualMachine) -> Option<&'a ScaleSet> {
    let id = machine.properties.scale_set.as_ref()?;
    sets.iter().find(|set| set.id == *id)
}

impl Query<'_> {
    /// The hits of the tag with the fewest.
    ///
    /// # Errors
    ///
    /// The index can't be read, or it lacks where a resource is.
    pub(super) async fn index_hits(self, groups: &[String]) -> Result<Vec<IndexedResource>> {
        let tags = self.tags();
        let lists = tags.conditions.iter().map(|condition| {
            let requests = self.requests();
            let request = requests.resources_with_tag(&condition.name, &condition.value);
            self.list::<IndexedResource>(request).read_on(Vec::new())
        });
        let counts =
            |hit: &IndexedResource| place_of(hit).is_some_and(|place| tags.may_be_on(place));
        let mut lists = try_join_all(lists).await?;
        for hit in lists.iter().flatten() {
            let kind = hit.kind();
            if hit.id.is_empty() && (kind.is_empty() || counts(hit)) {
                let operation =
                    format!("look up a resource of type `{kind}` that the resource index names");
                return Err(incomplete(operation, "it has no id"));
            }
        }
        for hits in &mut lists {
            hits.retain(|hit| hit.id.is_in(groups) && counts(hit));
        }
        Ok(lists.into_iter().min_by_key(Vec::len).unwrap_or_default())
    }

    /// Reads the resources of one type that may have the tags: those of the `groups`, or of `hits`.
    ///
    /// # Errors
    ///
    /// A list or a resource can't be read. A deleted one is left out.
    pub(super) async fn each_tagged<P: Properties>(
        self,
        hits: Option<&[IndexedResource]>,
        groups: &[String],
        visit: impl FnMut(Resource<P>),
    ) -> Result<()> {
        let Some(hits) = hits else {
            return self.each(groups, visit).await;
        };
        let found = self.look_up(ids_of(&P::KIND, hits), None).await?;
        found.into_values().for_each(visit);
        Ok(())
    }

    /// Adds the scale sets of `machines`, where further tags may be set on them.
    ///
    /// # Errors
    ///
    /// A scale set can't be read.
    pub(super) async fn add_sets_of(
        self,
        machines: impl IntoIterator<Item = &VirtualMachine>,
        sets: &mut Vec<ScaleSet>,
    ) -> Result<()> {
        let counts = self.tags().conditions.len() > 1 && self.tags().may_be_on(TagPlace::ScaleSet);
        let ids = machines.into_iter().filter(|_| counts);
        let ids = ids.filter_map(|machine| machine.properties.scale_set.clone());
        let is_new = |id: &ResourceId| !id.is_empty() && sets.iter().all(|set| set.id != *id);
        let wanted: Vec<ResourceId> = ids.filter(is_new).collect();
        sets.extend(self.look_up(wanted, None).await?.into_values());
        Ok(())
    }
}

impl Results<'_> {
    /// Adds the interfaces of the index.
    ///
    /// # Errors
    ///
    /// An interface, or what it belongs to, can't be read. A deleted one is excluded.
    pub(super) async fn add_indexed_interfaces(
        &mut self,
        hits: &[IndexedResource],
        sets: &mut Vec<ScaleSet>,
    ) -> Result<()> {
        let (query, tags) = (self.query, self.query.tags());
        let mut wanted = ids_of(&NETWORK_INTERFACES, hits);
        wanted.retain(|id| !self.has_examined(id));
        let mut found: Found<NetworkInterface> = query.look_up(wanted.clone(), None).await?;
        // With one tag only, which the interface itself has, nothing more needs to be known.
        let is_enough = tags.conditions.len() < 2 || tags.places == [TagPlace::NetworkInterface];
        let owners = found.values().filter(|_| !is_enough);
        let owners = owners.filter_map(|found| found.properties.virtual_machine.clone());
        let owners: Vec<ResourceId> = owners.filter(|id| !id.is_empty()).collect();
        let owners: Found<VirtualMachine> = query.look_up(owners, None).await?;
        query.add_sets_of(owners.values(), sets).await?;
        for id in wanted {
            let Some(interface) = found.remove(&id) else {
                self.discovery.record(deleted_interface(id, None));
                continue;
            };
            let owner = interface.properties.virtual_machine.as_ref();
            let owner = owner.and_then(|id| owners.get(id));
            let set_tags = owner
                .and_then(|owner| set_of(sets, owner))
                .map(|set| &set.tags);
            let attachment = Attachment::new(interface, owner.cloned().map(Arc::new));
            self.add_interface(attachment, set_tags);
        }
        Ok(())
    }
}
