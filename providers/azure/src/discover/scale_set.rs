//! One scale set: requests what either orchestration mode needs concurrently, and reads the mode
//! from the responses.
//!
//! U: the set's own interfaces (a Uniform set has some). V: the virtual machines that name the set
//! (a Flexible set has some). N: the interfaces of the group, first page, which V's are looked up
//! in. The first of U and V with members wins and the other is dropped; `members.rs`
//! reads on from there. Neither: `empty_scale_set.rs` finds out why. The set itself is
//! not read if it has members: Azure allows 12 such reads a minute for a whole fleet.

use std::pin::pin;

use cloud_autojoin_core::Result;
use futures::future::{Either, FutureExt, pending, ready, select, try_join};
use serde::de::DeserializeOwned;

use super::empty_scale_set::{PathEnd, PathEnds, take};
use super::lookup::PartialList;
use super::members::{Interfaces, Machines, Members};
use super::query::Query;
use crate::arm::{Listing, ResourceId, UNIFORM_INTERFACES, VirtualMachine, is_not_found, name_key};
use crate::select::OrchestrationMode as Mode;

/// The path that has members.
enum Winner<'a> {
    Uniform(Interfaces<'a>),
    Flexible(Machines<'a>),
}

impl Query<'_> {
    /// Gets the members of a scale set, by the paths of either mode or of the one that is given.
    ///
    /// # Errors
    ///
    /// There is no such set, or a part of what its mode needs can't be read.
    pub(super) async fn members(self, set: &ResourceId, mode: Option<Mode>) -> Result<Members> {
        let known = self.caches.mode(set).filter(|_| mode.is_none());
        if known.is_some() {
            if let Some(members) = self.members_if_any(set, known).await? {
                return Ok(members);
            }
            // The set was emptied, or made anew in the other mode.
            self.caches.keep_mode(set, None);
        }
        match self.attempt(set, mode).await? {
            Ok(members) => {
                self.caches.keep_mode(set, members.mode);
                Ok(members)
            }
            Err(ends) => Ok(Members {
                findings: self.explain_empty(set, ends).await?,
                ..Members::default()
            }),
        }
    }

    /// Gets the members of a scale set that was there a moment ago, by its mode if that is known.
    /// `None` if it has none or was deleted.
    ///
    /// # Errors
    ///
    /// A part of what its mode needs can't be read.
    pub(super) async fn members_if_any(
        self,
        set: &ResourceId,
        mode: Option<Mode>,
    ) -> Result<Option<Members>> {
        match self.attempt(set, mode).await? {
            Ok(members) => Ok(Some(members)),
            Err(mut ends) => match take(&mut ends, |error| !is_not_found(error)) {
                Some(error) => Err(error),
                None => Ok(None),
            },
        }
    }

    /// The members, or how both paths ended without any.
    async fn attempt(
        self,
        set: &ResourceId,
        mode: Option<Mode>,
    ) -> Result<Result<Members, PathEnds>> {
        let requests = self.requests();
        let is_uniform = mode != Some(Mode::Flexible);
        let uniform = async {
            let list = self.list(requests.of_uniform_set(&UNIFORM_INTERFACES, set));
            let ended = open(list, is_uniform, |_| true).await;
            ended.map_err(Winner::Uniform)
        };
        let is_flexible = mode != Some(Mode::Uniform);
        let flexible = async {
            let list = self.list(requests.flexible_members(set));
            let is_member = |machine: &VirtualMachine| machine.is_member_of(set) != Some(false);
            let ended = open(list, is_flexible, is_member).await;
            ended.map_err(Winner::Flexible)
        };
        let interfaces = async move {
            if !is_flexible {
                return pending().await;
            }
            let mut list = PartialList::new(self.list_in(set.resource_group()));
            list.group = set.resource_group().map(name_key).unwrap_or_default();
            list.read = list.rest.next().await?;
            Ok(list)
        };
        // All of them go on, whichever is ready.
        let paths = pin!(try_join(uniform, flexible));
        let (ended, interfaces) = match select(paths, interfaces.boxed()).await {
            Either::Left((ended, interfaces)) => (ended, interfaces),
            Either::Right((interfaces, paths)) => (paths.await, ready(interfaces).boxed()),
        };
        Ok(match ended {
            Ok((uniform, flexible)) => Err([flexible, uniform]),
            Err(Winner::Flexible(list)) => Ok(self.flexible(set, list, interfaces).await?),
            Err(Winner::Uniform(list)) => {
                drop(interfaces);
                Ok(self.uniform(set, list).await?)
            }
        })
    }
}

/// Reads the list to the first page with a member, which is an `Err` so that `try_join` ends with
/// it: where a filter was lost, other machines may come first. `Ok`: how the path ended without
/// members.
async fn open<T: DeserializeOwned>(
    list: Listing<'_, T>,
    is_requested: bool,
    is_member: impl Fn(&T) -> bool,
) -> Result<PathEnd, PartialList<'_, T>> {
    let mut list = PartialList::new(list);
    while is_requested && list.rest.has_more() {
        match list.rest.next().await {
            Ok(page) => list.read.extend(page),
            Err(error) => return Ok(Some(Err(error))),
        }
        if list.read.iter().any(&is_member) {
            return Err(list);
        }
    }
    Ok(is_requested.then_some(Ok(())))
}
