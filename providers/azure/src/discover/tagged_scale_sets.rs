//! Tags on scale sets: the sets that carry one, and through them their members.
//!
//! Interfaces and Flexible instances inherit nothing from their set, so its tag is the one place
//! where people put it and go-discover does not look.

use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Node, Result};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::answer::Answer;
use super::candidate::{Candidate, Instance, RESOURCE_GROUP};
use super::completeness;
use super::empty_scale_set::mode_of;
use super::members::{Resolved, ScaleSetName};
use super::scale_set::resolve_listed;
use super::tag_findings::Seen;
use super::tag_match::{holds, judge};
use super::tag_query::{TagQuery, each_page, judge_candidate, scopes};
use crate::arm::{self, ScaleSet};
use crate::select::{TagPlace, Tags};

/// The kind of a node that is a scale set.
const SCALE_SET: &str = "scale set";

/// How many sets are resolved side by side.
const SIDE_BY_SIDE: usize = 4;

/// The scale sets that hold at least one of the tags. Those that decide the answer alone and do not
/// are left out as nodes.
///
/// # Errors
///
/// A page that cannot be read.
pub(super) async fn list(
    tag_query: TagQuery<'_>,
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<Vec<ScaleSet>> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let requests = query.requests();
    let lists = scopes(resource_groups)
        .map(|group| query.list::<ScaleSet>(requests.scale_sets(group)))
        .collect();
    let mut held = Vec::new();
    each_page(lists, |page| {
        for set in page {
            let reasons = judge(tags, &[(TagPlace::ScaleSet, &set.tags)]);
            seen.scale_sets.note(&reasons);
            if contributes(tags, TagPlace::ScaleSet, &set.tags, &reasons) {
                held.push(set);
            } else if tags.places == [TagPlace::ScaleSet] {
                answer.leave_out(node(&set, reasons));
            }
        }
    })
    .await?;
    Ok(held)
}

/// Whether what carries these tags can lead to an interface for which all hold: each must hold
/// here, or may hold elsewhere beside one that does here.
pub(super) fn contributes(
    tags: &Tags,
    place: TagPlace,
    carried: &arm::Tags,
    reasons: &[Exclusion],
) -> bool {
    if tags.places == [place] {
        reasons.is_empty()
    } else {
        tags.conditions
            .iter()
            .any(|condition| holds(condition, carried))
    }
}

/// Resolves `sets`, and takes their members into `answer`.
///
/// # Errors
///
/// A set of which something cannot be read, or of which the answer leaves out where it is.
pub(super) async fn collect(
    tag_query: TagQuery<'_>,
    sets: &[ScaleSet],
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let TagQuery { query, tags, .. } = tag_query;
    let named: Vec<(ScaleSetName, ScaleSet)> = sets
        .iter()
        .map(|set| {
            let resource_group = set
                .id
                .resource_group()
                .ok_or_else(|| completeness::of_scale_set(set))?
                .to_owned();
            Ok((
                ScaleSetName {
                    resource_group,
                    name: set.name().to_owned(),
                },
                set.clone(),
            ))
        })
        .collect::<Result<_>>()?;
    let with_instance_tags = tags.may_be_on(TagPlace::Instance);
    let resolved: Vec<(ScaleSet, Resolved)> = stream::iter(named)
        .map(|(name, set)| async move {
            let resolved = resolve_listed(query, &name, mode_of(&set), with_instance_tags).await?;
            Ok::<_, cloud_autojoin_core::Error>((set, resolved))
        })
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    for (set, resolved) in resolved {
        if resolved.candidates.is_empty() && resolved.excluded.is_empty() {
            answer.leave_out(node(
                &set,
                vec![Exclusion::Other("it has no instances".into())],
            ));
        }
        for finding in resolved.findings {
            answer.find(finding);
        }
        for candidate in resolved.candidates {
            judge_candidate(
                tags,
                with_scale_set_tags(candidate, &set.tags),
                answer,
                &mut seen.interfaces,
            );
        }
        for node in resolved.excluded {
            answer.leave_out(node);
        }
    }
    Ok(())
}

/// The candidate, whose instance knows the tags of its set now.
pub(super) fn with_scale_set_tags(candidate: Candidate, tags: &arm::Tags) -> Candidate {
    let Candidate {
        interface,
        instance,
    } = candidate;
    let instance = instance.map(|instance| {
        Arc::new(Instance {
            scale_set_tags: tags.clone(),
            ..Instance::clone(&instance)
        })
    });
    Candidate {
        interface,
        instance,
    }
}

/// The node of a scale set that is out.
pub(super) fn node(set: &ScaleSet, reasons: Vec<Exclusion>) -> Node {
    let mut node = Node::new(SCALE_SET, set.id.as_str(), set.name());
    node.add_attribute(RESOURCE_GROUP, set.id.resource_group().map(str::to_owned));
    node.tags.clone_from(&set.tags.0);
    node.excluded = reasons;
    node
}
