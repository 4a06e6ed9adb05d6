//! A scale set in which neither path found members: not there, empty, or of a mode whose path was
//! refused.
//!
//! For a set that does not exist Azure returns an empty list (recorded 2025), so an empty list
//! doesn't prove that the set exists: the set itself is read. If there is no such set, one of those
//! that exist is suggested.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use cloud_autojoin_core::config::key::nearest_name;
use cloud_autojoin_core::{Error, Finding, Result};

use super::query::Query;
use crate::arm::{ResourceId, ScaleSet, is_not_found, is_scope_missing, name_key, same_name};
use crate::select::OrchestrationMode;

/// The timeout of a look-up that only explains.
pub(super) const EXPLANATION_TIMEOUT: Duration = Duration::from_secs(5);

const NOT_CREATED: &str = "its instances are being made, or cannot be (quota, image, policy): look at the activity log of the scale set";

/// How a path without members ended: with no error, or with one that matters only if the set is of
/// this path's mode. `None`: it was not requested.
pub(super) type PathEnd = Option<Result<()>>;

/// How both paths ended: Flexible, Uniform.
pub(super) type PathEnds = [PathEnd; 2];

/// Takes the first failure of this kind.
pub(super) fn take(ends: &mut PathEnds, is_such: impl Fn(&Error) -> bool) -> Option<Error> {
    let mut ends = ends.iter_mut();
    ends.find_map(|end| end.take_if(|end| end.as_ref().is_err_and(&is_such))?.err())
}

impl Query<'_> {
    /// Finds out why there are no members.
    ///
    /// # Errors
    ///
    /// There is no such set, group or subscription; or the path of the set's mode failed, or the
    /// mode can't be found out and a path failed that may be the one.
    pub(super) async fn explain_empty(
        self,
        set: &ResourceId,
        mut ends: PathEnds,
    ) -> Result<Vec<Finding>> {
        if let Some(error) = take(&mut ends, is_scope_missing) {
            return Err(self.with_suggestion(set, error).await);
        }
        // When no request had a response, one more will not help.
        if ends.iter().all(is_outage)
            && let Some(error) = take(&mut ends, |_| true)
        {
            return Err(error);
        }
        let [_, uniform] = &mut ends;
        // The response of Microsoft.Network for a Flexible set, and for one that it has not made an
        // interface for yet.
        if matches!(uniform, Some(Err(error)) if is_not_found(error)) {
            *uniform = Some(Ok(()));
        }
        let name = set.name();
        let found: ScaleSet = match self.one(set).await {
            Ok(found) => found,
            Err(error) if is_not_found(&error) => {
                return Err(self.with_suggestion(set, error).await);
            }
            // The set itself can't be read: the paths alone decide.
            Err(error) => {
                let failure = take(&mut ends, |_| true);
                let is_refusal = matches!(&error, Error::Api(error) if error.status() == 403);
                if failure.is_some() || !is_refusal {
                    return Err(failure.unwrap_or(error));
                }
                let mut finding = Finding::new(format!(
                    "the scale set `{name}` has no instances, or there is no such scale set: this identity may not read it"
                ));
                finding.hint = error.hint().map(|hint| hint.into_owned());
                return Ok(vec![finding]);
            }
        };
        let mode = mode_of(&found);
        let failure = take(&mut ends, |_| mode.is_none());
        let [flexible, uniform] = ends;
        let end = match mode {
            Some(OrchestrationMode::Uniform) => uniform,
            Some(OrchestrationMode::Flexible) => flexible,
            // It has no members only if both paths found none.
            None => Some(failure.map_or(Ok(()), Err)),
        };
        let word = found.properties.orchestration_mode.unwrap_or_default();
        let word = mode.map_or(word, |mode| mode.to_string());
        let Some(end) = end else {
            let message = format!(
                "the scale set `{name}` is {word}, and only the other orchestration mode was requested"
            );
            let finding = Finding::new(message)
                .with_hint("leave `orchestration_mode` out: the mode is found by itself")
                .with_change("orchestration_mode", None);
            return Ok(vec![finding]);
        };
        end?;
        let exists = format!("the scale set `{name}` is there ({word})");
        let mut findings = vec![match found.capacity {
            Some(capacity @ 1..) => Finding::new(format!(
                "{exists} with a capacity of {capacity}, and has no instances yet"
            ))
            .with_hint(NOT_CREATED),
            _ => Finding::new(format!("{exists}, and has no instances"))
                .with_hint(format!("scale `{name}` out, or add virtual machines to it")),
        }];
        if mode.is_none() {
            let message =
                format!("the orchestration mode `{word}` of the scale set `{name}` is not known");
            let hint = "look for a newer version, which may know it";
            findings.push(Finding::new(message).with_hint(hint));
        }
        Ok(findings)
    }

    /// The error that there is no such set, with the name of the one that was probably meant: of
    /// the same name in another group, or of a similar one in this group.
    ///
    /// The scale sets of the subscription are listed for it. When the list fails, the error is
    /// returned as it is.
    pub(super) async fn with_suggestion(self, set: &ResourceId, error: Error) -> Error {
        let Error::Api(error) = error else {
            return error;
        };
        let call = &self.call.within(EXPLANATION_TIMEOUT);
        let query = Query { call, ..self };
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
