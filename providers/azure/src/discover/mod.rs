//! Runs a query: which requests are sent, in which order, and what their responses mean.
//!
//! [`run`] picks the path: `tags.rs` for tags (and `tag_index.rs`), `scale_set.rs`
//! for a scale set (with `members.rs`, `empty_scale_set.rs`). All of them add
//! interfaces (`attachment.rs`) to `results.rs`, which selects addresses by `addresses.rs`.
//! `lookup.rs` gets resources by id. The client is in `arm/`.

mod addresses;
mod attachment;
mod completeness;
mod empty_scale_set;
mod lookup;
mod members;
mod power_state;
mod query;
mod results;
mod scale_set;
mod tag_findings;
mod tag_index;
mod tag_match;
mod tags;

use std::sync::Arc;

use cloud_autojoin_core::{Discovery, Exclusion, Finding, Result};
use futures::future::try_join;

pub(crate) use self::query::{Caches, Query};

use self::members::Members;
use self::results::Results;
use crate::arm::{self, ResourceId, ScaleSet, is_not_found};
use crate::select::{OrchestrationMode, Selection, TagPlace};

/// Runs one call. The words `self` of the configuration are replaced by now, and the token is at
/// hand.
///
/// # Errors
///
/// Something that is needed for complete results can't be read; there is no such scale set, group
/// or subscription.
pub(crate) async fn run(query: Query<'_>) -> Result<Discovery> {
    let mut results = Results::new(query);
    match &query.config.selection {
        Selection::Tag {
            resource_groups,
            lookup,
            ..
        } => {
            results.search_tags(resource_groups, *lookup).await?;
            if results.selected == 0 {
                results.explain_tags(resource_groups, *lookup).await;
            }
        }
        Selection::ScaleSet {
            resource_group,
            name,
            orchestration_mode,
            ..
        } => {
            let set = ResourceId::scale_set(&query.config.subscription_id, resource_group, name);
            results.search_scale_set(&set, *orchestration_mode).await?;
        }
    }
    results.finish().await
}

impl Results<'_> {
    /// Adds the members of a scale set.
    ///
    /// # Errors
    ///
    /// There is no such set, or a part of it can't be read.
    async fn search_scale_set(
        &mut self,
        set: &ResourceId,
        mode: Option<OrchestrationMode>,
    ) -> Result<()> {
        let query = self.query;
        let found = try_join(query.members(set, mode), tags_of(query, set)).await;
        let may_be_gone = match &found {
            Ok((members, _)) => members.interfaces.is_empty(),
            Err(error) => is_not_found(error),
        };
        if may_be_gone {
            // It may be made anew, with other tags.
            query.caches.keep_tags(set, None);
        }
        let (members, set_tags) = found?;
        if let Some(finding) = without_addresses(set, &members) {
            self.discovery.add_finding(finding);
        }
        self.add_members(members, set_tags.as_deref());
        if self.selected == 0 {
            let near_misses = &self.near_misses[TagPlace::NetworkInterface as usize];
            let things = "interfaces of the scale set";
            near_misses.explain(query.tags(), things, &mut self.discovery);
        }
        Ok(())
    }
}

/// The tags of a scale set, if they count; read at most once in a while: Azure allows 12 reads a
/// minute of one set, for all clients together.
async fn tags_of(query: Query<'_>, set: &ResourceId) -> Result<Option<Arc<arm::Tags>>> {
    let known = query.caches.tags(set);
    if known.is_some() || !query.tags().may_be_on(TagPlace::ScaleSet) {
        return Ok(known);
    }
    match query.one(set).await {
        Ok(ScaleSet { tags, .. }) => {
            let tags = Some(Arc::new(tags));
            query.caches.keep_tags(set, tags.clone());
            Ok(tags)
        }
        Err(error) if is_not_found(&error) => Err(query.with_suggestion(set, error).await),
        Err(error) => Err(error),
    }
}

/// The finding about a set with members, none of which has an address.
fn without_addresses(set: &ResourceId, members: &Members) -> Option<Finding> {
    let (interfaces, excluded) = (&members.interfaces, &members.excluded);
    let mut of_instances = interfaces.iter().map(|found| &found.interface);
    if interfaces.len() + excluded.len() == 0
        || of_instances.any(|interface| interface.has_private_address())
    {
        return None;
    }
    let mut left = excluded.iter();
    let are_gone = left.all(|node| node.excluded.contains(&Exclusion::InstanceGone));
    let (problem, reason) = if interfaces.is_empty() && are_gone {
        let count = excluded.len();
        let left = format!("all that is left of its instances are {count} network interfaces");
        (left, "its instances were deleted a moment ago")
    } else {
        let none = "none of its instances has an address yet".to_owned();
        (none, "its instances are being made")
    };
    let mode = members.mode.map(|mode| mode.to_string());
    let (name, mode) = (set.name(), mode.unwrap_or_default());
    let message = format!("the scale set `{name}` is there ({mode}), and {problem}");
    Some(Finding::new(message).with_hint(format!("{reason}: try again in a while")))
}
