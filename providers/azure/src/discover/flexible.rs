//! Instances of a Flexible set: ordinary virtual machines that name the set, each with its
//! interfaces.
//!
//! The virtual machines (V) do not carry addresses, only the ids of interfaces; those are joined
//! without case with the interfaces of the group (N), which are read beside them, page by page. An
//! id that N lacks by then is on a later page, in another group, or is gone: `lookup.rs`. N counts
//! only if an interface of the group is needed; a refusal of it is no error else.

use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use cloud_autojoin_core::{Error, Exclusion, Finding, Result};
use futures::future::{Either, select};

use super::candidate::{Candidate, Instance, unseen};
use super::completeness;
use super::lookup::{Found, PartialList, look_up};
use super::members::{Opened, Resolved, ScaleSetName, belongs};
use super::query::Query;
use super::slot::Slot;
use crate::arm::{NetworkInterface, ResourceId, VirtualMachine, same_name};
use crate::select::OrchestrationMode;

/// Reads the virtual machines to the end and looks up their interfaces, the first page of which is
/// on its way.
///
/// # Errors
///
/// A page of virtual machines or of interfaces, or a single interface, that cannot be read.
pub(super) async fn resolve(
    query: Query<'_>,
    set: &ScaleSetName,
    (first, mut rest): Opened<'_, VirtualMachine>,
    interfaces: Slot<'_, PartialList<'_, NetworkInterface>>,
) -> Result<Resolved> {
    let asked_for = AtomicUsize::new(rest.pages_read());
    let reading = async {
        let mut machines = first;
        while rest.has_more() {
            asked_for.fetch_add(1, Ordering::Relaxed);
            machines.extend(rest.next().await?.unwrap_or_default());
        }
        asked_for.store(0, Ordering::Relaxed);
        Ok::<_, Error>(machines)
    };
    let reading_along = pin!(read_along(interfaces, &asked_for));
    let (machines, partial) = match select(pin!(reading), reading_along).await {
        Either::Left((machines, reading_along)) => (machines?, Either::Left(reading_along)),
        Either::Right((partial, reading)) => (reading.await?, Either::Right(ready(partial))),
    };
    let id = set.id(query);
    if let Some(machine) = machines
        .iter()
        .find(|machine| belongs(machine, &id).is_none())
    {
        return Err(completeness::of_membership(machine, &set.name));
    }
    let (machines, foreign): (Vec<_>, Vec<_>) = machines
        .into_iter()
        .partition(|machine| belongs(machine, &id) == Some(true));

    let in_group = |id: &ResourceId| {
        id.resource_group()
            .is_some_and(|group| same_name(group, &set.resource_group))
    };
    let needed = machines
        .iter()
        .flat_map(VirtualMachine::interface_ids)
        .any(in_group);
    let partial = if needed { partial.await? } else { None };
    let wanted = machines
        .iter()
        .flat_map(VirtualMachine::interface_ids)
        .cloned();
    let mut found = look_up(query, wanted, partial).await?;

    let mut resolved = Resolved::new(OrchestrationMode::Flexible);
    if !foreign.is_empty() {
        let message = format!(
            "Azure was asked for the virtual machines of scale set `{}` alone, and {} of the answer do not belong to it",
            set.name,
            foreign.len()
        );
        resolved.findings.push(Finding::new(message).with_hint("something on the way may drop the `$filter` of requests: check the proxy (`HTTPS_PROXY`)"));
    }
    for machine in &foreign {
        resolved
            .excluded
            .push(Instance::of(machine).node(Exclusion::NotMember {
                of: format!("scale set `{}`", set.name),
            }));
    }
    for machine in &machines {
        let instance = Instance {
            scale_set: Some(set.name.clone()),
            ..Instance::of(machine)
        };
        gather(&mut resolved, machine, Arc::new(instance), &mut found)?;
    }
    Ok(resolved)
}

/// Goes on with the group's interfaces while the virtual machines are read, a page for each page of
/// those: every machine has an interface, so a set that fills pages fills as many of them.
///
/// `machine_pages` is how many pages of virtual machines have been asked for, zero when they are at
/// an end. It is looked at whenever this is polled, which has to be together with whatever changes
/// it.
async fn read_along<'a>(
    interfaces: Slot<'_, PartialList<'a, NetworkInterface>>,
    machine_pages: &AtomicUsize,
) -> Result<Option<PartialList<'a, NetworkInterface>>> {
    let Some(mut partial) = interfaces.answer().await.transpose()? else {
        return Ok(None);
    };
    while partial.rest.has_more() {
        let read = partial.rest.pages_read();
        let goes_on = poll_fn(|_| match machine_pages.load(Ordering::Relaxed) {
            0 => Poll::Ready(false),
            asked_for if asked_for > read => Poll::Ready(true),
            _ => Poll::Pending,
        });
        if !goes_on.await {
            break;
        }
        partial
            .read
            .extend(partial.rest.next().await?.unwrap_or_default());
    }
    Ok(Some(partial))
}

/// Sorts the interfaces of a virtual machine into those found and those gone.
///
/// # Errors
///
/// The answer leaves out which interfaces the machine has.
pub(super) fn gather(
    resolved: &mut Resolved,
    machine: &VirtualMachine,
    instance: Arc<Instance>,
    found: &mut Found<NetworkInterface>,
) -> Result<()> {
    if machine.lacks_interfaces() {
        return Err(completeness::of_machine(machine));
    }
    let mut has_interfaces = false;
    for id in machine.interface_ids() {
        has_interfaces = true;
        match found.remove(id) {
            Some(interface) => resolved.candidates.push(Candidate {
                interface,
                instance: Some(Arc::clone(&instance)),
            }),
            None => resolved
                .excluded
                .push(unseen(id, &instance, Exclusion::Vanished)),
        }
    }
    if !has_interfaces {
        resolved.excluded.push(instance.node(Exclusion::NoAddress));
    }
    Ok(())
}
