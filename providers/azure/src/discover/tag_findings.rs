//! Why no interface has the tags: what else is tagged so, and the join string that would find it.

use cloud_autojoin_core::Finding;

use super::empty_scale_set::EXPLANATION_TIMEOUT;
use super::query::Query;
use super::results::Results;
use super::tag_match::{PLACES, place_of, with_place};
use crate::arm::IndexedResource;
use crate::select::{Lookup, TagPlace, named_groups};

const ONLY_INDEX: &str = "the index may lag behind by some time, and shows only what the identity may read: `lookup=list` is exact";
const ONLY_INTERFACES: &str = "interfaces inherit tags from nothing: tag the network interfaces, or set `tag_on=vm` or `tag_on=scale_set`, wherever the tag is set";
const NOTHING_THERE: &str =
    "check `subscription_id` and `resource_group`, and that the role of this identity covers them";
const UNIFORM_APART: &str = "; interfaces of Uniform scale sets are in no list but their own: name the set with `vm_scale_set`, or set `tag_on=scale_set`";

impl Results<'_> {
    /// Explains why nothing matched, the likeliest cause first.
    pub(super) async fn explain_tags(&mut self, groups: &[String], lookup: Lookup) {
        let (query, tags) = (self.query, self.query.tags());
        let mut examined = 0;
        for (place, kind) in PLACES.into_iter().rev() {
            let near_misses = &self.near_misses[place as usize];
            examined += near_misses.examined;
            near_misses.explain(tags, &kind.plural(), &mut self.discovery);
        }
        if let Some(finding) = query.elsewhere(groups).await {
            return self.discovery.add_finding(finding);
        }
        let mut hint = ONLY_INTERFACES.to_owned();
        let message = if lookup == Lookup::Index {
            hint = ONLY_INDEX.to_owned();
            "the resource index has no resource with these tags that this identity may read"
                .to_owned()
        } else if examined == 0 {
            hint = NOTHING_THERE.to_owned();
            if !tags.may_be_on(TagPlace::ScaleSet) {
                hint += UNIFORM_APART;
            }
            let subscription = format!("subscription `{}`", query.config.subscription_id);
            let scope = named_groups(groups).unwrap_or(subscription);
            let places = tags.places.iter();
            let kinds = places.flat_map(|on| PLACES.iter().filter(move |(place, _)| place == on));
            let things: Vec<String> = kinds.map(|(_, kind)| kind.plural()).collect();
            let things = things.join(" or ");
            format!("{scope} has no {things} that this identity may see")
        } else if tags.places == [TagPlace::NetworkInterface] {
            let conditions = tags.conditions();
            format!("none of {examined} network interfaces has {conditions}")
        } else {
            return;
        };
        self.discovery
            .add_finding(Finding::new(message).with_hint(hint));
    }
}

impl Query<'_> {
    /// Searches the index for where else the first tag is set. A failure is ignored: this only
    /// explains.
    async fn elsewhere(self, groups: &[String]) -> Option<Finding> {
        let tags = self.tags();
        let condition = tags.conditions.first()?;
        let call = &self.call.within(EXPLANATION_TIMEOUT);
        let query = Query { call, ..self };
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
            let mut finding = Finding::new(message);
            if inside.is_none() {
                let group = hit.id.resource_group().unwrap_or_default();
                finding.message += &format!(" in resource group `{group}`");
                finding = finding
                    .with_hint(format!("look in `resource_group={group}`"))
                    .with_change("resource_group", Some(group));
            }
            return Some(with_place(finding, tags, place));
        }
        None
    }
}
