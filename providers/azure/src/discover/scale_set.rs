//! One scale set: asks side by side what either orchestration mode takes, and reads the mode off the answers.
//!
//! U: the set's own interfaces (a Uniform set has some). V: the virtual machines that name the set (a Flexible set has some). N: the interfaces of the group, first page, which V's are
//! looked up in. The first of U and V with members wins and the other is dropped; `uniform.rs` and `flexible.rs` read on from there. Neither: `empty_scale_set.rs` finds out why. The set itself is not
//! read on the good path: Azure allows 12 such reads a minute for a whole fleet.

use std::future::poll_fn;
use std::task::{Context, Poll};

use cloud_autojoin_core::{Call, Error, Finding, Node, Result};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::candidate::Candidate;
use super::lookup::Begun;
use super::{empty_scale_set, flexible, uniform};
use crate::arm::{Listing, NetworkInterface, ResourceId, VirtualMachine, is_not_found};
use crate::azure::Azure;
use crate::config::OrchestrationMode;

/// Which scale set is meant.
#[derive(Debug, Clone)]
pub(super) struct ScaleSetName {
    /// Its resource group.
    pub resource_group: String,
    /// Its name.
    pub name: String,
}

impl ScaleSetName {
    /// The Uniform set that an instance, or anything of an instance, belongs to; `None` for everything else.
    pub(super) fn of_instance(id: &ResourceId) -> Option<Self> {
        id.after("virtualMachines")?;
        Some(Self { resource_group: id.resource_group()?.to_owned(), name: id.after("virtualMachineScaleSets")?.to_owned() })
    }

    /// Its id in the spelling given.
    pub(super) fn id(&self, azure: &Azure) -> ResourceId {
        ResourceId::scale_set(&azure.config().subscription_id, &self.resource_group, &self.name)
    }
}

/// What a scale set came to.
pub(super) struct Resolved {
    /// Its mode.
    pub mode: OrchestrationMode,
    /// The interfaces of its instances.
    pub candidates: Vec<Candidate>,
    /// What was looked at and is out.
    pub excluded: Vec<Node>,
    /// What is worth knowing.
    pub findings: Vec<Finding>,
}

impl Resolved {
    /// A set of that mode with nothing in it.
    pub(super) fn new(mode: OrchestrationMode) -> Self {
        Self { mode, candidates: Vec::new(), excluded: Vec::new(), findings: Vec::new() }
    }
}

/// A list whose first page with something on it was read (or which has nothing), and the rest of it.
pub(super) type Opened<T> = (Vec<T>, Listing<T>);

/// What is wanted of a set beyond its interfaces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// The mode, where it is configured: only that path is asked.
    pub mode: Option<OrchestrationMode>,
    /// The instances' own tags, which a Uniform set keeps in a list of its own.
    pub instance_tags: bool,
}

/// How a path without members ended.
#[derive(Debug)]
pub(super) enum PathEnd {
    /// Asked and answered: there are none.
    Empty,
    /// Refused or failed, which matters only if the set is of this path's mode.
    Failed(Error),
}

/// Resolves one scale set.
///
/// # Errors
///
/// There is no such set; or what its mode takes cannot be read, wholly.
pub(super) async fn resolve(azure: &Azure, call: &Call, set: &ScaleSetName, wanted: Wanted) -> Result<Resolved> {
    let id = set.id(azure);
    if wanted.mode.is_none()
        && let Some(mode) = azure.remembered_mode(id.as_str())
    {
        match attempt(azure, call, set, Wanted { mode: Some(mode), ..wanted }).await {
            Ok(Attempt::Members(resolved)) => return Ok(resolved),
            Ok(Attempt::Neither { uniform, flexible }) => {
                let end = match mode {
                    OrchestrationMode::Uniform => uniform,
                    OrchestrationMode::Flexible => flexible,
                };
                match end {
                    // The set was emptied, or made anew in the other mode: all is asked again.
                    Some(PathEnd::Empty) | None => azure.remember_mode(id.as_str(), None),
                    Some(PathEnd::Failed(error)) if is_not_found(&error) => azure.remember_mode(id.as_str(), None),
                    Some(PathEnd::Failed(error)) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    match attempt(azure, call, set, wanted).await? {
        Attempt::Members(resolved) => {
            azure.remember_mode(id.as_str(), Some(resolved.mode));
            Ok(resolved)
        }
        Attempt::Neither { uniform, flexible } => empty_scale_set::explain(azure, call, set, uniform, flexible).await,
    }
}

/// Resolves a scale set that a list has just shown, with its mode if that is known. One that has no members, or is gone by now, is an empty answer.
///
/// # Errors
///
/// What its mode takes cannot be read, wholly.
pub(super) async fn resolve_listed(azure: &Azure, call: &Call, set: &ScaleSetName, mode: Option<OrchestrationMode>, instance_tags: bool) -> Result<Resolved> {
    match attempt(azure, call, set, Wanted { mode, instance_tags }).await? {
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
    Neither { uniform: Option<PathEnd>, flexible: Option<PathEnd> },
}

async fn attempt(azure: &Azure, call: &Call, set: &ScaleSetName, wanted: Wanted) -> Result<Attempt> {
    let arm = azure.arm();
    let asks = arm.asks(&azure.config().subscription_id);
    let (group, name) = (set.resource_group.as_str(), set.name.as_str());
    let id = set.id(azure);
    let asks_mode = |mode| wanted.mode.is_none_or(|wanted| wanted == mode);

    let mut uniform = Slot::empty();
    if asks_mode(OrchestrationMode::Uniform) {
        uniform = Slot::new(arm.list::<NetworkInterface>(asks.scale_set_network_interfaces(group, name)).open(call).boxed());
    }
    let (mut machines, mut interfaces) = (Slot::empty(), Slot::empty());
    if asks_mode(OrchestrationMode::Flexible) {
        machines = Slot::new(open_members(arm.list::<VirtualMachine>(asks.scale_set_members(group, name, false)), &id, call).boxed());
        let first_page = arm.list::<NetworkInterface>(asks.network_interfaces(Some(group)));
        interfaces = Slot::new(begin(first_page, group, call).boxed());
    }

    loop {
        if let Some(opened) = machines.take_if(|(machines, _)| has_member(machines, &id)) {
            drop(uniform);
            return flexible::resolve(azure, call, set, opened, interfaces).await.map(Attempt::Members);
        }
        if let Some(opened) = uniform.take_if(has_members) {
            drop((machines, interfaces));
            return uniform::resolve(azure, call, set, opened, wanted.instance_tags).await.map(Attempt::Members);
        }
        if !uniform.is_running() && !machines.is_running() {
            return Ok(Attempt::Neither { uniform: uniform.end(), flexible: machines.end() });
        }
        poll_fn(|context| {
            // All three go on, whichever is ready.
            let changed = [uniform.poll(context), machines.poll(context), interfaces.poll(context)];
            if changed.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn has_members(opened: &Opened<NetworkInterface>) -> bool {
    !opened.0.is_empty()
}

/// Whether a machine of the filtered list is a member, by the set it names; `None` where the answer
/// says nothing of it.
///
/// The filter alone proves nothing, since a proxy may drop it: a foreign machine in a cluster is
/// worse than an error.
pub(super) fn belongs(machine: &VirtualMachine, scale_set: &ResourceId) -> Option<bool> {
    match &machine.properties.virtual_machine_scale_set {
        Some(reference) if reference.id.is_empty() => None,
        Some(reference) => Some(reference.id == *scale_set),
        None if machine.lacks_interfaces() => None,
        None => Some(false),
    }
}

/// Reads the list to the first page with a member, or to the end: where the filter was lost, other
/// machines may come first.
async fn open_members(mut list: Listing<VirtualMachine>, scale_set: &ResourceId, call: &Call) -> Result<Opened<VirtualMachine>> {
    let mut machines = Vec::new();
    while let Some(page) = list.next(call).await? {
        machines.extend(page);
        if has_member(&machines, scale_set) {
            break;
        }
    }
    Ok((machines, list))
}

fn has_member(machines: &[VirtualMachine], scale_set: &ResourceId) -> bool {
    machines.iter().any(|machine| belongs(machine, scale_set) != Some(false))
}

async fn begin(mut list: Listing<NetworkInterface>, group: &str, call: &Call) -> Result<Begun<NetworkInterface>> {
    let read = list.next(call).await?.unwrap_or_default();
    Ok(Begun { resource_group: Some(group.to_owned()), read, rest: list, must_list: true })
}

/// A question that is on its way, or its answer. Dropping it drops the request.
pub(super) struct Slot<'a, T> {
    running: Option<BoxFuture<'a, Result<T>>>,
    answer: Option<Result<T>>,
}

impl<'a, T> Slot<'a, T> {
    /// A question that is not asked.
    fn empty() -> Self {
        Self { running: None, answer: None }
    }

    /// A question that is asked from now on.
    fn new(running: BoxFuture<'a, Result<T>>) -> Self {
        Self { running: Some(running), answer: None }
    }

    /// Goes on with the question; true when the answer has just come.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let Poll::Ready(answer) = running.poll_unpin(context) else { return false };
        (self.running, self.answer) = (None, Some(answer));
        true
    }

    /// Whether the answer is still to come.
    fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The answer, waited for where it has not come yet; `None` where nothing was asked.
    pub(super) async fn answer(mut self) -> Option<Result<T>> {
        match self.running.take() {
            Some(running) => Some(running.await),
            None => self.answer,
        }
    }

    /// The answer, if it has come and is such a one.
    fn take_if(&mut self, is_such: impl FnOnce(&T) -> bool) -> Option<T> {
        if !self.answer.as_ref().is_some_and(|answer| answer.as_ref().is_ok_and(is_such)) {
            return None;
        }
        self.answer.take().and_then(Result::ok)
    }

    fn end(self) -> Option<PathEnd> {
        self.answer.map(|answer| match answer {
            Ok(_) => PathEnd::Empty,
            Err(error) => PathEnd::Failed(error),
        })
    }
}
