//! Resources by their ids (interfaces above all), in as few requests as can be known beforehand.
//!
//! Reading a list costs a request a page, reading single interfaces one each; how many pages a list has is not known. So a list is read on as long as the pages read are fewer than the interfaces
//! that are missing, and what is missing then is read singly: never more than twice what the better way would have cost (the rule of ski rental).

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Call, Result};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use crate::arm::{ArmClient, Ask, Asks, Listing, NetworkInterface, PublicAddress, ResourceId, ScaleSet, VirtualMachine, is_not_found, name_key};
use crate::azure::Azure;

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
    fn list(asks: &Asks, resource_group: Option<&str>) -> Ask;

    /// One of them.
    fn one(asks: &Asks, id: &ResourceId) -> Ask;
}

impl Resource for NetworkInterface {
    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(asks: &Asks, resource_group: Option<&str>) -> Ask {
        asks.network_interfaces(resource_group)
    }

    fn one(asks: &Asks, id: &ResourceId) -> Ask {
        asks.network_interface(id)
    }
}

impl Resource for VirtualMachine {
    const FEW: usize = 0;

    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(asks: &Asks, resource_group: Option<&str>) -> Ask {
        asks.virtual_machines(resource_group)
    }

    fn one(asks: &Asks, id: &ResourceId) -> Ask {
        asks.virtual_machine(id, false)
    }
}

impl Resource for ScaleSet {
    const FEW: usize = 0;

    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(asks: &Asks, resource_group: Option<&str>) -> Ask {
        asks.scale_sets(resource_group)
    }

    fn one(asks: &Asks, id: &ResourceId) -> Ask {
        asks.scale_set(id.resource_group().unwrap_or_default(), id.name())
    }
}

impl Resource for PublicAddress {
    fn id(&self) -> &ResourceId {
        &self.id
    }

    fn list(asks: &Asks, resource_group: Option<&str>) -> Ask {
        asks.public_addresses(resource_group)
    }

    fn one(asks: &Asks, id: &ResourceId) -> Ask {
        asks.public_address(id)
    }
}

/// The resources found, by id. One that was asked for and is not among them was gone when it was looked for.
pub(super) type Found<T> = HashMap<ResourceId, T>;

/// A list of which the beginning was read already.
pub(super) struct Begun<T> {
    /// The resource group that is listed; none: the whole subscription.
    pub resource_group: Option<String>,
    /// What was read.
    pub read: Vec<T>,
    /// What is left.
    pub rest: Listing<T>,
    /// Whether a refusal of the rest is an error; else the resources are read singly.
    pub must_list: bool,
}

/// Looks up `wanted`, some of which may stand in `begun`.
///
/// # Errors
///
/// A list or a resource that cannot be read; one that is gone (404) is no error.
pub(super) async fn look_up<T: Resource>(
    azure: &Azure,
    call: &Call,
    wanted: impl IntoIterator<Item = ResourceId>,
    begun: Option<Begun<T>>,
) -> Result<Found<T>> {
    let arm = azure.arm();
    let asks = arm.asks(&azure.config().subscription_id);
    let mut groups: HashMap<String, HashSet<ResourceId>> = HashMap::new();
    let whole_subscription = begun.as_ref().is_some_and(|begun| begun.resource_group.is_none());
    let group_of = |id: &ResourceId| if whole_subscription { String::new() } else { id.resource_group().map(name_key).unwrap_or_default() };
    for id in wanted {
        groups.entry(group_of(&id)).or_default().insert(id);
    }

    let mut searches = Vec::new();
    if let Some(begun) = begun {
        let key = begun.resource_group.as_deref().map(name_key).unwrap_or_default();
        if let Some(missing) = groups.remove(&key) {
            searches.push(Search { list: Some(begun.rest), read: begun.read, missing, must_list: begun.must_list });
        }
    }
    for (_, missing) in groups {
        let group = missing.iter().find_map(|id| id.resource_group().map(str::to_owned)).filter(|_| missing.len() > T::FEW);
        let list = group.map(|group| arm.list(T::list(&asks, Some(&group))));
        searches.push(Search { list, read: Vec::new(), missing, must_list: false });
    }

    let mut found = Found::new();
    let mut missing = Vec::new();
    for (of_list, left) in try_join_all(searches.into_iter().map(|search| search.run(call))).await? {
        found.extend(of_list);
        missing.extend(left);
    }
    found.extend(read_singly(arm, &asks, call, missing).await?);
    Ok(found)
}

struct Search<T> {
    list: Option<Listing<T>>,
    read: Vec<T>,
    missing: HashSet<ResourceId>,
    must_list: bool,
}

impl<T: Resource> Search<T> {
    async fn run(mut self, call: &Call) -> Result<(Found<T>, HashSet<ResourceId>)> {
        let mut found = Found::new();
        self.sift(&mut found);
        let Some(mut list) = self.list.take() else { return Ok((found, self.missing)) };
        // The first page of a list that was begun is paid for already.
        let paid = list.pages_read();
        while list.has_more() && list.pages_read() - paid < self.missing.len() {
            match list.next(call).await {
                Ok(page) => self.read = page.unwrap_or_default(),
                // The right to read single resources need not be one over the group, and what is gone is found out one by one.
                Err(cloud_autojoin_core::Error::Api(error)) if !self.must_list && matches!(error.status(), 403 | 404) => break,
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

async fn read_singly<T: Resource>(arm: &ArmClient, asks: &Asks, call: &Call, ids: Vec<ResourceId>) -> Result<Found<T>> {
    stream::iter(ids)
        .map(|id| {
            let (arm, ask, call) = (arm.clone(), T::one(asks, &id), call.clone());
            async move {
                match arm.read::<T>(&ask, &call).await {
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
