//! Resources by their ids (interfaces above all), in as few requests as can be known beforehand.
//!
//! Reading a list costs a request a page, reading single interfaces one each; how many pages a list
//! has is not known. So a list is read on as long as the pages read are fewer than the interfaces
//! that are missing, and what is missing then is read singly: never more than twice what the better
//! way would have cost (the rule of ski rental).

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::Result;
use cloud_autojoin_core::http::Request;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::query::Query;
use crate::arm::{
    ArmRequests, Listing, NetworkInterface, PublicAddress, ResourceId, ScaleSet, VirtualMachine,
    is_not_found, name_key,
};

/// How many single resources are asked for side by side.
pub(super) const SIDE_BY_SIDE: usize = 8;

/// A kind of resource that is looked up by id.
pub(super) trait Resource: DeserializeOwned + Send + 'static {
    /// How many of them are read singly without trying the list of their group first.
    ///
    /// Few are read singly side by side as quickly as a list, and that asks for no right over the
    /// whole group. But Azure allows 12 reads a minute of one virtual machine or scale set, for
    /// everyone together, where lists have 300 and more.
    const FEW: usize = SIDE_BY_SIDE;

    /// Its id.
    fn id(&self) -> &ResourceId;

    /// The list of a resource group, or of the whole subscription.
    fn list(requests: &ArmRequests, resource_group: Option<&str>) -> Request;

    /// One of them.
    fn one(requests: &ArmRequests, id: &ResourceId) -> Request;
}

impl Resource for NetworkInterface {
    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(requests: &ArmRequests, resource_group: Option<&str>) -> Request {
        requests.network_interfaces(resource_group)
    }

    fn one(requests: &ArmRequests, id: &ResourceId) -> Request {
        requests.network_interface(id)
    }
}

impl Resource for VirtualMachine {
    const FEW: usize = 0;

    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(requests: &ArmRequests, resource_group: Option<&str>) -> Request {
        requests.virtual_machines(resource_group)
    }

    fn one(requests: &ArmRequests, id: &ResourceId) -> Request {
        requests.virtual_machine(id, false)
    }
}

impl Resource for ScaleSet {
    const FEW: usize = 0;

    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(requests: &ArmRequests, resource_group: Option<&str>) -> Request {
        requests.scale_sets(resource_group)
    }

    fn one(requests: &ArmRequests, id: &ResourceId) -> Request {
        requests.scale_set(id.resource_group().unwrap_or_default(), id.name())
    }
}

impl Resource for PublicAddress {
    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(requests: &ArmRequests, resource_group: Option<&str>) -> Request {
        requests.public_addresses(resource_group)
    }

    fn one(requests: &ArmRequests, id: &ResourceId) -> Request {
        requests.public_address(id)
    }
}

/// The resources found, by id. One that was asked for and is not among them was gone when it was
/// looked for.
pub(super) type Found<T> = HashMap<ResourceId, T>;

/// A list of which the beginning was read already.
pub(super) struct PartialList<'a, T> {
    /// The resource group that is listed; none: the whole subscription.
    pub resource_group: Option<String>,
    /// What was read.
    pub read: Vec<T>,
    /// What is left.
    pub rest: Listing<'a, T>,
    /// Whether a refusal of the rest is an error; else the resources are read singly.
    pub must_list: bool,
}

/// Looks up `wanted`, some of which may be in `partial`.
///
/// # Errors
///
/// A list or a resource that cannot be read; one that is gone (404) is no error.
pub(super) async fn look_up<T: Resource>(
    query: Query<'_>,
    wanted: impl IntoIterator<Item = ResourceId>,
    partial: Option<PartialList<'_, T>>,
) -> Result<Found<T>> {
    let requests = query.requests();
    let mut groups: HashMap<String, HashSet<ResourceId>> = HashMap::new();
    let whole_subscription = partial
        .as_ref()
        .is_some_and(|partial| partial.resource_group.is_none());
    let group_of = |id: &ResourceId| {
        if whole_subscription {
            String::new()
        } else {
            id.resource_group().map(name_key).unwrap_or_default()
        }
    };
    for id in wanted {
        groups.entry(group_of(&id)).or_default().insert(id);
    }

    let mut searches = Vec::new();
    if let Some(partial) = partial {
        let key = partial
            .resource_group
            .as_deref()
            .map(name_key)
            .unwrap_or_default();
        if let Some(missing) = groups.remove(&key) {
            searches.push(Search {
                list: Some(partial.rest),
                read: partial.read,
                missing,
                must_list: partial.must_list,
            });
        }
    }
    for (_, missing) in groups {
        let group = missing
            .iter()
            .find_map(|id| id.resource_group().map(str::to_owned))
            .filter(|_| missing.len() > T::FEW);
        let list = group.map(|group| query.list(T::list(&requests, Some(&group))));
        searches.push(Search {
            list,
            read: Vec::new(),
            missing,
            must_list: false,
        });
    }

    let mut found = Found::new();
    let mut missing = Vec::new();
    for (of_list, left) in try_join_all(searches.into_iter().map(|search| search.run())).await? {
        found.extend(of_list);
        missing.extend(left);
    }
    found.extend(read_singly(query, &requests, missing).await?);
    Ok(found)
}

struct Search<'a, T> {
    list: Option<Listing<'a, T>>,
    read: Vec<T>,
    missing: HashSet<ResourceId>,
    must_list: bool,
}

impl<T: Resource> Search<'_, T> {
    async fn run(mut self) -> Result<(Found<T>, HashSet<ResourceId>)> {
        let mut found = Found::new();
        self.sift(&mut found);
        let Some(mut list) = self.list.take() else {
            return Ok((found, self.missing));
        };
        // The first page of a list that was partial is paid for already.
        let paid = list.pages_read();
        while list.has_more() && list.pages_read() - paid < self.missing.len() {
            match list.next().await {
                Ok(page) => self.read = page.unwrap_or_default(),
                // The right to read single resources need not be one over the group, and what is
                // gone is found out one by one.
                Err(cloud_autojoin_core::Error::Api(error))
                    if !self.must_list && matches!(error.status(), 403 | 404) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
            self.sift(&mut found);
        }
        Ok((found, self.missing))
    }

    /// Keeps of the page what is wanted.
    fn sift(&mut self, found: &mut Found<T>) {
        for resource in std::mem::take(&mut self.read) {
            if self.missing.remove(resource.id()) {
                found.insert(resource.id().clone(), resource);
            }
        }
    }
}

async fn read_singly<T: Resource>(
    query: Query<'_>,
    requests: &ArmRequests,
    ids: Vec<ResourceId>,
) -> Result<Found<T>> {
    stream::iter(ids)
        .map(|id| {
            let request = T::one(requests, &id);
            async move {
                match query.read::<T>(request).await {
                    Ok(resource) => Ok(Some((id, resource))),
                    Err(error) if is_not_found(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .try_filter_map(|found| async { Ok(found) })
        .try_collect()
        .await
}
