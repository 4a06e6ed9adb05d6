//! The instances of a managed instance group, zonal or regional.

use std::collections::HashSet;

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, DecodeError, Result};
use cloud_autojoin_provider_kit::ApiClient;
use cloud_autojoin_provider_kit::auth::google::MetadataServer;

use crate::api::{
    AggregatedPage, InstanceGroupManager, LIST_GROUPS, LIST_MEMBERS, LIST_QUERY, MAX_RESULTS,
    ManagedInstances, NEXT_PAGE_TOKEN, PAGE_TOKEN,
};
use crate::keys::{NAME, SELF};
use crate::select::{Group, Places, quoted};

type Page = AggregatedPage<InstanceGroupManager>;

/// What is needed of a group: that it is there.
const FIELDS: &str = "items/*/instanceGroupManagers(name),items/*/warning(code,message),nextPageToken,unreachables,warning(code,message)";

/// The group `name`, or the one of this instance for `self`; `Err` with its name if the project has
/// no such group.
///
/// # Errors
///
/// A request failed, or a part of Google Cloud doesn't respond.
pub(crate) async fn find(
    name: &str,
    metadata: &MetadataServer,
    project: &ApiClient,
    places: &Places,
    call: &Call,
) -> Result<Result<Group, String>> {
    let (name, found) = if name == SELF {
        let (name, place) = of_this_instance(metadata, call).await?;
        (name, vec![place])
    } else {
        let found = places_of(name, project, places, call).await?;
        (name.to_owned(), found)
    };
    if found.is_empty() {
        return Ok(Err(name));
    }
    let members = HashSet::new();
    let mut group = Group { name, members };
    for place in &found {
        let (kind, area) = place.split_once('/').unwrap_or_default();
        let (managers, members) = ("instanceGroupManagers", "listManagedInstances");
        let path = [kind, area, managers, &group.name, members];
        let fields = ("fields", "managedInstances(instance),nextPageToken");
        let url = project.url(&path, &[MAX_RESULTS, fields]);
        let mut pages = project
            .pages(Request::post(LIST_MEMBERS, url, ""), call)
            .ahead(PAGE_TOKEN, NEXT_PAGE_TOKEN);
        while let Some(page) = pages.next_json::<ManagedInstances>().await? {
            pages.follow_query(PAGE_TOKEN, page.next_page_token)?;
            let urls = page.managed_instances.iter().map(|member| &member.instance);
            group
                .members
                .extend(urls.filter_map(|url| place_and_name(url)));
        }
    }
    Ok(Ok(group))
}

/// The name and the place of the group that created this instance.
async fn of_this_instance(metadata: &MetadataServer, call: &Call) -> Result<(String, String)> {
    let operation = "read the instance group of this instance";
    let advice = "name the group in place of `self`";
    let path = "instance/attributes/created-by";
    let text = metadata.text(operation, path, advice, call).await?;
    // `projects/NUMBER/zones/ZONE/instanceGroupManagers/NAME`, or `regions/REGION` in it.
    let parts: Vec<&str> = text.trim().split('/').collect();
    match parts.as_slice() {
        [
            ..,
            kind @ ("zones" | "regions"),
            place,
            "instanceGroupManagers",
            name,
        ] => Ok(((*name).to_owned(), format!("{kind}/{place}"))),
        _ => {
            let error = DecodeError::new(NAME, operation, "it was created by something else");
            Err(error.with_hint(advice).into())
        }
    }
}

/// The places that have a group of this name.
async fn places_of(
    name: &str,
    project: &ApiClient,
    places: &Places,
    call: &Call,
) -> Result<Vec<String>> {
    let filter = format!("name={}", quoted(name));
    let [size, partial] = LIST_QUERY;
    let query = [("filter", &*filter), ("fields", FIELDS), size, partial];
    let path = ["aggregated", "instanceGroupManagers"];
    let mut found = Vec::new();
    let mut pages = project
        .pages(project.get(LIST_GROUPS, &path, &query), call)
        .ahead(PAGE_TOKEN, NEXT_PAGE_TOKEN);
    while let Some(page) = pages.next_json::<Page>().await? {
        page.require_complete(LIST_GROUPS, |place| places.include(place))?;
        pages.follow_query(PAGE_TOKEN, page.next_page_token)?;
        for (place, scoped) in page.items {
            if scoped.list.iter().any(|group| group.name == name) {
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// `zones/ZONE` and the name of the instance at a URL.
fn place_and_name(url: &str) -> Option<(String, String)> {
    let (place, name) = url.rsplit_once("/instances/")?;
    let (_, zone) = place.rsplit_once("/zones/")?;
    Some((format!("zones/{zone}"), name.to_owned()))
}
