//! What was probably meant by the name of a scale set that is not there.

use std::time::Duration;

use cloud_autojoin_core::Error;
use cloud_autojoin_core::config::key::nearest_name;

use super::members::ScaleSetName;
use super::query::Query;
use super::tag_query::each_page;
use crate::arm::{ResourceId, ScaleSet, name_key, same_name};

/// How long a look-up may take that only explains.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The error that there is no such set, with the name of the one that was probably meant: of the
/// same name in another group, or of a similar one in this group.
///
/// The scale sets of the subscription are listed for it. When the list fails, the error is returned
/// as it is.
pub(super) async fn with_suggestion(query: Query<'_>, set: &ScaleSetName, error: Error) -> Error {
    let Error::Api(error) = error else {
        return error;
    };
    let query = Query {
        call: &query.call.within(PATIENCE),
        ..query
    };
    let list = query.list::<ScaleSet>(query.requests().scale_sets(None));
    let mut there: Vec<ResourceId> = Vec::new();
    if each_page(vec![list], |page| {
        there.extend(page.into_iter().map(|set| set.id))
    })
    .await
    .is_err()
    {
        return Error::Api(error);
    }
    match suggestion(set, &there) {
        None => Error::Api(error),
        Some(suggestion) => {
            let hint = error
                .hint()
                .map(|hint| format!("{hint}; "))
                .unwrap_or_default();
            Error::Api(Box::new(error.with_hint(format!("{hint}{suggestion}"))))
        }
    }
}

fn suggestion(set: &ScaleSetName, there: &[ResourceId]) -> Option<String> {
    let group_of = |id: &'_ ResourceId| id.resource_group().unwrap_or_default().to_owned();
    if let Some(id) = there.iter().find(|id| same_name(id.name(), &set.name)) {
        return Some(format!(
            "there is a scale set `{}` in resource group `{}`",
            id.name(),
            group_of(id)
        ));
    }
    let in_group: Vec<&ResourceId> = there
        .iter()
        .filter(|id| same_name(&group_of(id), &set.resource_group))
        .collect();
    let spelled: Vec<String> = in_group
        .iter()
        .map(|id| name_key(id.name()).replace('-', "_"))
        .collect();
    let nearest = nearest_name(&set.name, spelled.iter().map(String::as_str))?;
    let id = in_group
        .iter()
        .zip(&spelled)
        .find(|(_, name)| name.as_str() == nearest)
        .map(|(id, _)| id)?;
    Some(format!("did you mean `{}`?", id.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_elsewhere_comes_before_a_similar_one_here() {
        let there = [("prod", "web-servers"), ("prod", "db"), ("Test", "WEB")]
            .map(|(group, name)| ResourceId::scale_set("s", group, name));
        let meant = |group: &str, name: &str| {
            suggestion(
                &ScaleSetName {
                    resource_group: group.to_owned(),
                    name: name.to_owned(),
                },
                &there,
            )
        };
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
