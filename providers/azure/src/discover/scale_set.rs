//! One scale set: requests what either orchestration mode needs side by side, and reads the mode
//! from the responses.
//!
//! U: the set's own interfaces (a Uniform set has some). V: the virtual machines that name the set
//! (a Flexible set has some). N: the interfaces of the group, first page, which V's are looked up
//! in. The first of U and V with members wins and the other is dropped; `uniform.rs` and
//! `flexible.rs` read on from there. Neither: `empty_scale_set.rs` finds out why. The set itself is
//! not read on the good path: Azure allows 12 such reads a minute for a whole fleet.

use std::future::poll_fn;
use std::task::Poll;

use cloud_autojoin_core::Result;
use futures::FutureExt;

use super::lookup::PartialList;
use super::members::{Opened, PathEnd, Resolved, ScaleSetName, belongs};
use super::query::Query;
use super::slot::Slot;
use super::{empty_scale_set, flexible, uniform};
use crate::arm::{Listing, NetworkInterface, ResourceId, VirtualMachine, is_not_found};
use crate::select::OrchestrationMode;

/// What is wanted of a set beyond its interfaces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// The mode, where it is configured: only that path is asked.
    pub mode: Option<OrchestrationMode>,
    /// The instances' own tags, which a Uniform set keeps in a list of its own.
    pub instance_tags: bool,
}

/// Resolves one scale set.
///
/// # Errors
///
/// There is no such set; or what its mode takes cannot be read, wholly.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ScaleSetName,
    wanted: Wanted,
) -> Result<Resolved> {
    let id = set.id(query);
    if wanted.mode.is_none()
        && let Some(mode) = query.caches.mode(&id)
    {
        match attempt(
            query,
            set,
            Wanted {
                mode: Some(mode),
                ..wanted
            },
        )
        .await
        {
            Ok(Attempt::Members(resolved)) => return Ok(resolved),
            Ok(Attempt::Neither { uniform, flexible }) => {
                let end = match mode {
                    OrchestrationMode::Uniform => uniform,
                    OrchestrationMode::Flexible => flexible,
                };
                match end {
                    // The set was emptied, or made anew in the other mode: all is asked again.
                    Some(PathEnd::Empty) | None => query.caches.keep_mode(&id, None),
                    Some(PathEnd::Failed(error)) if is_not_found(&error) => {
                        query.caches.keep_mode(&id, None)
                    }
                    Some(PathEnd::Failed(error)) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    match attempt(query, set, wanted).await? {
        Attempt::Members(resolved) => {
            query.caches.keep_mode(&id, Some(resolved.mode));
            Ok(resolved)
        }
        Attempt::Neither { uniform, flexible } => {
            empty_scale_set::explain(query, set, uniform, flexible).await
        }
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
    set: &ScaleSetName,
    mode: Option<OrchestrationMode>,
    instance_tags: bool,
) -> Result<Resolved> {
    match attempt(
        query,
        set,
        Wanted {
            mode,
            instance_tags,
        },
    )
    .await?
    {
        Attempt::Members(resolved) => Ok(resolved),
        Attempt::Neither { uniform, flexible } => {
            for end in [uniform, flexible] {
                if let Some(PathEnd::Failed(error)) = end
                    && !is_not_found(&error)
                {
                    return Err(error);
                }
            }
            Ok(Resolved::new(mode.unwrap_or(OrchestrationMode::Uniform)))
        }
    }
}

enum Attempt {
    Members(Resolved),
    Neither {
        uniform: Option<PathEnd>,
        flexible: Option<PathEnd>,
    },
}

async fn attempt(query: Query<'_>, set: &ScaleSetName, wanted: Wanted) -> Result<Attempt> {
    let requests = query.requests();
    let (group, name) = (set.resource_group.as_str(), set.name.as_str());
    let id = set.id(query);
    let asks_mode = |mode| wanted.mode.is_none_or(|wanted| wanted == mode);

    let mut uniform = Slot::empty();
    if asks_mode(OrchestrationMode::Uniform) {
        uniform = Slot::new(
            query
                .list::<NetworkInterface>(requests.scale_set_network_interfaces(group, name))
                .open()
                .boxed(),
        );
    }
    let (mut machines, mut interfaces) = (Slot::empty(), Slot::empty());
    if asks_mode(OrchestrationMode::Flexible) {
        machines = Slot::new(
            open_members(
                query.list::<VirtualMachine>(requests.scale_set_members(group, name, false)),
                &id,
            )
            .boxed(),
        );
        let first_page = query.list::<NetworkInterface>(requests.network_interfaces(Some(group)));
        interfaces = Slot::new(begin(first_page, group).boxed());
    }

    loop {
        if let Some(opened) = machines.take_if(|(machines, _)| has_member(machines, &id)) {
            drop(uniform);
            return flexible::resolve(query, set, opened, interfaces)
                .await
                .map(Attempt::Members);
        }
        if let Some(opened) = uniform.take_if(has_members) {
            drop((machines, interfaces));
            return uniform::resolve(query, set, opened, wanted.instance_tags)
                .await
                .map(Attempt::Members);
        }
        if !uniform.is_running() && !machines.is_running() {
            return Ok(Attempt::Neither {
                uniform: uniform.end(),
                flexible: machines.end(),
            });
        }
        poll_fn(|context| {
            // All three go on, whichever is ready.
            let changed = [
                uniform.poll(context),
                machines.poll(context),
                interfaces.poll(context),
            ];
            if changed.contains(&true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

fn has_members(opened: &Opened<'_, NetworkInterface>) -> bool {
    !opened.0.is_empty()
}

/// Reads the list to the first page with a member, or to the end: where the filter was lost, other
/// machines may come first.
async fn open_members<'a>(
    mut list: Listing<'a, VirtualMachine>,
    scale_set: &ResourceId,
) -> Result<Opened<'a, VirtualMachine>> {
    let mut machines = Vec::new();
    while let Some(page) = list.next().await? {
        machines.extend(page);
        if has_member(&machines, scale_set) {
            break;
        }
    }
    Ok((machines, list))
}

fn has_member(machines: &[VirtualMachine], scale_set: &ResourceId) -> bool {
    machines
        .iter()
        .any(|machine| belongs(machine, scale_set) != Some(false))
}

async fn begin<'a>(
    mut list: Listing<'a, NetworkInterface>,
    group: &str,
) -> Result<PartialList<'a, NetworkInterface>> {
    let read = list.next().await?.unwrap_or_default();
    Ok(PartialList {
        resource_group: Some(group.to_owned()),
        read,
        rest: list,
        must_list: true,
    })
}
