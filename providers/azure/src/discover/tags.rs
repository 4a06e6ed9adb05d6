//! Interfaces by tags, wherever these may be set: on scale sets, on instances, on the interfaces
//! themselves.
//!
//! Azure cannot filter any of them by tag, so each place is a list of the subscription or of its
//! groups, read page by page, judged and forgotten; `tag_index.rs` asks ARM's index instead. A tag
//! on a scale set leads to its members (`tagged_scale_sets.rs`), one on an instance to its
//! interfaces (`tagged_instances.rs`). Each of those is judged by all that is known of it: its own
//! tags, its instance's, its scale set's. So what is left for the list of interfaces has nothing
//! but its own tags.

use cloud_autojoin_core::Result;

use super::answer::Answer;
use super::candidate::Candidate;
use super::tag_findings::Seen;
use super::tag_match::judge;
use super::tag_query::{TagQuery, each_page, scopes};
use super::{tag_findings, tag_index, tagged_instances, tagged_scale_sets};
use crate::arm::{NetworkInterface, ScaleSet};
use crate::select::{Lookup, TagPlace};

/// Takes the interfaces that carry the tags into `answer`.
///
/// # Errors
///
/// A page that cannot be read: what was found until then is no answer.
pub(super) async fn collect(
    tag_query: TagQuery<'_>,
    lookup: Lookup,
    answer: &mut Answer<'_>,
) -> Result<()> {
    let places = &tag_query.tags.places;
    if places.len() > 1 {
        answer.remember();
    }
    let mut seen = Seen::default();
    match lookup {
        Lookup::Index => tag_index::collect(tag_query, answer, &mut seen).await?,
        Lookup::List => {
            let mut sets: Vec<ScaleSet> = Vec::new();
            if places.contains(&TagPlace::ScaleSet) {
                sets = tagged_scale_sets::list(tag_query, answer, &mut seen).await?;
                tagged_scale_sets::collect(tag_query, &sets, answer, &mut seen).await?;
            }
            if places.contains(&TagPlace::Instance) {
                tagged_instances::collect(tag_query, &sets, answer, &mut seen).await?;
            }
            if places.contains(&TagPlace::NetworkInterface) {
                interfaces(tag_query, answer, &mut seen).await?;
            }
        }
    }
    if answer.taken() == 0 {
        tag_findings::explain(tag_query, lookup, &seen, answer).await;
    }
    Ok(())
}

/// Reads the interfaces and judges each that no other way has led to by its own tags.
async fn interfaces(
    tag_query: TagQuery<'_>,
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let requests = query.requests();
    let lists = scopes(resource_groups)
        .map(|group| query.list::<NetworkInterface>(requests.network_interfaces(group)))
        .collect();
    each_page(lists, |page| {
        for interface in page {
            if answer.has(&interface.id) {
                continue;
            }
            let reasons = judge(tags, &[(TagPlace::NetworkInterface, &interface.tags)]);
            seen.interfaces.note(&reasons);
            answer.judge(
                Candidate {
                    interface,
                    instance: None,
                },
                reasons,
            );
        }
    })
    .await
}
