//! A scale set in which neither path found members: not there, empty, or of a mode whose path was
//! refused.
//!
//! Azure answers the filter on a set that does not exist with an empty list, so an empty answer
//! alone says nothing (recorded 2025): the set itself is read.

use std::fmt;

use cloud_autojoin_core::{Error, Finding, Result};

use super::members::{PathEnd, Resolved, ScaleSetName};
use super::query::Query;
use super::suggestion::with_suggestion;
use crate::arm::{ScaleSet, is_not_found, is_scope_missing};
use crate::select::OrchestrationMode;

/// Finds out why there are no members. `uniform` and `flexible` are how those paths ended; `None`
/// where one was not asked.
///
/// # Errors
///
/// There is no such set, group or subscription; or the path of the set's mode failed, or the mode
/// cannot be found out and a path failed that may be the one.
pub(super) async fn explain(
    query: Query<'_>,
    set: &ScaleSetName,
    uniform: Option<PathEnd>,
    flexible: Option<PathEnd>,
) -> Result<Resolved> {
    let (mut uniform, mut flexible) = (uniform, flexible);
    for end in [&mut flexible, &mut uniform] {
        if matches!(end, Some(PathEnd::Failed(error)) if is_scope_missing(error))
            && let Some(error) = take_failure(end)
        {
            return Err(with_suggestion(query, set, error).await);
        }
    }
    // When nothing at all could be asked, one query more will not help.
    if [&uniform, &flexible].into_iter().flatten().all(is_outage)
        && let Some(error) = take_failure(&mut flexible).or_else(|| take_failure(&mut uniform))
    {
        return Err(error);
    }
    let request = query.requests().scale_set(&set.resource_group, &set.name);
    let found = match query.read::<ScaleSet>(request).await {
        Ok(found) => found,
        Err(error) if is_not_found(&error) => return Err(with_suggestion(query, set, error).await),
        Err(error) => return without_the_set(set, uniform, flexible, error),
    };
    let Some(mode) = mode_of(&found) else {
        return of_unknown_mode(set, &found, uniform, flexible);
    };
    let end = match mode {
        OrchestrationMode::Uniform => uniform,
        OrchestrationMode::Flexible => flexible,
    };
    match end {
        // Microsoft.Network answers 404 for a set that it has not made an interface for yet.
        Some(PathEnd::Failed(error))
            if !(mode == OrchestrationMode::Uniform && is_not_found(&error)) =>
        {
            Err(error)
        }
        Some(_) => Ok(nothing_in(
            set,
            mode,
            found.sku.and_then(|sku| sku.capacity),
        )),
        None => {
            let mut resolved = Resolved::new(mode);
            let message = format!(
                "the scale set `{}` is {mode}, and only the other orchestration mode was asked for",
                set.name
            );
            resolved.findings.push(
                Finding::new(message)
                    .with_hint("leave `orchestration_mode` out: the mode is found by itself")
                    .with_change("orchestration_mode", None),
            );
            Ok(resolved)
        }
    }
}

/// The mode of a set; absent with old versions, when every set was Uniform. `None`: one that is not
/// known yet.
pub(super) fn mode_of(set: &ScaleSet) -> Option<OrchestrationMode> {
    match set
        .properties
        .orchestration_mode
        .as_deref()
        .unwrap_or_default()
    {
        mode if mode.eq_ignore_ascii_case("Flexible") => Some(OrchestrationMode::Flexible),
        mode if mode.is_empty() || mode.eq_ignore_ascii_case("Uniform") => {
            Some(OrchestrationMode::Uniform)
        }
        _ => None,
    }
}

/// A set of a mode that is not known: it has no members only if both paths say so.
fn of_unknown_mode(
    set: &ScaleSetName,
    found: &ScaleSet,
    mut uniform: Option<PathEnd>,
    mut flexible: Option<PathEnd>,
) -> Result<Resolved> {
    if matches!(&uniform, Some(PathEnd::Failed(error)) if is_not_found(error)) {
        uniform = Some(PathEnd::Empty);
    }
    match take_failure(&mut flexible).or_else(|| take_failure(&mut uniform)) {
        Some(error) => Err(error),
        None => {
            let mode = found
                .properties
                .orchestration_mode
                .as_deref()
                .unwrap_or_default();
            let mut resolved =
                nothing_in(set, mode, found.sku.as_ref().and_then(|sku| sku.capacity));
            let message = format!(
                "the orchestration mode `{mode}` of the scale set `{}` is not known",
                set.name
            );
            resolved.findings.push(
                Finding::new(message).with_hint("look for a newer version, which may know it"),
            );
            Ok(resolved)
        }
    }
}

fn nothing_in(set: &ScaleSetName, mode: impl fmt::Display, capacity: Option<u64>) -> Resolved {
    let mut resolved = Resolved::new(OrchestrationMode::Flexible);
    let there = format!("the scale set `{}` is there ({mode})", set.name);
    resolved.findings.push(match capacity {
        Some(capacity) if capacity > 0 => Finding::new(format!("{there} with a capacity of {capacity}, and has no instances yet"))
            .with_hint("its instances are being made, or cannot be (quota, image, policy): look at the activity log of the scale set"),
        _ => Finding::new(format!("{there}, and has no instances")).with_hint(format!("scale `{}` out, or add virtual machines to it", set.name)),
    });
    resolved
}

/// The set itself cannot be read: decides by the paths alone.
fn without_the_set(
    set: &ScaleSetName,
    mut uniform: Option<PathEnd>,
    mut flexible: Option<PathEnd>,
    error: Error,
) -> Result<Resolved> {
    let flexible_is_empty = matches!(flexible, Some(PathEnd::Empty) | None);
    let uniform_is_empty = match &uniform {
        Some(PathEnd::Empty) | None => true,
        // What the listing answers for a Flexible set.
        Some(PathEnd::Failed(error)) => is_not_found(error),
    };
    let is_refused = matches!(&error, Error::Api(error) if error.status() == 403);
    if flexible_is_empty && uniform_is_empty {
        if !is_refused {
            return Err(error);
        }
        let mut resolved = Resolved::new(OrchestrationMode::Flexible);
        let message = format!(
            "the scale set `{}` has no instances, or there is no such scale set: this identity may not read it",
            set.name
        );
        let finding = Finding::new(message);
        resolved.findings.push(match error.hint() {
            Some(hint) => finding.with_hint(hint.into_owned()),
            None => finding,
        });
        return Ok(resolved);
    }
    Err(take_failure(&mut flexible)
        .or_else(|| take_failure(&mut uniform))
        .unwrap_or(error))
}

/// Whether the path got no answer at all, or none but "later".
fn is_outage(end: &PathEnd) -> bool {
    match end {
        PathEnd::Empty => false,
        PathEnd::Failed(Error::Api(error)) => matches!(error.status(), 401 | 408 | 429 | 500..),
        PathEnd::Failed(_) => true,
    }
}

fn take_failure(end: &mut Option<PathEnd>) -> Option<Error> {
    match end.take() {
        Some(PathEnd::Failed(error)) => Some(error),
        other => {
            *end = other;
            None
        }
    }
}
