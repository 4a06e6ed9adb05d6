//! Interfaces by tags, wherever these may stand: on scale sets, on instances, on the interfaces themselves.
//!
//! Azure cannot filter any of them by tag, so each place is a list of the subscription or of its groups, read page by page, judged and forgotten; `tag_index.rs` asks ARM's index instead. A tag on a
//! scale set leads to its members (`tagged_scale_sets.rs`), one on an instance to its interfaces (`tagged_instances.rs`). Each of those is judged by all that is known of it: its own tags, its
//! instance's, its scale set's. So what is left for the list of interfaces has nothing but its own tags.

use cloud_autojoin_core::{Call, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::candidate::Candidate;
use super::tag_findings::Seen;
use super::tag_match::{Carrier, NearMisses, judge};
use super::{tag_findings, tag_index, tagged_instances, tagged_scale_sets};
use crate::arm::{Listing, NetworkInterface, ScaleSet};
use crate::azure::Azure;
use crate::config::{Lookup, TagPlace, Tags};

/// How many groups are listed side by side.
const SIDE_BY_SIDE: usize = 4;

/// One question by tags.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub azure: &'a Azure,
    pub call: &'a Call,
    pub tags: &'a Tags,
    /// The groups to look in; empty: the whole subscription.
    pub resource_groups: &'a [String],
}

/// Takes the interfaces that carry the tags into `answer`.
///
/// # Errors
///
/// A page that cannot be read: what was found until then is no answer.
pub(super) async fn collect(question: Question<'_>, lookup: Lookup, answer: &mut Answer<'_>) -> Result<()> {
    let places = &question.tags.places;
    if places.len() > 1 {
        answer.remember();
    }
    let mut seen = Seen::default();
    match lookup {
        Lookup::Index => tag_index::collect(question, answer, &mut seen).await?,
        Lookup::List => {
            let mut sets: Vec<ScaleSet> = Vec::new();
            if places.contains(&TagPlace::ScaleSet) {
                sets = tagged_scale_sets::list(question, answer, &mut seen).await?;
                tagged_scale_sets::collect(question, &sets, answer, &mut seen).await?;
            }
            if places.contains(&TagPlace::Instance) {
                tagged_instances::collect(question, &sets, answer, &mut seen).await?;
            }
            if places.contains(&TagPlace::NetworkInterface) {
                interfaces(question, answer, &mut seen).await?;
            }
        }
    }
    if answer.taken() == 0 {
        tag_findings::explain(question, lookup, &seen, answer).await;
    }
    Ok(())
}

/// Reads the interfaces and judges each that no other way has led to by its own tags.
async fn interfaces(question: Question<'_>, answer: &mut Answer<'_>, seen: &mut Seen) -> Result<()> {
    let Question { azure, call, tags, resource_groups } = question;
    let asks = azure.arm().asks(&azure.config().subscription_id);
    let lists = scopes(resource_groups).map(|group| azure.arm().list::<NetworkInterface>(asks.network_interfaces(group))).collect();
    each_page(lists, call, |page| {
        for interface in page {
            if answer.has(&interface.id) {
                continue;
            }
            let reasons = judge(tags, &[(TagPlace::NetworkInterface, &interface.tags)]);
            seen.interfaces.note(&reasons);
            answer.judge(Candidate { interface, instance: None }, reasons);
        }
    })
    .await
}

/// Takes a candidate by everything that is known of its tags, and notes the verdict.
pub(super) fn judge_candidate(tags: &Tags, candidate: Candidate, answer: &mut Answer<'_>, near: &mut NearMisses) {
    let mut carriers: Vec<Carrier<'_>> = vec![(TagPlace::NetworkInterface, &candidate.interface.tags)];
    if let Some(instance) = &candidate.instance {
        carriers.extend([(TagPlace::Instance, &instance.tags), (TagPlace::ScaleSet, &instance.scale_set_tags)]);
    }
    let reasons = judge(tags, &carriers);
    near.note(&reasons);
    answer.judge(candidate, reasons);
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
