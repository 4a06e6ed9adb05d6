//! What the lookups by tags share: what is selected, which lists are read, how a candidate is
//! judged.

use cloud_autojoin_core::Result;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::candidate::Candidate;
use super::query::Query;
use super::tag_match::{NearMisses, TaggedResource, judge};
use crate::arm::Listing;
use crate::select::{TagPlace, Tags};

/// How many groups are listed side by side.
const SIDE_BY_SIDE: usize = 4;

/// A query by tags.
#[derive(Clone, Copy)]
pub(super) struct TagQuery<'a> {
    pub query: Query<'a>,
    pub tags: &'a Tags,
    /// The groups to look in; empty: the whole subscription.
    pub resource_groups: &'a [String],
}

/// Takes a candidate by everything that is known of its tags, and notes the verdict.
pub(super) fn judge_candidate(
    tags: &Tags,
    candidate: Candidate,
    answer: &mut Answer<'_>,
    near: &mut NearMisses,
) {
    let mut tagged: Vec<TaggedResource<'_>> =
        vec![(TagPlace::NetworkInterface, &candidate.interface.tags)];
    if let Some(instance) = &candidate.instance {
        tagged.extend([
            (TagPlace::Instance, &instance.tags),
            (TagPlace::ScaleSet, &instance.scale_set_tags),
        ]);
    }
    let reasons = judge(tags, &tagged);
    near.note(&reasons);
    answer.judge(candidate, reasons);
}

/// What is listed: each group, or the whole subscription.
pub(super) fn scopes(resource_groups: &[String]) -> impl Iterator<Item = Option<&str>> {
    let whole = resource_groups.is_empty().then_some(None);
    whole
        .into_iter()
        .chain(resource_groups.iter().map(|group| Some(group.as_str())))
}

/// Reads lists page by page, several lists side by side, and hands on each page as it comes.
///
/// # Errors
///
/// As the first list that fails.
pub(super) async fn each_page<'a, T: DeserializeOwned>(
    lists: Vec<Listing<'a, T>>,
    mut take: impl FnMut(Vec<T>),
) -> Result<()> {
    let mut lists = lists.into_iter();
    let turn = |mut list: Listing<'a, T>| async move {
        let page = list.next().await;
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
