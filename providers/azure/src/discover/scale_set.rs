//! One scale set: requests what either orchestration mode needs concurrently, and reads the mode
//! from the responses.
//!
//! U: the set's own interfaces (a Uniform set has some). V: the virtual machines that name the set
//! (a Flexible set has some). N: the interfaces of the group, first page, which V's are looked up
//! in. The first of U and V with members wins and the other is dropped; `uniform.rs` and
//! `flexible.rs` read on from there. Neither: `empty_scale_set.rs` finds out why. The set itself is
//! not read if it has members: Azure allows 12 such reads a minute for a whole fleet.

use std::pin::pin;

use cloud_autojoin_core::Result;
use futures::future::{Either, FutureExt, pending, ready, select, try_join};
use serde::de::DeserializeOwned;

use super::attachment::Members;
use super::empty_scale_set::{self, PathEnd, PathEnds};
use super::lookup::PartialList;
use super::query::Query;
use super::{flexible, uniform};
use crate::arm::{
    Listing, NetworkInterface, ResourceId, UNIFORM_INTERFACES, VirtualMachine, is_not_found,
    name_key,
};
use crate::select::OrchestrationMode;

/// Gets the members of a scale set, by the paths of either mode or of the one that is given.
///
/// # Errors
///
/// There is no such set, or a part of what its mode needs can't be read.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
) -> Result<Members> {
    if mode.is_none()
        && let Some(known) = query.caches.mode(set)
    {
        if let Some(members) = resolve_listed(query, set, Some(known)).await? {
            return Ok(members);
        }
        // The set was emptied, or made anew in the other mode.
        query.caches.keep_mode(set, None);
    }
    match attempt(query, set, mode).await? {
        Ok(members) => {
            query.caches.keep_mode(set, members.mode);
            Ok(members)
        }
        Err(ends) => empty_scale_set::explain(query, set, ends).await,
    }
}

/// Gets the members of a scale set that was there a moment ago, by its mode if that is known. `None`
/// if it has none or was deleted.
///
/// # Errors
///
/// A part of what its mode needs can't be read.
pub(super) async fn resolve_listed(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
) -> Result<Option<Members>> {
    match attempt(query, set, mode).await? {
        Ok(members) => Ok(Some(members)),
        Err(mut ends) => match ends.take(|error| !is_not_found(error)) {
            Some(error) => Err(error),
            None => Ok(None),
        },
    }
}

/// A list that was read to the first page with a member, and the rest of it.
type Opened<'a, T> = (Vec<T>, Listing<'a, T>);

/// The path that has members.
enum Winner<'a> {
    Uniform(Opened<'a, NetworkInterface>),
    Flexible(Opened<'a, VirtualMachine>),
}

/// The members, or how both paths ended without any.
async fn attempt(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
) -> Result<Result<Members, PathEnds>> {
    let requests = query.requests();
    let may_be = |path| mode.is_none_or(|mode| mode == path);
    let is_uniform = may_be(OrchestrationMode::Uniform);
    let uniform = async {
        let list = query.list(requests.of_uniform_set(&UNIFORM_INTERFACES, set));
        let ended = open(list, is_uniform, |_| true).await;
        ended.map_err(Winner::Uniform)
    };
    let is_flexible = may_be(OrchestrationMode::Flexible);
    let flexible = async {
        let list = query.list(requests.flexible_members(set));
        let is_member = |machine: &VirtualMachine| machine.is_member_of(set) != Some(false);
        let ended = open(list, is_flexible, is_member).await;
        ended.map_err(Winner::Flexible)
    };
    let interfaces = async move {
        if !is_flexible {
            return pending().await;
        }
        let mut rest = query.list_in(set.resource_group());
        Ok(PartialList {
            group: set.resource_group().map(name_key).unwrap_or_default(),
            read: rest.next().await?,
            rest,
            must_list: true,
        })
    };
    // All of them go on, whichever is ready.
    let paths = pin!(try_join(uniform, flexible));
    let (ended, interfaces) = match select(paths, interfaces.boxed()).await {
        Either::Left((ended, interfaces)) => (ended, interfaces),
        Either::Right((interfaces, paths)) => (paths.await, ready(interfaces).boxed()),
    };
    Ok(match ended {
        Ok((uniform, flexible)) => Err(PathEnds { flexible, uniform }),
        Err(Winner::Flexible(opened)) => {
            Ok(flexible::resolve(query, set, opened, interfaces).await?)
        }
        Err(Winner::Uniform(opened)) => {
            drop(interfaces);
            Ok(uniform::resolve(query, set, opened).await?)
        }
    })
}

/// Reads the list to the first page with a member, which is an `Err` so that `try_join` ends with
/// it: where a filter was lost, other machines may come first. `Ok`: how the path ended without
/// members.
async fn open<T: DeserializeOwned>(
    mut list: Listing<'_, T>,
    is_requested: bool,
    is_member: impl Fn(&T) -> bool,
) -> Result<PathEnd, Opened<'_, T>> {
    let mut items = Vec::new();
    while is_requested && list.has_more() {
        match list.next().await {
            Ok(page) => items.extend(page),
            Err(error) => return Ok(Some(Err(error))),
        }
        if items.iter().any(&is_member) {
            return Err((items, list));
        }
    }
    Ok(is_requested.then_some(Ok(())))
}
