//! The instances of a scale set, with their interfaces.
//!
//! Uniform: one list (U) has all the interfaces; only where one of them lacks `properties.primary`,
//! the set's instances are read too. Azure overprovisions, and the interfaces of instances that
//! were taken away again stay in the list for a while: recorded in 2023 and in 2025, four
//! interfaces for two instances, and exactly those of the two that were gone lacked `primary`.
//!
//! Flexible: ordinary virtual machines that name the set (V). They do not carry addresses, only the
//! ids of interfaces; those are joined without case with the interfaces of the group (N), which are
//! read along with them, page by page. An id that N lacks by then is on a later page, in another
//! group, or is gone: `lookup.rs`. N counts only if an interface of the group is needed; otherwise
//! its refusal is no error.

use std::collections::HashMap;
use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Finding, Node, Result};
use futures::future::{BoxFuture, FutureExt, join, ready};

use super::attachment::{Attachment, deleted_interface, instance_node};
use super::completeness::incomplete;
use super::lookup::{Found, PartialList};
use super::query::Query;
use crate::arm::{NetworkInterface, ResourceId, UNIFORM_INSTANCES, VirtualMachine, name_key};
use crate::select::{OrchestrationMode, TagPlace};

pub(super) type Interfaces<'a> = PartialList<'a, NetworkInterface>;
pub(super) type Machines<'a> = PartialList<'a, VirtualMachine>;

/// The instances of a scale set, or a single one.
#[derive(Default)]
pub(super) struct Members {
    /// The mode of the scale set.
    pub mode: Option<OrchestrationMode>,
    /// The interfaces of the instances.
    pub interfaces: Vec<Attachment>,
    /// What is excluded whatever the query.
    pub excluded: Vec<Node>,
    /// Findings about the scale set.
    pub findings: Vec<Finding>,
}

impl Members {
    fn of_mode(mode: OrchestrationMode) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    /// Adds the interfaces of a virtual machine. Those that aren't in `found` were deleted.
    ///
    /// # Errors
    ///
    /// The response lacks the machine's interfaces.
    pub(super) fn add_machine(
        &mut self,
        mut machine: VirtualMachine,
        found: &mut Found<NetworkInterface>,
    ) -> Result<()> {
        if machine.lacks_interfaces() {
            let name = machine.name();
            let operation = format!("find the network interfaces of virtual machine `{name}`");
            return Err(incomplete(operation, "the virtual machine names none"));
        }
        let ids = machine.take_interface_ids();
        if ids.is_empty() {
            let node = instance_node(&machine, vec![Exclusion::NoAddress]);
            self.excluded.push(node);
        }
        let machine = Arc::new(machine);
        for id in ids {
            match found.remove(&id) {
                Some(interface) => {
                    let attachment = Attachment::new(interface, Some(Arc::clone(&machine)));
                    self.interfaces.push(attachment);
                }
                None => self.excluded.push(deleted_interface(id, Some(&machine))),
            }
        }
        Ok(())
    }
}

impl<'a> Query<'a> {
    /// Reads the interfaces of a Uniform set to the end, and excludes those of deleted instances.
    ///
    /// # Errors
    ///
    /// A page can't be read, or the list of instances if it is needed.
    pub(super) async fn uniform(self, set: &ResourceId, list: Interfaces<'a>) -> Result<Members> {
        let interfaces = list.rest.read_on(list.read).await?;
        let is_doubtful = |interface: &NetworkInterface| interface.properties.primary.is_none();
        let needs_tags = self.tags().may_be_on(TagPlace::Instance);
        let is_listed = needs_tags || interfaces.iter().any(is_doubtful);
        let mut known = HashMap::new();
        if is_listed {
            known = self.uniform_instances(set, false).await?;
        }
        known.reserve(interfaces.len());
        let mut members = Members::of_mode(OrchestrationMode::Uniform);
        for interface in interfaces {
            let owner = interface.properties.virtual_machine.as_ref();
            let number = interface.id.after("virtualMachines");
            let number = number.or_else(|| owner?.after("virtualMachines"));
            let id = number.map(|number| instance_id(set, number));
            let is_gone = is_listed
                && is_doubtful(&interface)
                && id.as_ref().is_some_and(|id| !known.contains_key(id));
            let instance = id.map(|id| {
                let unlisted = |id: &ResourceId| {
                    // Azure names instances after the set and the number.
                    let name = Some(format!("{}_{}", set.name(), id.name()));
                    let instance = VirtualMachine {
                        name,
                        ..VirtualMachine::default()
                    };
                    Arc::new(instance_of(set, id.clone(), instance))
                };
                Arc::clone(known.entry(id).or_insert_with_key(unlisted))
            });
            let attachment = Attachment::new(interface, instance);
            if is_gone {
                let node = attachment.into_node(vec![Exclusion::InstanceGone]);
                members.excluded.push(node);
            } else {
                members.interfaces.push(attachment);
            }
        }
        Ok(members)
    }

    /// The instances of a Uniform set by their ids, with their power states if they are wanted.
    ///
    /// # Errors
    ///
    /// A page can't be read.
    pub(super) async fn uniform_instances(
        self,
        set: &ResourceId,
        with_view: bool,
    ) -> Result<Found<Arc<VirtualMachine>>> {
        let list = self.list::<VirtualMachine>(if with_view {
            self.requests().uniform_power_states(set)
        } else {
            self.requests().of_uniform_set(&UNIFORM_INSTANCES, set)
        });
        let machines = list.read_on(Vec::new()).await?.into_iter();
        let instances = machines.map(|machine| {
            let number = machine.instance_id.as_deref();
            let number = number.or_else(|| machine.id.after("virtualMachines"));
            let id = instance_id(set, number.unwrap_or_default());
            (id.clone(), Arc::new(instance_of(set, id, machine)))
        });
        Ok(instances.collect())
    }

    /// Reads the virtual machines of a Flexible set to the end and looks up their `interfaces`, the
    /// first page of which is being requested.
    ///
    /// # Errors
    ///
    /// A page of virtual machines or of interfaces, or a single interface, can't be read.
    pub(super) async fn flexible(
        self,
        set: &ResourceId,
        mut list: Machines<'a>,
        mut interfaces: BoxFuture<'_, Result<Interfaces<'a>>>,
    ) -> Result<Members> {
        while list.rest.has_more() {
            // Every machine has an interface, so a set that fills pages fills as many of those.
            let pages = list.rest.pages_read() + 1;
            let (page, along) = join(list.rest.next(), read_along(interfaces, pages)).await;
            list.read.extend(page?);
            interfaces = ready(along).boxed();
        }
        let (mut machines, mut foreign) = (Vec::with_capacity(list.read.len()), Vec::new());
        for mut machine in list.read {
            match machine.is_member_of(set) {
                Some(true) => {
                    machine.properties.scale_set = Some(set.clone());
                    machines.push(machine);
                }
                Some(false) => foreign.push(machine),
                None => {
                    let (machine, set) = (machine.name(), set.name());
                    let operation = format!(
                        "determine whether virtual machine `{machine}` belongs to scale set `{set}`"
                    );
                    let what = "the virtual machine has no properties";
                    return Err(incomplete(operation, what));
                }
            }
        }
        let ids = || machines.iter().flat_map(VirtualMachine::interface_ids);
        let group = set.resource_group().map(name_key);
        let mut partial = None;
        if ids().any(|id| id.resource_group().map(name_key) == group) {
            partial = Some(interfaces.await?);
        }
        let mut found = self.look_up(ids().cloned(), partial).await?;

        let mut members = Members::of_mode(OrchestrationMode::Flexible);
        let of = format!("scale set `{}`", set.name());
        if !foreign.is_empty() {
            let count = foreign.len();
            let message = format!(
                "the request was for the virtual machines of {of} alone, and {count} of the response do not belong to it"
            );
            let hint = "something on the way may drop the `$filter` of requests: check the proxy (`HTTPS_PROXY`)";
            members.findings.push(Finding::new(message).with_hint(hint));
        }
        for machine in foreign {
            let reasons = vec![Exclusion::NotMember { of: of.clone() }];
            members.excluded.push(instance_node(&machine, reasons));
        }
        for machine in machines {
            members.add_machine(machine, &mut found)?;
        }
        Ok(members)
    }
}

/// Reads the group's interfaces to as many pages as the virtual machines have.
async fn read_along<'a>(
    interfaces: BoxFuture<'_, Result<Interfaces<'a>>>,
    pages: usize,
) -> Result<Interfaces<'a>> {
    let mut list = interfaces.await?;
    while list.rest.has_more() && list.rest.pages_read() < pages {
        list.read.extend(list.rest.next().await?);
    }
    Ok(list)
}

/// An instance of a Uniform set, with its id in one spelling and the name of the set, of which
/// nothing else is needed.
fn instance_of(set: &ResourceId, id: ResourceId, mut instance: VirtualMachine) -> VirtualMachine {
    instance.id = id;
    instance.properties.scale_set = Some(ResourceId::new(set.name()));
    instance
}

/// The id of an instance of a Uniform set in one spelling: the group in it may be spelled
/// differently by the list of instances and by that of interfaces.
fn instance_id(set: &ResourceId, number: &str) -> ResourceId {
    set.child(&format!("virtualMachines/{number}"))
}
