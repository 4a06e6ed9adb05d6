//! Resources by their ids (interfaces above all), in as few requests as can be known beforehand.
//!
//! Reading a list costs a request a page, reading single interfaces one each; how many pages a list
//! has is not known. So a list is read on as long as the pages read are fewer than the interfaces
//! that are missing, and what is missing then is read singly: never more than twice what the better
//! way would have cost (the rule of ski rental).

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Error, Result};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::query::Query;
use crate::arm::{Listing, Properties, Resource, ResourceId, is_not_found, name_key};

/// How many single resources are asked for side by side.
pub(super) const SIDE_BY_SIDE: usize = 8;

/// The resources found, by id. One that was asked for and is not among them was gone when it was
/// looked for.
pub(super) type Found<R> = HashMap<ResourceId, R>;

/// A list of which the beginning may have been read already.
pub(super) struct PartialList<'a, R> {
    /// The resource group that is listed; none: the whole subscription.
    pub resource_group: Option<String>,
    /// What was read.
    pub read: Vec<R>,
    /// What is left.
    pub rest: Listing<'a, R>,
    /// Whether a refusal of the rest is an error; else the resources are read singly.
    pub must_list: bool,
}

/// Looks up `wanted`, some of which may be in `partial`.
///
/// Few are read singly side by side as quickly as a list, and that asks for no right over the whole
/// group. But Azure allows 12 reads a minute of one virtual machine or scale set, for everyone
/// together, where lists have 300 and more: of these every one is looked for in the list of its
/// group first.
///
/// # Errors
///
/// A list or a resource that cannot be read; one that is gone (404) is no error.
pub(super) async fn look_up<P: Properties>(
    query: Query<'_>,
    wanted: impl IntoIterator<Item = ResourceId>,
    partial: Option<PartialList<'_, Resource<P>>>,
) -> Result<Found<Resource<P>>> {
    let few = if P::KIND.name.starts_with("Microsoft.Compute/") {
        0
    } else {
        SIDE_BY_SIDE
    };
    let key = |group: Option<&str>| group.map(name_key).unwrap_or_default();
    let partial_key = partial
        .as_ref()
        .map(|list| key(list.resource_group.as_deref()));
    let is_whole = partial_key.as_deref() == Some("");
    let mut groups: HashMap<String, Vec<ResourceId>> = HashMap::new();
    for id in wanted {
        let group = id.resource_group().filter(|_| !is_whole);
        groups.entry(key(group)).or_default().push(id);
    }

    let mut searches = Vec::new();
    if let (Some(list), Some(key)) = (partial, partial_key)
        && let Some(missing) = groups.remove(&key)
    {
        searches.push(search(Some(list), HashSet::from_iter(missing)));
    }
    for missing in groups.into_values() {
        let missing = HashSet::from_iter(missing);
        let group = missing.iter().find_map(ResourceId::resource_group);
        let group = group.filter(|_| missing.len() > few).map(str::to_owned);
        let list = group.map(|group| PartialList {
            rest: query.list_in::<P>(Some(&group)),
            read: Vec::new(),
            resource_group: Some(group),
            must_list: false,
        });
        searches.push(search(list, missing));
    }

    let mut found = Found::new();
    let mut missing = Vec::new();
    for (of_list, left) in try_join_all(searches).await? {
        // Mostly there is one list, and ids are long to hash.
        if found.is_empty() {
            found = of_list;
        } else {
            found.extend(of_list);
        }
        missing.extend(left);
    }
    let singly = missing.into_iter().map(|id| async move {
        match query.one::<P>(&id).await {
            Ok(resource) => Ok(Some((id, resource))),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let singly: Vec<_> = stream::iter(singly)
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    found.extend(singly.into_iter().flatten());
    Ok(found)
}

/// Reads the list for what is missing; what is found, and what is missing still.
async fn search<P: Properties>(
    list: Option<PartialList<'_, Resource<P>>>,
    mut missing: HashSet<ResourceId>,
) -> Result<(Found<Resource<P>>, HashSet<ResourceId>)> {
    let mut found = Found::new();
    let Some(PartialList {
        read: mut page,
        mut rest,
        must_list,
        ..
    }) = list
    else {
        return Ok((found, missing));
    };
    // The first page of a list that was partial is paid for already.
    let paid = rest.pages_read();
    loop {
        found.reserve(page.len().min(missing.len()));
        for resource in page {
            if let Some(id) = missing.take(&resource.id) {
                found.insert(id, resource);
            }
        }
        if !rest.has_more() || rest.pages_read() - paid >= missing.len() {
            break;
        }
        page = match rest.next().await {
            Ok(page) => page,
            // The right to read single resources need not be one over the group, and what is gone
            // is found out one by one.
            Err(Error::Api(error)) if !must_list && matches!(error.status(), 403 | 404) => break,
            Err(error) => return Err(error),
        };
    }
    Ok((found, missing))
}
