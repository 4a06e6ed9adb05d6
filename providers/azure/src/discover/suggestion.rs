//! What was probably meant by the name of a scale set that is not there.

use std::time::Duration;

use cloud_autojoin_core::Error;
use cloud_autojoin_core::config::key::nearest_name;

use super::query::Query;
use crate::arm::{ResourceId, ScaleSet, name_key, same_name};

/// How long a look-up may take that only explains.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

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
