//! What the paths of Uniform and Flexible scale sets share: which set is meant, and what it came
//! to.

use cloud_autojoin_core::{Error, Finding, Node};

use super::candidate::Candidate;
use super::query::Query;
use crate::arm::{Listing, ResourceId, VirtualMachine};
use crate::select::OrchestrationMode;

/// Which scale set is meant.
#[derive(Debug, Clone)]
pub(super) struct ScaleSetName {
    /// Its resource group.
    pub resource_group: String,
    /// Its name.
    pub name: String,
}

impl ScaleSetName {
    /// The Uniform set that an instance, or anything of an instance, belongs to; `None` for
    /// everything else.
    pub(super) fn of_instance(id: &ResourceId) -> Option<Self> {
        id.after("virtualMachines")?;
        Some(Self {
            resource_group: id.resource_group()?.to_owned(),
            name: id.after("virtualMachineScaleSets")?.to_owned(),
        })
    }

    /// Its id in the spelling given.
    pub(super) fn id(&self, query: Query<'_>) -> ResourceId {
        ResourceId::scale_set(
            &query.config.subscription_id,
            &self.resource_group,
            &self.name,
        )
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
        Self {
            mode,
            candidates: Vec::new(),
            excluded: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// A list whose first page with something on it was read (or which has nothing), and the rest of
/// it.
pub(super) type Opened<'a, T> = (Vec<T>, Listing<'a, T>);

/// How a path without members ended.
#[derive(Debug)]
pub(super) enum PathEnd {
    /// Asked and answered: there are none.
    Empty,
    /// Refused or failed, which matters only if the set is of this path's mode.
    Failed(Error),
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
