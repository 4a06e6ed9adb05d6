//! Interfaces by their tags: a list of the subscription or of its groups, read page by page.
//!
//! Azure cannot filter interfaces by tag, so every page is read, judged and forgotten: P pages are P requests and the memory of one. Where tags may stand on instances or scale sets,
//! `tagged_instances.rs` reads those first; `tag_index.rs` asks ARM's index instead of listing.

use cloud_autojoin_core::{Call, Finding, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::candidate::Candidate;
use super::tag_match::{NearMisses, judge};
use crate::arm::{IndexedResource, Listing, NetworkInterface};
use crate::azure::Azure;
use crate::config::{TagPlace, Tags};

/// How many groups are listed side by side.
const SIDE_BY_SIDE: usize = 4;

/// Takes the interfaces that carry the tags into `answer`.
///
/// # Errors
///
/// A page that cannot be read: what was found until then is no answer.
pub(super) async fn collect(azure: &Azure, call: &Call, answer: &mut Answer<'_>, tags: &Tags, resource_groups: &[String]) -> Result<()> {
    let asks = azure.arm().asks(&azure.config().subscription_id);
    let lists: Vec<_> = scopes(resource_groups).map(|group| azure.arm().list::<NetworkInterface>(asks.network_interfaces(group))).collect();
    let mut near = NearMisses::default();
    each_page(lists, call, |page| {
        for interface in page {
            let reasons = judge(tags, &[(TagPlace::NetworkInterface, &interface.tags)]);
            near.note(&reasons);
            let candidate = Candidate { interface, instance: None };
            if reasons.is_empty() {
                answer.take(candidate);
            } else {
                answer.leave_out(candidate.left_out(reasons));
            }
        }
    })
    .await?;
    if answer.taken() == 0 {
        explain(azure, call, answer, tags, resource_groups, &near).await;
    }
    Ok(())
}

/// What is listed: each group, or the whole subscription.
pub(super) fn scopes(resource_groups: &[String]) -> impl Iterator<Item = Option<&str>> {
    let whole = resource_groups.is_empty().then_some(None);
    whole.into_iter().chain(resource_groups.iter().map(|group| Some(group.as_str())))
}

/// Reads lists page by page, several lists side by side, and hands on each page as it comes.
///
/// # Errors
///
/// As the first list that fails.
pub(super) async fn each_page<T: DeserializeOwned>(lists: Vec<Listing<T>>, call: &Call, mut take: impl FnMut(Vec<T>)) -> Result<()> {
    let mut lists = lists.into_iter();
    let turn = |mut list: Listing<T>| async move {
        let page = list.next(call).await;
        (list, page)
    };
    let mut running: FuturesUnordered<_> = lists.by_ref().take(SIDE_BY_SIDE).map(turn).collect();
    while let Some((list, page)) = running.next().await {
        take(page?.unwrap_or_default());
        if list.has_more() {
            running.push(turn(list));
        } else if let Some(list) = lists.next() {
            running.push(turn(list));
        }
    }
    Ok(())
}

/// Says why nothing matched: values that differ, tags that stand elsewhere, nothing there at all.
async fn explain(azure: &Azure, call: &Call, answer: &mut Answer<'_>, tags: &Tags, resource_groups: &[String], near: &NearMisses) {
    for finding in near.findings(tags, "network interfaces") {
        answer.find(finding);
    }
    if let Some(finding) = elsewhere(azure, call, tags, resource_groups).await {
        answer.find(finding);
    }
    if near.looked_at() == 0 {
        answer.find(nothing_there(azure, resource_groups));
    } else {
        answer.find(
            Finding::new(format!("none of {} network interfaces has {tags}", near.looked_at())).with_hint(
                "interfaces inherit tags from nothing: tag the network interfaces, or say with `tag_on=vm` or `tag_on=scale_set` where the tag stands",
            ),
        );
    }
}

fn nothing_there(azure: &Azure, resource_groups: &[String]) -> Finding {
    let subscription = &azure.config().subscription_id;
    let place = match resource_groups {
        [] => format!("subscription `{subscription}`"),
        [group] => format!("resource group `{group}`"),
        groups => format!("resource groups `{}`", groups.join("`, `")),
    };
    Finding::new(format!("{place} has no network interfaces that this identity may see")).with_hint(
        "check `subscription_id` and `resource_group`, and that the role of this identity covers them; interfaces of Uniform scale sets are found by `resource_group` and `vm_scale_set` only",
    )
}

/// Looks where else the first tag stands. A failure is none: this only explains.
async fn elsewhere(azure: &Azure, call: &Call, tags: &Tags, resource_groups: &[String]) -> Option<Finding> {
    let condition = tags.conditions.first()?;
    let asks = azure.arm().asks(&azure.config().subscription_id);
    let (hits, _) = azure.arm().list::<IndexedResource>(asks.resources_with_tag(&condition.name, &condition.value)).open(call).await.ok()?;
    let in_scope = |hit: &&IndexedResource| {
        resource_groups.is_empty() || hit.id.resource_group().is_some_and(|found| resource_groups.iter().any(|group| crate::arm::same_name(group, found)))
    };
    for (kind, thing, place) in [
        ("Microsoft.Compute/virtualMachineScaleSets", "scale set", TagPlace::ScaleSet),
        ("Microsoft.Compute/virtualMachines", "virtual machine", TagPlace::Instance),
        ("Microsoft.Network/networkInterfaces", "network interface", TagPlace::NetworkInterface),
    ] {
        let mut hits_of_kind = hits.iter().filter(|hit| hit.kind.eq_ignore_ascii_case(kind));
        let count = hits_of_kind.clone().count();
        if let Some(hit) = hits_of_kind.clone().find(in_scope).filter(|_| !tags.may_stand_on(place)) {
            let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            return Some(
                Finding::new(format!("tag {condition} stands on the {thing} `{}`{others}", hit.id.name())).with_hint(format!("add `tag_on={}`", place.word())),
            );
        }
        if let Some(hit) = hits_of_kind.find(|hit| !in_scope(hit)) {
            let group = hit.id.resource_group().unwrap_or_default();
            return Some(
                Finding::new(format!("tag {condition} stands on the {thing} `{}` in resource group `{group}`", hit.id.name()))
                    .with_hint(format!("look in `resource_group={group}`")),
            );
        }
    }
    None
}
