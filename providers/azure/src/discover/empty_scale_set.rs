//! A scale set in which neither path found members: not there, empty, or of a mode whose path was
//! refused.
//!
//! Azure answers the filter on a set that does not exist with an empty list, so an empty list alone
//! says nothing (recorded 2025): the set itself is read. If there is no such set, those that exist
//! tell which one was probably meant.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use cloud_autojoin_core::config::key::nearest_name;
use cloud_autojoin_core::{Error, Finding, Result};

use super::attachment::Members;
use super::query::Query;
use crate::arm::{ResourceId, ScaleSet, is_not_found, is_scope_missing, name_key, same_name};
use crate::select::OrchestrationMode;

/// The timeout of a look-up that only explains.
pub(super) const EXPLANATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How a path without members ended: with no error, or with one that matters only if the set is of
/// this path's mode. `None`: it was not requested.
pub(super) type PathEnd = Option<Result<()>>;

/// How both paths ended.
pub(super) struct PathEnds {
    pub flexible: PathEnd,
    pub uniform: PathEnd,
}

impl PathEnds {
    /// Takes the first failure of this kind, that of the Flexible path before the other.
    pub(super) fn take(&mut self, is_such: impl Fn(&Error) -> bool) -> Option<Error> {
        let mut ends = [&mut self.flexible, &mut self.uniform].into_iter();
        ends.find_map(|end| end.take_if(|end| end.as_ref().is_err_and(&is_such))?.err())
    }
}

/// Finds out why there are no members.
///
/// # Errors
///
/// There is no such set, group or subscription; or the path of the set's mode failed, or the mode
/// can't be found out and a path failed that may be the one.
pub(super) async fn explain(
    query: Query<'_>,
    set: &ResourceId,
    mut ends: PathEnds,
) -> Result<Members> {
    if let Some(error) = ends.take(is_scope_missing) {
        return Err(with_suggestion(query, set, error).await);
    }
    // When no request had a response, one more will not help.
    if is_outage(&ends.flexible)
        && is_outage(&ends.uniform)
        && let Some(error) = ends.take(|_| true)
    {
        return Err(error);
    }
    // The response of Microsoft.Network for a Flexible set, and for one that it has not made an
    // interface for yet.
    if matches!(&ends.uniform, Some(Err(error)) if is_not_found(error)) {
        ends.uniform = Some(Ok(()));
    }
    let name = set.name();
    let found: ScaleSet = match query.one(set).await {
        Ok(found) => found,
        Err(error) if is_not_found(&error) => return Err(with_suggestion(query, set, error).await),
        // The set itself can't be read: the paths alone decide.
        Err(error) => return without_set(set, ends, error),
    };
    let mode = mode_of(&found);
    let end = match mode {
        Some(OrchestrationMode::Uniform) => ends.uniform,
        Some(OrchestrationMode::Flexible) => ends.flexible,
        // It has no members only if both paths say so.
        None => Some(ends.take(|_| true).map_or(Ok(()), Err)),
    };
    let word = found.properties.orchestration_mode.unwrap_or_default();
    let word = mode.map_or(word, |mode| mode.to_string());
    let exists = format!("the scale set `{name}` is there ({word})");
    let mut findings = vec![match (end, found.capacity) {
        (Some(Err(error)), _) => return Err(error),
        (None, _) => Finding::new(format!("the scale set `{name}` is {word}, and only the other orchestration mode was asked for"))
            .with_hint("leave `orchestration_mode` out: the mode is found by itself")
            .with_change("orchestration_mode", None),
        (Some(Ok(())), Some(capacity @ 1..)) => Finding::new(format!("{exists} with a capacity of {capacity}, and has no instances yet"))
            .with_hint("its instances are being made, or cannot be (quota, image, policy): look at the activity log of the scale set"),
        (Some(Ok(())), _) => Finding::new(format!("{exists}, and has no instances"))
            .with_hint(format!("scale `{name}` out, or add virtual machines to it")),
    }];
    if mode.is_none() {
        let message =
            format!("the orchestration mode `{word}` of the scale set `{name}` is not known");
        let hint = "look for a newer version, which may know it";
        findings.push(Finding::new(message).with_hint(hint));
    }
    Ok(Members::of_findings(findings))
}

/// What the paths alone tell, if the scale set itself can't be read.
fn without_set(set: &ResourceId, mut ends: PathEnds, error: Error) -> Result<Members> {
    let is_refusal = matches!(&error, Error::Api(error) if error.status() == 403);
    let mut finding = Finding::new(format!(
        "the scale set `{}` has no instances, or there is no such scale set: this identity may not read it",
        set.name()
    ));
    finding.hint = error.hint().map(|hint| hint.into_owned());
    match ends.take(|_| true) {
        Some(error) => Err(error),
        None if is_refusal => Ok(Members::of_findings(vec![finding])),
        None => Err(error),
    }
}

/// The mode of a set; absent with old versions, when every set was Uniform. `None`: an unknown one.
pub(super) fn mode_of(set: &ScaleSet) -> Option<OrchestrationMode> {
    let mode = set.properties.orchestration_mode.as_deref();
    let mode = mode.filter(|mode| !mode.is_empty()).unwrap_or("uniform");
    OrchestrationMode::from_word(&mode.to_ascii_lowercase())
}

/// Whether the path had no response, or none but "later".
fn is_outage(end: &PathEnd) -> bool {
    match end {
        Some(Ok(())) => false,
        Some(Err(Error::Api(error))) => matches!(error.status(), 401 | 408 | 429 | 500..),
        Some(Err(_)) | None => true,
    }
}

/// The error that there is no such set, with the name of the one that was probably meant: of the
/// same name in another group, or of a similar one in this group.
///
/// The scale sets of the subscription are listed for it. When the list fails, the error is returned
/// as it is.
pub(super) async fn with_suggestion(query: Query<'_>, set: &ResourceId, error: Error) -> Error {
    let Error::Api(error) = error else {
        return error;
    };
    let call = &query.call.within(EXPLANATION_TIMEOUT);
    let query = Query { call, ..query };
    let mut sets: Vec<ResourceId> = Vec::new();
    let listed = query.each(&[], |set: ScaleSet| sets.push(set.id)).await;
    let Some(suggestion) = listed.ok().and_then(|()| suggestion(set, &sets)) else {
        return Error::Api(error);
    };
    let hint = match error.hint() {
        Some(hint) => format!("{hint}; {suggestion}"),
        None => suggestion,
    };
    error.with_hint(hint).into()
}

fn suggestion(set: &ResourceId, sets: &[ResourceId]) -> Option<String> {
    if let Some(id) = sets.iter().find(|id| same_name(id.name(), set.name())) {
        let (name, group) = (id.name(), id.resource_group().unwrap_or_default());
        return Some(format!(
            "there is a scale set `{name}` in resource group `{group}`"
        ));
    }
    let group = set.resource_group()?.to_owned();
    let in_group = sets.iter().filter(|id| id.is_in(slice::from_ref(&group)));
    let spelled = in_group.map(|id| (name_key(id.name()).replace('-', "_"), id.name()));
    let spelled: BTreeMap<String, &str> = spelled.collect();
    let nearest = nearest_name(set.name(), spelled.keys().map(String::as_str))?;
    Some(format!("did you mean `{}`?", spelled.get(nearest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_elsewhere_comes_before_a_similar_one_here() {
        let there = [("prod", "web-servers"), ("prod", "db"), ("Test", "WEB")]
            .map(|(group, name)| ResourceId::scale_set("s", group, name));
        let meant =
            |group: &str, name: &str| suggestion(&ResourceId::scale_set("s", group, name), &there);
        assert_eq!(
            meant("prod", "web").as_deref(),
            Some("there is a scale set `WEB` in resource group `Test`")
        );
        assert_eq!(
            meant("PROD", "web-sevrers").as_deref(),
            Some("did you mean `web-servers`?")
        );
        assert_eq!(meant("test", "web-sevrers"), None);
        assert_eq!(meant("prod", "something-else"), None);
    }
}
