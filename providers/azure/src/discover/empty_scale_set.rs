//! A scale set in which neither path found members: not there, empty, or of a mode whose path was
//! refused.
//!
//! Azure answers the filter on a set that does not exist with an empty list, so an empty answer
//! alone says nothing (recorded 2025): the set itself is read. Where it is not there, the sets that
//! are tell what was probably meant.

use std::time::Duration;

use cloud_autojoin_core::config::key::nearest_name;
use cloud_autojoin_core::{Error, Finding, Result};

use super::candidate::Resolved;
use super::query::Query;
use crate::arm::{ResourceId, ScaleSet, is_not_found, is_scope_missing, name_key, same_name};
use crate::select::OrchestrationMode;

/// How long a look-up may take that only explains.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How a path without members ended: it was answered, or it failed, which matters only if the set
/// is of this path's mode; `None`: it was not asked.
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
/// cannot be found out and a path failed that may be the one.
pub(super) async fn explain(
    query: Query<'_>,
    set: &ResourceId,
    mut ends: PathEnds,
) -> Result<Resolved> {
    if let Some(error) = ends.take(is_scope_missing) {
        return Err(with_suggestion(query, set, error).await);
    }
    // When nothing at all could be asked, one query more will not help.
    if is_outage(&ends.flexible)
        && is_outage(&ends.uniform)
        && let Some(error) = ends.take(|_| true)
    {
        return Err(error);
    }
    // What Microsoft.Network answers for a Flexible set, and for one that it has not made an
    // interface for yet.
    if matches!(&ends.uniform, Some(Err(error)) if is_not_found(error)) {
        ends.uniform = Some(Ok(()));
    }
    let found: Result<ScaleSet> = query.one(set).await;
    let found = match found {
        Ok(found) => found,
        Err(error) if is_not_found(&error) => return Err(with_suggestion(query, set, error).await),
        // The set itself cannot be read: the paths alone decide.
        Err(error) => return without_the_set(set, ends, error),
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
    let name = set.name();
    let there = format!("the scale set `{name}` is there ({word})");
    let finding = match (end, found.capacity) {
        (Some(Err(error)), _) => return Err(error),
        (None, _) => Finding::new(format!("the scale set `{name}` is {word}, and only the other orchestration mode was asked for"))
            .with_hint("leave `orchestration_mode` out: the mode is found by itself")
            .with_change("orchestration_mode", None),
        (Some(Ok(())), Some(capacity @ 1..)) => Finding::new(format!("{there} with a capacity of {capacity}, and has no instances yet"))
            .with_hint("its instances are being made, or cannot be (quota, image, policy): look at the activity log of the scale set"),
        (Some(Ok(())), _) => Finding::new(format!("{there}, and has no instances")).with_hint(format!("scale `{name}` out, or add virtual machines to it")),
    };
    let mut resolved = Resolved::of_finding(finding);
    if mode.is_none() {
        let message =
            format!("the orchestration mode `{word}` of the scale set `{name}` is not known");
        let finding =
            Finding::new(message).with_hint("look for a newer version, which may know it");
        resolved.findings.push(finding);
    }
    Ok(resolved)
}

/// The mode of a set; absent with old versions, when every set was Uniform. `None`: one that is not
/// known yet.
pub(super) fn mode_of(set: &ScaleSet) -> Option<OrchestrationMode> {
    let mode = set.properties.orchestration_mode.as_deref();
    match mode.unwrap_or_default().to_ascii_lowercase().as_str() {
        "flexible" => Some(OrchestrationMode::Flexible),
        "uniform" | "" => Some(OrchestrationMode::Uniform),
        _ => None,
    }
}

fn without_the_set(set: &ResourceId, mut ends: PathEnds, error: Error) -> Result<Resolved> {
    if let Some(failure) = ends.take(|_| true) {
        return Err(failure);
    }
    if !matches!(&error, Error::Api(error) if error.status() == 403) {
        return Err(error);
    }
    let mut finding = Finding::new(format!(
        "the scale set `{}` has no instances, or there is no such scale set: this identity may not read it",
        set.name()
    ));
    finding.hint = error.hint().map(|hint| hint.into_owned());
    Ok(Resolved::of_finding(finding))
}

/// Whether the path got no answer at all, or none but "later".
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
    let query = Query {
        call: &query.call.within(PATIENCE),
        ..query
    };
    let mut there: Vec<ResourceId> = Vec::new();
    let listed = query.each(&[], |set: ScaleSet| there.push(set.id)).await;
    let Some(meant) = listed.ok().and_then(|()| suggestion(set, &there)) else {
        return Error::Api(error);
    };
    let hint = error.hint().map(|hint| format!("{hint}; "));
    let hint = hint.unwrap_or_default() + &meant;
    error.with_hint(hint).into()
}

fn suggestion(set: &ResourceId, there: &[ResourceId]) -> Option<String> {
    let group_of = |id: &ResourceId| id.resource_group().unwrap_or_default().to_owned();
    if let Some(id) = there.iter().find(|id| same_name(id.name(), set.name())) {
        let (name, group) = (id.name(), group_of(id));
        return Some(format!(
            "there is a scale set `{name}` in resource group `{group}`"
        ));
    }
    let group = group_of(set);
    let in_group = there.iter().filter(|id| same_name(&group_of(id), &group));
    let spelled = in_group.map(|id| (name_key(id.name()).replace('-', "_"), id));
    let spelled: Vec<(String, &ResourceId)> = spelled.collect();
    let nearest = nearest_name(set.name(), spelled.iter().map(|(name, _)| name.as_str()))?;
    let (_, id) = spelled.iter().find(|(name, _)| name == nearest)?;
    Some(format!("did you mean `{}`?", id.name()))
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
