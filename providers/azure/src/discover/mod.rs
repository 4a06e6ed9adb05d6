//! From a query to an answer: which requests are made, in which order, and what their answers mean.
//!
//! [`run`] picks the path: `tags.rs` for tags (with `tagged_*.rs`, `tag_*.rs`), `scale_set.rs` for
//! a scale set (with `uniform.rs`, `flexible.rs`, `empty_scale_set.rs`). All of them hand
//! interfaces to `answer.rs`, which gives each its verdict by `ip_configuration.rs`. `lookup.rs`
//! finds resources by id. The client is in `arm/`.

mod answer;
mod caches;
mod candidate;
mod completeness;
mod empty_scale_set;
mod flexible;
mod ip_configuration;
mod lookup;
mod members;
mod power_state;
mod public_address;
mod query;
mod scale_set;
mod slot;
mod suggestion;
mod tag_findings;
mod tag_index;
mod tag_match;
mod tag_query;
mod tagged_instances;
mod tagged_scale_sets;
mod tags;
mod uniform;

use std::sync::Arc;

use cloud_autojoin_core::{Discovery, Exclusion, Finding, Result};

use futures::future::try_join;

pub(crate) use self::caches::Caches;
pub(crate) use self::query::Query;

use self::answer::Answer;
use self::members::{Resolved, ScaleSetName};
use self::scale_set::Wanted;
use self::suggestion::with_suggestion;
use self::tag_match::NearMisses;
use self::tag_query::{TagQuery, judge_candidate};
use self::tagged_scale_sets::with_scale_set_tags;
use crate::arm::{self, ScaleSet, is_not_found};
use crate::select::{Selection, TagPlace, Tags};

/// ArmRequests Azure once. The words `self` of the configuration are replaced by now, and the token
/// is at hand.
///
/// # Errors
///
/// Something that must be read for a whole answer cannot be; there is no such scale set, group or
/// subscription.
pub(crate) async fn run(query: Query<'_>) -> Result<Discovery> {
    let mut answer = Answer::new(query);
    match &query.config.selection {
        Selection::Tag {
            tags,
            resource_groups,
            lookup,
        } => {
            tags::collect(
                TagQuery {
                    query,
                    tags,
                    resource_groups,
                },
                *lookup,
                &mut answer,
            )
            .await?
        }
        Selection::ScaleSet {
            resource_group,
            name,
            orchestration_mode,
            tags,
        } => {
            let set = ScaleSetName {
                resource_group: resource_group.clone(),
                name: name.clone(),
            };
            let may_be_on = |place| tags.as_ref().is_some_and(|tags| tags.may_be_on(place));
            let wanted = Wanted {
                mode: *orchestration_mode,
                instance_tags: may_be_on(TagPlace::Instance),
            };
            let its_tags = async {
                if may_be_on(TagPlace::ScaleSet) {
                    tags_of(query, &set).await.map(Some)
                } else {
                    Ok(None)
                }
            };
            let found = try_join(scale_set::resolve(query, &set, wanted), its_tags).await;
            let may_be_gone = found
                .as_ref()
                .map_or_else(is_not_found, |(resolved, _)| resolved.candidates.is_empty());
            if may_be_gone {
                // It may be made anew, with other tags.
                query.caches.forget_tags(&set.id(query));
            }
            let (resolved, its_tags) = found?;
            collect(&mut answer, &set, resolved, tags.as_ref(), its_tags);
        }
    }
    answer.finish().await
}

/// The tags of a scale set, read at most once in a while: Azure allows 12 reads a minute of one
/// set, for everyone together.
async fn tags_of(query: Query<'_>, set: &ScaleSetName) -> Result<Arc<arm::Tags>> {
    let id = set.id(query);
    if let Some(tags) = query.caches.tags(&id) {
        return Ok(tags);
    }
    let request = query.requests().scale_set(&set.resource_group, &set.name);
    match query.read::<ScaleSet>(request).await {
        Ok(found) => Ok(query.caches.keep_tags(id, found.tags)),
        Err(error) if is_not_found(&error) => Err(with_suggestion(query, set, error).await),
        Err(error) => Err(error),
    }
}

/// Takes what a scale set came to into the answer.
fn collect(
    answer: &mut Answer<'_>,
    set: &ScaleSetName,
    resolved: Resolved,
    tags: Option<&Tags>,
    its_tags: Option<Arc<arm::Tags>>,
) {
    let has_address = resolved
        .candidates
        .iter()
        .any(|candidate| candidate.interface.has_private_address());
    let examined = resolved.candidates.len() + resolved.excluded.len();
    if !has_address && examined > 0 {
        answer.find(no_address(set, &resolved));
    }
    for finding in resolved.findings {
        answer.find(finding);
    }
    let mut near = NearMisses::default();
    for candidate in resolved.candidates {
        let candidate = match &its_tags {
            Some(its_tags) => with_scale_set_tags(candidate, its_tags),
            None => candidate,
        };
        match tags {
            Some(tags) => judge_candidate(tags, candidate, answer, &mut near),
            None => answer.take(candidate),
        }
    }
    for node in resolved.excluded {
        answer.leave_out(node);
    }
    if let Some(tags) = tags.filter(|_| answer.taken() == 0) {
        near.findings(tags, "interfaces of the scale set")
            .into_iter()
            .for_each(|finding| answer.find(finding));
    }
}

fn no_address(set: &ScaleSetName, resolved: &Resolved) -> Finding {
    let there = format!("the scale set `{}` is there ({})", set.name, resolved.mode);
    let are_gone = resolved
        .excluded
        .iter()
        .all(|node| node.excluded.contains(&Exclusion::InstanceGone));
    if resolved.candidates.is_empty() && are_gone {
        return Finding::new(format!(
            "{there}, and all that is left of its instances are {} network interfaces",
            resolved.excluded.len()
        ))
        .with_hint("its instances were deleted a moment ago: try again in a while");
    }
    Finding::new(format!(
        "{there}, and none of its instances has an address yet"
    ))
    .with_hint("its instances are being made: try again in a while")
}
