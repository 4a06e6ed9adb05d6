//! One scale set: requests what either orchestration mode needs side by side, and reads the mode
//! from the responses.
//!
//! U: the set's own interfaces (a Uniform set has some). V: the virtual machines that name the set
//! (a Flexible set has some). N: the interfaces of the group, first page, which V's are looked up
//! in. The first of U and V with members wins and the other is dropped; `uniform.rs` and
//! `flexible.rs` read on from there. Neither: `empty_scale_set.rs` finds out why. The set itself is
//! not read on the good path: Azure allows 12 such reads a minute for a whole fleet.

use std::future::poll_fn;
use std::pin::{Pin, pin};

use cloud_autojoin_core::Result;
use futures::FutureExt;
use futures::future::{Either, maybe_done, select};
use serde::de::DeserializeOwned;

use super::candidate::Resolved;
use super::empty_scale_set::{self, PathEnd, PathEnds};
use super::lookup::PartialList;
use super::query::Query;
use super::{flexible, uniform};
use crate::arm::{
    Listing, NetworkInterface, ResourceId, UNIFORM_INTERFACES, VirtualMachine, is_not_found,
};
use crate::select::OrchestrationMode;

/// Resolves one scale set, by the paths of either mode or of the one that is given. With
/// `instance_tags` the instances' own tags are read too, which a Uniform set keeps in a list of its
/// own.
///
/// # Errors
///
/// There is no such set; or what its mode takes cannot be read, wholly.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
    instance_tags: bool,
) -> Result<Resolved> {
    if mode.is_none()
        && let Some(known) = query.caches.mode(set)
    {
        match attempt(query, set, Some(known), instance_tags).await? {
            Ok(resolved) => return Ok(resolved),
            // The set was emptied, or made anew in the other mode: all is asked again.
            Err(mut ends) => match ends.take(|error| !is_not_found(error)) {
                Some(error) => return Err(error),
                None => query.caches.keep_mode(set, None),
            },
        }
    }
    match attempt(query, set, mode, instance_tags).await? {
        Ok(resolved) => {
            query.caches.keep_mode(set, resolved.mode);
            Ok(resolved)
        }
        Err(ends) => empty_scale_set::explain(query, set, ends).await,
    }
}

/// Resolves a scale set that a list has just shown, with its mode if that is known. One that has no
/// members, or is gone by now, is an empty answer.
///
/// # Errors
///
/// What its mode takes cannot be read, wholly.
pub(super) async fn resolve_listed(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
    instance_tags: bool,
) -> Result<Resolved> {
    match attempt(query, set, mode, instance_tags).await? {
        Ok(resolved) => Ok(resolved),
        Err(mut ends) => {
            let failure = ends.take(|error| !is_not_found(error));
            failure.map_or_else(|| Ok(Resolved::default()), Err)
        }
    }
}

/// A list that was read to the first page with a member, or that has none; and the rest of it.
type Opened<'a, T> = (Vec<T>, Listing<'a, T>);

enum Race<'a> {
    Uniform(Opened<'a, NetworkInterface>),
    Flexible(Opened<'a, VirtualMachine>),
    Neither(PathEnds),
}

/// The members, or how both paths ended without any.
async fn attempt(
    query: Query<'_>,
    set: &ResourceId,
    mode: Option<OrchestrationMode>,
    instance_tags: bool,
) -> Result<Result<Resolved, PathEnds>> {
    let requests = query.requests();
    let asks = |path| mode.is_none_or(|mode| mode == path);
    let race = async {
        let uniform = async {
            let request = requests.of_uniform_set(&UNIFORM_INTERFACES, set);
            open(
                query.list(request),
                asks(OrchestrationMode::Uniform),
                |_| true,
            )
            .await
        };
        let flexible = async {
            let is_member = |machine: &VirtualMachine| machine.is_member_of(set) != Some(false);
            let request = requests.flexible_members(set);
            open(
                query.list(request),
                asks(OrchestrationMode::Flexible),
                is_member,
            )
            .await
        };
        match select(pin!(uniform), pin!(flexible)).await {
            Either::Left((Ok(opened), _)) => Race::Uniform(opened),
            Either::Right((Ok(opened), _)) => Race::Flexible(opened),
            Either::Left((Err(uniform), flexible)) => match flexible.await {
                Ok(opened) => Race::Flexible(opened),
                Err(flexible) => Race::Neither(PathEnds { flexible, uniform }),
            },
            Either::Right((Err(flexible), uniform)) => match uniform.await {
                Ok(opened) => Race::Uniform(opened),
                Err(uniform) => Race::Neither(PathEnds { flexible, uniform }),
            },
        }
    };
    let mut interfaces = maybe_done(Box::pin(async {
        if asks(OrchestrationMode::Flexible) {
            begin(query, set).await.map(Some)
        } else {
            Ok(None)
        }
    }));
    let mut race = pin!(race);
    // All of them go on, whichever is ready.
    let race = poll_fn(|context| {
        let ended = race.as_mut().poll(context);
        _ = interfaces.poll_unpin(context);
        ended
    });
    let race = race.await;
    match race {
        Race::Neither(ends) => Ok(Err(ends)),
        Race::Flexible(opened) => {
            let interfaces = Box::pin(async move {
                (&mut interfaces).await;
                let begun = Pin::new(&mut interfaces).take_output();
                begun.unwrap_or(Ok(None))
            });
            let resolved = flexible::resolve(query, set, opened, interfaces).await;
            resolved.map(Ok)
        }
        Race::Uniform(opened) => {
            drop(interfaces);
            let resolved = uniform::resolve(query, set, opened, instance_tags).await;
            resolved.map(Ok)
        }
    }
}

/// Reads the list to the first page with a member: where a filter was lost, other machines may come
/// first. How the path ended where there is none, or where it `is_asked` not.
async fn open<T: DeserializeOwned>(
    mut list: Listing<'_, T>,
    is_asked: bool,
    is_member: impl Fn(&T) -> bool,
) -> Result<Opened<'_, T>, PathEnd> {
    if !is_asked {
        return Err(None);
    }
    let mut items = Vec::new();
    while list.has_more() {
        items.extend(list.next().await.map_err(|error| Some(Err(error)))?);
        if items.iter().any(&is_member) {
            return Ok((items, list));
        }
    }
    Err(Some(Ok(())))
}

/// The first page of the interfaces of the set's group.
async fn begin<'a>(
    query: Query<'a>,
    set: &ResourceId,
) -> Result<PartialList<'a, NetworkInterface>> {
    let group = set.resource_group();
    let mut rest = query.list_in(group);
    Ok(PartialList {
        resource_group: group.map(str::to_owned),
        read: rest.next().await?,
        rest,
        must_list: true,
    })
}
