//! Instances of a Flexible set: ordinary virtual machines that name the set, each with its interfaces.
//!
//! The virtual machines (V) do not carry addresses, only the ids of interfaces; those are joined without case with the interfaces of the group (N). An id that N lacks stands on a later page, in
//! another group, or is gone: `lookup.rs`. N counts only if an interface of the group is needed; a refusal of it is no error else.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use cloud_autojoin_core::{Call, Exclusion, Result};
use futures::FutureExt;

use super::candidate::{Candidate, Instance, unseen};
use super::lookup::{Begun, Found, look_up};
use super::scale_set::{Opened, Resolved, ScaleSetName, Slot, may_belong};
use crate::arm::{NetworkInterface, ResourceId, VirtualMachine, same_name};
use crate::azure::Azure;
use crate::config::OrchestrationMode;

/// Reads the virtual machines to the end and looks up their interfaces, the first page of which is on its way.
///
/// # Errors
///
/// A page of virtual machines or of interfaces, or a single interface, that cannot be read.
pub(super) async fn resolve(
    azure: &Azure,
    call: &Call,
    set: &ScaleSetName,
    (first, rest): Opened<VirtualMachine>,
    mut interfaces: Slot<'_, Begun<NetworkInterface>>,
) -> Result<Resolved> {
    let mut machines = Slot::new(rest.read_on(first, call).boxed());
    // The interfaces come while the virtual machines are read.
    poll_fn(|context| {
        interfaces.poll(context);
        machines.poll(context);
        if machines.is_running() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let id = set.id(azure);
    let (machines, foreign): (Vec<_>, Vec<_>) =
        machines.answer().await.transpose()?.unwrap_or_default().into_iter().partition(|machine| may_belong(machine, &id));

    let in_group = |id: &ResourceId| id.resource_group().is_some_and(|group| same_name(group, &set.resource_group));
    let begun = if machines.iter().flat_map(VirtualMachine::interface_ids).any(in_group) {
        interfaces.answer().await.transpose()?
    } else {
        drop(interfaces);
        None
    };
    let wanted = machines.iter().flat_map(VirtualMachine::interface_ids).cloned();
    let mut found = look_up(azure, call, wanted, begun).await?;

    let mut resolved = Resolved::new(OrchestrationMode::Flexible);
    for machine in &foreign {
        resolved.left_out.push(Instance::of(machine).node(Exclusion::NotMember { of: format!("scale set `{}`", set.name) }));
    }
    for machine in &machines {
        let instance = Instance { scale_set: Some(set.name.clone()), ..Instance::of(machine) };
        gather(&mut resolved, machine, Arc::new(instance), &mut found);
    }
    Ok(resolved)
}

/// Sorts the interfaces of a virtual machine into those found and those gone.
pub(super) fn gather(resolved: &mut Resolved, machine: &VirtualMachine, instance: Arc<Instance>, found: &mut Found<NetworkInterface>) {
    let mut has_interfaces = false;
    for id in machine.interface_ids() {
        has_interfaces = true;
        match found.remove(id) {
            Some(interface) => resolved.candidates.push(Candidate { interface, instance: Some(Arc::clone(&instance)) }),
            None => resolved.left_out.push(unseen(id, &instance, Exclusion::Vanished)),
        }
    }
    if !has_interfaces {
        resolved.left_out.push(instance.node(Exclusion::NoAddress));
    }
}
