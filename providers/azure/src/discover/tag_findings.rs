//! Why no interface has the tags: values that differ, tags that are set elsewhere, nothing there at
//! all; and the string that would find them.

use cloud_autojoin_core::Finding;

use super::answer::Answer;
use super::query::Query;
use super::suggestion::PATIENCE;
use super::tag_match::{NearMisses, with_place};
use super::tag_query::TagQuery;
use crate::arm::{IndexedResource, same_name};
use crate::select::{Lookup, TagPlace, Tags};

/// What was seen in each place, matching or not.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub interfaces: NearMisses,
    pub machines: NearMisses,
    pub scale_sets: NearMisses,
}

impl Seen {
    fn examined(&self) -> usize {
        self.interfaces.examined() + self.machines.examined() + self.scale_sets.examined()
    }
}

/// Says why nothing matched, the likeliest cause first.
pub(super) async fn explain(
    tag_query: TagQuery<'_>,
    lookup: Lookup,
    seen: &Seen,
    answer: &mut Answer<'_>,
) {
    let tags = tag_query.tags;
    for (near, things) in [
        (&seen.interfaces, "network interfaces"),
        (&seen.machines, "virtual machines"),
        (&seen.scale_sets, "scale sets"),
    ] {
        near.findings(tags, things)
            .into_iter()
            .for_each(|finding| answer.find(finding));
    }
    let elsewhere = elsewhere(tag_query).await;
    let is_elsewhere = elsewhere.is_some();
    elsewhere
        .into_iter()
        .for_each(|finding| answer.find(finding));
    if is_elsewhere {
        return;
    }
    if lookup == Lookup::Index {
        answer.find(
            Finding::new("the resource index knows nothing with these tags that this identity may see")
                .with_hint("the index may lag behind by some time, and shows only what the identity may read: `lookup=list` is exact"),
        );
    } else if seen.examined() == 0 {
        answer.find(nothing_there(tag_query));
    } else if tags.may_be_on(TagPlace::NetworkInterface) && tags.places.len() == 1 {
        answer.find(
            Finding::new(format!("none of {} network interfaces has {}", seen.interfaces.examined(), conditions(tags))).with_hint(
                "interfaces inherit tags from nothing: tag the network interfaces, or say with `tag_on=vm` or `tag_on=scale_set` where the tag stands",
            ),
        );
    }
}

fn nothing_there(tag_query: TagQuery<'_>) -> Finding {
    let subscription = &tag_query.query.config.subscription_id;
    let place = match tag_query.resource_groups {
        [] => format!("subscription `{subscription}`"),
        [group] => format!("resource group `{group}`"),
        groups => format!("resource groups `{}`", groups.join("`, `")),
    };
    let things: Vec<&str> = tag_query
        .tags
        .places
        .iter()
        .map(|place| match place {
            TagPlace::NetworkInterface => "network interfaces",
            TagPlace::Instance => "virtual machines",
            TagPlace::ScaleSet => "scale sets",
        })
        .collect();
    let hint = "check `subscription_id` and `resource_group`, and that the role of this identity covers them";
    let uniform = "; interfaces of Uniform scale sets are in no list but their own: name the set with `vm_scale_set`, or say `tag_on=scale_set`";
    let with_uniform = if tag_query.tags.may_be_on(TagPlace::ScaleSet) {
        ""
    } else {
        uniform
    };
    Finding::new(format!(
        "{place} has no {} that this identity may see",
        things.join(" or ")
    ))
    .with_hint(format!("{hint}{with_uniform}"))
}

fn conditions(tags: &Tags) -> String {
    let conditions: Vec<String> = tags.conditions.iter().map(ToString::to_string).collect();
    format!(
        "{} {}",
        if conditions.len() == 1 { "tag" } else { "tags" },
        conditions.join(" and ")
    )
}

/// Looks in the index where else the first tag is set. A failure is ignored: this only explains.
async fn elsewhere(tag_query: TagQuery<'_>) -> Option<Finding> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let condition = tags.conditions.first()?;
    let query = Query {
        call: &query.call.within(PATIENCE),
        ..query
    };
    let request = query
        .requests()
        .resources_with_tag(&condition.name, &condition.value);
    let (hits, _) = query.list::<IndexedResource>(request).open().await.ok()?;
    let in_scope = |hit: &IndexedResource| {
        resource_groups.is_empty()
            || hit
                .id
                .resource_group()
                .is_some_and(|found| resource_groups.iter().any(|group| same_name(group, found)))
    };
    for (kind, thing, place) in [
        (
            "Microsoft.Compute/virtualMachineScaleSets",
            "scale set",
            TagPlace::ScaleSet,
        ),
        (
            "Microsoft.Compute/virtualMachines",
            "virtual machine",
            TagPlace::Instance,
        ),
        (
            "Microsoft.Network/networkInterfaces",
            "network interface",
            TagPlace::NetworkInterface,
        ),
    ] {
        let hits: Vec<&IndexedResource> = hits
            .iter()
            .filter(|hit| hit.kind().eq_ignore_ascii_case(kind))
            .collect();
        let others = if hits.len() > 1 {
            format!(" and {} more", hits.len() - 1)
        } else {
            String::new()
        };
        if let Some(hit) = hits
            .iter()
            .find(|hit| in_scope(hit))
            .filter(|_| !tags.may_be_on(place))
        {
            let finding = Finding::new(format!(
                "tag {condition} is set on the {thing} `{}`{others}",
                hit.id.name()
            ));
            return Some(with_place(
                finding.with_hint(format!("add `tag_on={}`", place.word())),
                tags,
                place,
            ));
        }
        if let Some(hit) = hits.iter().find(|hit| !in_scope(hit)) {
            let group = hit.id.resource_group().unwrap_or_default();
            let finding = Finding::new(format!(
                "tag {condition} is set on the {thing} `{}`{others} in resource group `{group}`",
                hit.id.name()
            ))
            .with_change("resource_group", Some(group));
            if tags.may_be_on(place) {
                return Some(finding.with_hint(format!("look in `resource_group={group}`")));
            }
            let hint = format!(
                "look in `resource_group={group}` and `tag_on={}`",
                place.word()
            );
            return Some(with_place(finding.with_hint(hint), tags, place));
        }
    }
    None
}
