//! Gets resources by their ids (interfaces above all), in as few requests as can be known
//! beforehand.
//!
//! Reading a list costs a request a page, reading single interfaces one each; how many pages a list
//! has is not known. So a list is read on as long as the pages read are fewer than the resources
//! that are missing, and what is missing then is read singly: never more than twice what the better
//! way would have cost (the rule of ski rental).

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Error, Result};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::query::Query;
use crate::arm::{Listing, Properties, Resource, ResourceId, is_not_found, name_key};

/// How many single resources are read concurrently.
pub(super) const CONCURRENT_READS: usize = 8;

/// The resources found, by id. Those missing were deleted.
pub(super) type Found<R> = HashMap<ResourceId, R>;

/// A list of which the first pages may have been read already.
pub(super) struct PartialList<'a, R> {
    /// The key of the resource group that is listed; empty: the whole subscription.
    pub group: String,
    /// What was read.
    pub read: Vec<R>,
    /// What is left.
    pub rest: Listing<'a, R>,
}

impl<'a, R> PartialList<'a, R> {
    /// A list that wasn't requested yet.
    pub(super) fn new(rest: Listing<'a, R>) -> Self {
        let (group, read) = (String::new(), Vec::new());
        Self { group, read, rest }
    }
}

/// What a list has of the wanted resources, and the others.
pub(super) type Hits<R> = (Found<R>, Ids);

pub(super) type Ids = HashSet<ResourceId>;

impl<'a> Query<'a> {
    /// Gets `wanted`, some of which may be in `partial`.
    ///
    /// A few are read as quickly singly and concurrently as by a list, and that needs no permission
    /// over the whole group. But Azure allows 12 reads a minute of one virtual machine or scale
    /// set, for all clients together, where lists have 300 and more: each of these is looked for in
    /// the list of its group first.
    ///
    /// # Errors
    ///
    /// A list or a resource can't be read. A deleted one (404) is no error.
    pub(super) async fn look_up<P: Properties>(
        self,
        wanted: impl IntoIterator<Item = ResourceId>,
        mut partial: Option<PartialList<'a, Resource<P>>>,
    ) -> Result<Found<Resource<P>>> {
        let is_limited = P::KIND.name.starts_with("Microsoft.Compute/");
        let few = if is_limited { 0 } else { CONCURRENT_READS };
        let is_whole = partial.as_ref().is_some_and(|list| list.group.is_empty());
        let mut groups: HashMap<String, Vec<ResourceId>> = HashMap::new();
        for id in wanted {
            let group = id.resource_group().filter(|_| !is_whole);
            let group = group.map(name_key).unwrap_or_default();
            groups.entry(group).or_default().push(id);
        }
        let mut hits = Vec::new();
        for (group, missing) in groups {
            let missing = Ids::from_iter(missing);
            let unread = || {
                let group = missing.iter().find_map(ResourceId::resource_group)?;
                let is_cheaper = missing.len() > few;
                is_cheaper.then(|| PartialList::new(self.list_in::<P>(Some(group))))
            };
            let begun = partial.take_if(|list| list.group == group);
            let list = begun.or_else(unread);
            let by_id = |missing: &mut Ids, resource: &Resource<P>| missing.take(&resource.id);
            hits.push(search(list, missing, false, by_id));
        }
        let hits = try_join_all(hits).await?;
        self.read_missing(hits, |id| self.requests().one(&P::KIND, id))
            .await
    }

    /// Reads the resources that no list has by a `request` each.
    ///
    /// # Errors
    ///
    /// A resource can't be read. A deleted one (404) is no error.
    pub(super) async fn read_missing<P: Properties>(
        self,
        hits: impl IntoIterator<Item = Hits<Resource<P>>>,
        request: impl Fn(&ResourceId) -> Request,
    ) -> Result<Found<Resource<P>>> {
        let mut found = Found::new();
        let mut missing = Vec::new();
        for (listed, others) in hits {
            // Mostly there is one list, and ids are long to hash.
            if found.is_empty() {
                found = listed;
            } else {
                found.extend(listed);
            }
            missing.extend(others);
        }
        let reads = missing.into_iter().map(|id| async {
            match self.read(request(&id)).await {
                Ok(resource) => Ok(Some((id, resource))),
                Err(error) if is_not_found(&error) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let reads = stream::iter(reads).buffer_unordered(CONCURRENT_READS);
        let read: Vec<_> = reads.try_collect().await?;
        found.extend(read.into_iter().flatten());
        Ok(found)
    }
}

/// Searches a list for missing resources; `take` tells which one an item is. The list is read as
/// far as pays off or, if it `is_short`, to its end.
///
/// # Errors
///
/// A page can't be read, and single resources are no way out.
pub(super) async fn search<R: serde::de::DeserializeOwned>(
    list: Option<PartialList<'_, R>>,
    mut missing: Ids,
    is_short: bool,
    take: impl Fn(&mut Ids, &R) -> Option<ResourceId>,
) -> Result<Hits<R>> {
    let mut found = Found::new();
    let Some(mut list) = list else {
        return Ok((found, missing));
    };
    // The pages read already are paid for.
    let paid = list.rest.pages_read();
    loop {
        found.reserve(list.read.len().min(missing.len()));
        for resource in list.read {
            if let Some(id) = take(&mut missing, &resource) {
                found.insert(id, resource);
            }
        }
        let pays_off = list.rest.pages_read() - paid < missing.len();
        if !list.rest.has_more() || missing.is_empty() || !(is_short || pays_off) {
            break;
        }
        list.read = match list.rest.next().await {
            Ok(page) => page,
            // The permission to read single resources may not cover the group, a deleted resource
            // shows when it is read, and not every Azure knows every query.
            Err(Error::Api(error)) if paid == 0 && matches!(error.status(), 400 | 403 | 404) => {
                break;
            }
            Err(error) => return Err(error),
        };
    }
    Ok((found, missing))
}
