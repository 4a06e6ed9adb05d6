//! From a query to an answer: which requests are made, in which order, and what their answers mean.
//!
//! [`run`] picks the path: `tags.rs` for tags (by lists; `tag_index.rs` by the index), `scale_set.rs`
//! for a scale set (with `uniform.rs`, `flexible.rs`, `empty_scale_set.rs`). All of them hand
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
mod power_state;
mod query;
mod scale_set;
mod tag_findings;
mod tag_index;
mod tag_match;
mod tags;
mod uniform;

use std::sync::Arc;

use cloud_autojoin_core::{Discovery, Exclusion, Finding, Result};
use futures::future::try_join;

pub(crate) use self::caches::Caches;
pub(crate) use self::query::Query;

use self::answer::Answer;
use self::candidate::Resolved;
use self::empty_scale_set::with_suggestion;
use self::tag_match::NearMisses;
use self::tags::{Seen, TagSearch, judge_candidate};
use crate::arm::{self, ResourceId, ScaleSet, is_not_found};
use crate::select::{Lookup, OrchestrationMode, Selection, TagPlace, Tags};

/// Asks Azure once. The words `self` of the configuration are replaced by now, and the token is at
/// hand.
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
            if tags.places.len() > 1 {
                answer.remember();
            }
            let mut search = TagSearch {
                query,
                tags,
                resource_groups,
                answer: &mut answer,
                seen: Seen::default(),
            };
            match lookup {
                Lookup::Index => search.by_index().await?,
                Lookup::List => search.by_lists().await?,
            }
            if search.answer.is_empty() {
                search.explain(*lookup).await;
            }
        }
        Selection::ScaleSet {
            resource_group,
            name,
            orchestration_mode,
            tags,
        } => {
            let set = ResourceId::scale_set(&query.config.subscription_id, resource_group, name);
            of_scale_set(query, &set, *orchestration_mode, tags.as_ref(), &mut answer).await?;
        }
    }
    answer.finish().await
}

/// Takes the members of a scale set into the answer, of these only the ones with the tags.
async fn of_scale_set(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
    tags: Option<&Tags>,
    answer: &mut Answer<'_>,
) -> Result<()> {
    let may_be_on = |place| tags.is_some_and(|tags| tags.may_be_on(place));
    let its_tags = async {
        if may_be_on(TagPlace::ScaleSet) {
            tags_of(query, set).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let resolve = scale_set::resolve(query, set, mode, may_be_on(TagPlace::Instance));
    let found = try_join(resolve, its_tags).await;
    let may_be_gone = match &found {
        Ok((resolved, _)) => resolved.candidates.is_empty(),
        Err(error) => is_not_found(error),
    };
    if may_be_gone {
        // It may be made anew, with other tags.
        query.caches.forget_tags(set);
    }
    let (resolved, its_tags) = found?;
    answer.find(without_addresses(set, &resolved));
    answer.find(resolved.findings);
    let mut near = NearMisses::default();
    for candidate in resolved.candidates {
        match tags {
            Some(tags) => {
                judge_candidate(tags, candidate, its_tags.as_deref(), answer, &mut near);
            }
            None => answer.judge(candidate, Vec::new()),
        }
    }
    answer.leave_out(resolved.excluded);
    if let Some(tags) = tags.filter(|_| answer.is_empty()) {
        answer.find(near.findings(tags, "interfaces of the scale set"));
    }
    Ok(())
}

/// The tags of a scale set, read at most once in a while: Azure allows 12 reads a minute of one
/// set, for everyone together.
async fn tags_of(query: Query<'_>, set: &ResourceId) -> Result<Arc<arm::Tags>> {
    if let Some(tags) = query.caches.tags(set) {
        return Ok(tags);
    }
    let found: Result<ScaleSet> = query.one(set).await;
    match found {
        Ok(found) => Ok(query.caches.keep_tags(set.clone(), found.tags)),
        Err(error) if is_not_found(&error) => Err(with_suggestion(query, set, error).await),
        Err(error) => Err(error),
    }
}

/// What to say of a set that has members, none of which has an address.
fn without_addresses(set: &ResourceId, resolved: &Resolved) -> Option<Finding> {
    let Resolved {
        candidates,
        excluded,
        ..
    } = resolved;
    let has_address = |found: &candidate::Candidate| found.interface.has_private_address();
    if candidates.len() + excluded.len() == 0 || candidates.iter().any(has_address) {
        return None;
    }
    let mode = resolved
        .mode
        .map(|mode| mode.to_string())
        .unwrap_or_default();
    let there = format!("the scale set `{}` is there ({mode})", set.name());
    let are_gone = excluded
        .iter()
        .all(|node| node.excluded.contains(&Exclusion::InstanceGone));
    Some(if candidates.is_empty() && are_gone {
        Finding::new(format!(
            "{there}, and all that is left of its instances are {} network interfaces",
            excluded.len()
        ))
        .with_hint("its instances were deleted a moment ago: try again in a while")
    } else {
        Finding::new(format!(
            "{there}, and none of its instances has an address yet"
        ))
        .with_hint("its instances are being made: try again in a while")
    })
}
