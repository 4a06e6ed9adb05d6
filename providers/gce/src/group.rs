//! The instances of a managed instance group, zonal or regional.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, DecodeError, Result};
use cloud_autojoin_provider_kit::ApiClient;

use crate::api::{
    AggregatedPage, InstanceGroupManager, LIST_GROUPS, LIST_MEMBERS, ManagedInstances,
};
use crate::credential::MetadataServer;
use crate::provider::{MAX_RESULTS, NAME};
use crate::select::{Members, Places, quoted};

/// A managed instance group: its name, and its place if that is known (`zones/us-east1-b`).
pub(crate) struct Group {
    pub(crate) name: String,
    place: Option<String>,
}

impl Group {
    /// The group of this name, wherever it is.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            place: None,
        }
    }

    /// The group that created this instance.
    ///
    /// # Errors
    ///
    /// There is no metadata server, or no group.
    pub(crate) async fn of_this_instance(metadata: &MetadataServer, call: &Call) -> Result<Self> {
        let (operation, advice) = (
            "read the instance group of this instance",
            "name the group in place of `self`",
        );
        let text = metadata
            .text(operation, "instance/attributes/created-by", advice, call)
            .await?;
        // `projects/NUMBER/zones/ZONE/instanceGroupManagers/NAME`, or `regions/REGION` in it.
        let parts: Vec<&str> = text.trim().split('/').collect();
        match parts.as_slice() {
            [
                ..,
                kind @ ("zones" | "regions"),
                place,
                "instanceGroupManagers",
                name,
            ] => Ok(Self {
                name: (*name).to_owned(),
                place: Some(format!("{kind}/{place}")),
            }),
            _ => Err(
                DecodeError::new(NAME, operation, "it was created by something else")
                    .with_hint(advice)
                    .into(),
            ),
        }
    }

    /// The instances of the group; none if there is no such group.
    ///
    /// # Errors
    ///
    /// A request failed, or a part of Google Cloud doesn't answer.
    pub(crate) async fn members(
        &self,
        client: &ApiClient,
        project: &str,
        places: &Places,
        call: &Call,
    ) -> Result<Option<Members>> {
        let found = match &self.place {
            Some(place) => vec![place.clone()],
            None => self.find(client, project, places, call).await?,
        };
        let mut members = Members::new();
        for place in &found {
            let (kind, area) = place.split_once('/').unwrap_or_default();
            let path = [
                "compute",
                "v1",
                "projects",
                project,
                kind,
                area,
                "instanceGroupManagers",
                &self.name,
                "listManagedInstances",
            ];
            let url = client.url(
                &path,
                &[
                    ("maxResults", MAX_RESULTS),
                    ("fields", "managedInstances(instance),nextPageToken"),
                ],
            );
            let mut pages = client.pages(Request::post(LIST_MEMBERS, url, ""), call);
            while let Some(page) = pages.next_json::<ManagedInstances>().await? {
                pages.follow_query("pageToken", page.next_page_token)?;
                members.extend(
                    page.managed_instances
                        .iter()
                        .filter_map(|member| place_and_name(&member.instance)),
                );
            }
        }
        Ok((!found.is_empty()).then_some(members))
    }

    /// The places that have a group of this name.
    async fn find(
        &self,
        client: &ApiClient,
        project: &str,
        places: &Places,
        call: &Call,
    ) -> Result<Vec<String>> {
        let filter = format!("name={}", quoted(&self.name));
        let query = [
            ("filter", filter.as_str()),
            ("maxResults", MAX_RESULTS),
            ("returnPartialSuccess", "true"),
            (
                "fields",
                "items/*/instanceGroupManagers(name),items/*/warning(code,message),nextPageToken,unreachables,warning(code,message)",
            ),
        ];
        let path = [
            "compute",
            "v1",
            "projects",
            project,
            "aggregated",
            "instanceGroupManagers",
        ];
        let mut found = Vec::new();
        let mut pages = client.pages(client.get(LIST_GROUPS, &path, &query), call);
        while let Some(page) = pages
            .next_json::<AggregatedPage<InstanceGroupManager>>()
            .await?
        {
            page.require_complete(LIST_GROUPS, |place| places.include(place))?;
            pages.follow_query("pageToken", page.next_page_token)?;
            let has_group =
                |list: &[InstanceGroupManager]| list.iter().any(|group| group.name == self.name);
            found.extend(
                page.items
                    .into_iter()
                    .filter(|(_, scoped)| has_group(&scoped.list))
                    .map(|(place, _)| place),
            );
        }
        Ok(found)
    }
}

/// `zones/ZONE` and the name of the instance at a URL.
fn place_and_name(url: &str) -> Option<(String, String)> {
    let (place, name) = url.rsplit_once("/instances/")?;
    let (_, zone) = place.rsplit_once("/zones/")?;
    Some((format!("zones/{zone}"), name.to_owned()))
}
