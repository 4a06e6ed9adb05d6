//! Why no interface has the tags: values that differ, tags that are set elsewhere, nothing there at
//! all; and the string that would find them.

use cloud_autojoin_core::Finding;

use super::empty_scale_set::PATIENCE;
use super::query::Query;
use super::tag_index::{PLACES, place_of};
use super::tag_match::with_place;
use super::tags::TagSearch;
use crate::arm::IndexedResource;
use crate::select::{Lookup, TagPlace};

impl TagSearch<'_, '_> {
    /// Says why nothing matched, the likeliest cause first.
    pub(super) async fn explain(self, lookup: Lookup) {
        let (tags, seen) = (self.tags, &self.seen);
        for (near, things) in [
            (&seen.interfaces, "network interfaces"),
            (&seen.machines, "virtual machines"),
            (&seen.scale_sets, "scale sets"),
        ] {
            self.answer.find(near.findings(tags, things));
        }
        let (interfaces, machines) = (seen.interfaces.examined(), seen.machines.examined());
        let has_examined = interfaces + machines + seen.scale_sets.examined() > 0;
        let finding = match self.elsewhere().await {
            Some(finding) => finding,
            None if lookup == Lookup::Index => Finding::new("the resource index knows nothing with these tags that this identity may see")
                .with_hint("the index may lag behind by some time, and shows only what the identity may read: `lookup=list` is exact"),
            None if !has_examined => self.nothing_there(),
            None if tags.places == [TagPlace::NetworkInterface] => {
                let conditions: Vec<String> = tags.conditions.iter().map(ToString::to_string).collect();
                let tag = if conditions.len() == 1 { "tag" } else { "tags" };
                Finding::new(format!("none of {interfaces} network interfaces has {tag} {}", conditions.join(" and ")))
                    .with_hint("interfaces inherit tags from nothing: tag the network interfaces, or say with `tag_on=vm` or `tag_on=scale_set` where the tag stands")
            }
            None => return,
        };
        self.answer.find([finding]);
    }

    fn nothing_there(&self) -> Finding {
        let place = match self.resource_groups {
            [] => format!("subscription `{}`", self.query.config.subscription_id),
            [group] => format!("resource group `{group}`"),
            groups => format!("resource groups `{}`", groups.join("`, `")),
        };
        let places = self.tags.places.iter();
        let kinds = places.flat_map(|on| PLACES.into_iter().filter(move |(place, _)| place == on));
        let things: Vec<String> = kinds.map(|(_, kind)| kind.plural()).collect();
        let uniform = if self.tags.may_be_on(TagPlace::ScaleSet) {
            ""
        } else {
            "; interfaces of Uniform scale sets are in no list but their own: name the set with `vm_scale_set`, or say `tag_on=scale_set`"
        };
        let things = things.join(" or ");
        Finding::new(format!("{place} has no {things} that this identity may see")).with_hint(format!(
            "check `subscription_id` and `resource_group`, and that the role of this identity covers them{uniform}"
        ))
    }

    /// Looks in the index where else the first tag is set. A failure is ignored: this only
    /// explains.
    async fn elsewhere(&self) -> Option<Finding> {
        let condition = self.tags.conditions.first()?;
        let query = Query {
            call: &self.query.call.within(PATIENCE),
            ..self.query
        };
        let requests = query.requests();
        let mut list = query.list(requests.resources_with_tag(&condition.name, &condition.value));
        let mut hits: Vec<IndexedResource> = Vec::new();
        while hits.is_empty() && list.has_more() {
            hits = list.next().await.ok()?;
        }
        for (place, kind) in PLACES {
            let hits: Vec<&IndexedResource> = hits
                .iter()
                .filter(|hit| place_of(hit) == Some(place))
                .collect();
            let counts = self.tags.may_be_on(place);
            let is_in_scope = |hit: &&&IndexedResource| hit.id.is_in(self.resource_groups);
            let inside = hits.iter().find(is_in_scope).filter(|_| !counts);
            let outside = hits.iter().find(|hit| !is_in_scope(hit));
            let Some(hit) = inside.or(outside) else {
                continue;
            };
            let others = match hits.len() - 1 {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let (kind, name) = (kind.word, hit.id.name());
            let message = format!("tag {condition} is set on the {kind} `{name}`{others}");
            let word = place.word();
            if inside.is_some() {
                let finding = Finding::new(message).with_hint(format!("add `tag_on={word}`"));
                return Some(with_place(finding, self.tags, place));
            }
            let group = hit.id.resource_group().unwrap_or_default();
            let finding = Finding::new(format!("{message} in resource group `{group}`"))
                .with_change("resource_group", Some(group));
            let hint = format!("look in `resource_group={group}`");
            if counts {
                return Some(finding.with_hint(hint));
            }
            let finding = finding.with_hint(format!("{hint} and `tag_on={word}`"));
            return Some(with_place(finding, self.tags, place));
        }
        None
    }
}
