//! Why no interface has the tags: values that differ, tags that are set elsewhere, nothing there at
//! all; and the join string that would find them.

use cloud_autojoin_core::Finding;

use super::empty_scale_set::EXPLANATION_TIMEOUT;
use super::query::Query;
use super::results::Results;
use super::tag_index::place_of;
use super::tag_match::with_place;
use super::tags::PLACES;
use crate::arm::IndexedResource;
use crate::select::{Lookup, TagPlace, Tags, named_groups};

impl Results<'_> {
    /// Explains why nothing matched, the likeliest cause first.
    pub(super) async fn explain_tags(&mut self, tags: &Tags, groups: &[String], lookup: Lookup) {
        let mut examined = 0;
        for (place, kind) in PLACES.into_iter().rev() {
            let near_misses = &self.near_misses[place as usize];
            examined += near_misses.examined;
            near_misses.explain(tags, &kind.plural(), &mut self.discovery);
        }
        let finding = match elsewhere(self.query, tags, groups).await {
            Some(finding) => finding,
            None if lookup == Lookup::Index => Finding::new("the resource index knows nothing with these tags that this identity may see")
                .with_hint("the index may lag behind by some time, and shows only what the identity may read: `lookup=list` is exact"),
            None if examined == 0 => nothing_there(self.query, tags, groups),
            None if tags.places == [TagPlace::NetworkInterface] => {
                Finding::new(format!("none of {examined} network interfaces has {}", tags.conditions()))
                    .with_hint("interfaces inherit tags from nothing: tag the network interfaces, or say with `tag_on=vm` or `tag_on=scale_set` where the tag is set")
            }
            None => return,
        };
        self.discovery.add_finding(finding);
    }
}

fn nothing_there(query: Query<'_>, tags: &Tags, groups: &[String]) -> Finding {
    let scope = match named_groups(groups) {
        None => format!("subscription `{}`", query.config.subscription_id),
        Some(groups) => groups,
    };
    let places = tags.places.iter();
    let kinds = places.flat_map(|on| PLACES.iter().filter(move |(place, _)| place == on));
    let things: Vec<String> = kinds.map(|(_, kind)| kind.plural()).collect();
    let things = things.join(" or ");
    let uniform = if tags.may_be_on(TagPlace::ScaleSet) {
        ""
    } else {
        "; interfaces of Uniform scale sets are in no list but their own: name the set with `vm_scale_set`, or say `tag_on=scale_set`"
    };
    Finding::new(format!("{scope} has no {things} that this identity may see")).with_hint(format!(
        "check `subscription_id` and `resource_group`, and that the role of this identity covers them{uniform}"
    ))
}

/// Searches the index for where else the first tag is set. A failure is ignored: this only
/// explains.
async fn elsewhere(query: Query<'_>, tags: &Tags, groups: &[String]) -> Option<Finding> {
    let condition = tags.conditions.first()?;
    let call = &query.call.within(EXPLANATION_TIMEOUT);
    let query = Query { call, ..query };
    let requests = query.requests();
    let mut list = query.list(requests.resources_with_tag(&condition.name, &condition.value));
    let mut hits: Vec<IndexedResource> = Vec::new();
    while hits.is_empty() && list.has_more() {
        hits = list.next().await.ok()?;
    }
    for (place, kind) in PLACES {
        let of_place = |hit: &&IndexedResource| place_of(hit) == Some(place);
        let hits: Vec<&IndexedResource> = hits.iter().filter(of_place).collect();
        let counts = tags.may_be_on(place);
        let inside = hits.iter().find(|hit| !counts && hit.id.is_in(groups));
        let outside = hits.iter().find(|hit| !hit.id.is_in(groups));
        let Some(hit) = inside.or(outside) else {
            continue;
        };
        let others = match hits.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let (word, name) = (kind.word, hit.id.name());
        let message = format!("tag {condition} is set on the {word} `{name}`{others}");
        if inside.is_some() {
            return Some(with_place(Finding::new(message), tags, place));
        }
        let group = hit.id.resource_group().unwrap_or_default();
        let finding = Finding::new(format!("{message} in resource group `{group}`"))
            .with_change("resource_group", Some(group))
            .with_hint(format!("look in `resource_group={group}`"));
        return Some(if counts {
            finding
        } else {
            with_place(finding, tags, place)
        });
    }
    None
}
