//! Instances of a Flexible set: ordinary virtual machines that name the set, each with its
//! interfaces.
//!
//! The virtual machines (V) do not carry addresses, only the ids of interfaces; those are joined
//! without case with the interfaces of the group (N), which are read along with them, page by page.
//! An id that N lacks by then is on a later page, in another group, or is gone: `lookup.rs`. N
//! counts only if an interface of the group is needed; otherwise its refusal is no error.

use cloud_autojoin_core::{Exclusion, Finding, Result};
use futures::future::{BoxFuture, FutureExt, join, ready};

use super::attachment::{Members, instance_node};
use super::lookup::{PartialList, look_up};
use super::query::Query;
use super::results::incomplete;
use crate::arm::{Listing, NetworkInterface, ResourceId, VirtualMachine, name_key};
use crate::select::OrchestrationMode;

/// The interfaces of the group, as far as they were read.
pub(super) type Interfaces<'a> = Result<PartialList<'a, NetworkInterface>>;

/// Reads the virtual machines to the end and looks up their `interfaces`, the first page of which
/// is being requested.
///
/// # Errors
///
/// A page of virtual machines or of interfaces, or a single interface, can't be read.
pub(super) async fn resolve<'a>(
    query: Query<'a>,
    set: &ResourceId,
    (mut machines, mut rest): (Vec<VirtualMachine>, Listing<'a, VirtualMachine>),
    mut interfaces: BoxFuture<'_, Interfaces<'a>>,
) -> Result<Members> {
    while rest.has_more() {
        // Every machine has an interface, so a set that fills pages fills as many of those.
        let pages = rest.pages_read() + 1;
        let (page, along) = join(rest.next(), read_along(interfaces, pages)).await;
        machines.extend(page?);
        interfaces = ready(along).boxed();
    }
    let (mut of_set, mut foreign) = (Vec::with_capacity(machines.len()), Vec::new());
    for mut machine in machines {
        match machine.is_member_of(set) {
            Some(true) => {
                machine.properties.scale_set = Some(set.clone());
                of_set.push(machine);
            }
            Some(false) => foreign.push(machine),
            None => {
                let (machine, set) = (machine.name(), set.name());
                let operation = format!(
                    "tell whether virtual machine `{machine}` belongs to scale set `{set}`"
                );
                let what = "the virtual machine has no properties";
                return Err(incomplete(operation, what));
            }
        }
    }
    let ids = || of_set.iter().flat_map(VirtualMachine::interface_ids);
    let group = set.resource_group().map(name_key);
    let partial = if ids().any(|id| id.resource_group().map(name_key) == group) {
        Some(interfaces.await?)
    } else {
        None
    };
    let mut found = look_up(query, ids().cloned(), partial).await?;

    let mut members = Members::of_mode(OrchestrationMode::Flexible);
    let of = format!("scale set `{}`", set.name());
    if !foreign.is_empty() {
        let count = foreign.len();
        let message = format!(
            "Azure was asked for the virtual machines of {of} alone, and {count} of the response do not belong to it"
        );
        let hint = "something on the way may drop the `$filter` of requests: check the proxy (`HTTPS_PROXY`)";
        members.findings.push(Finding::new(message).with_hint(hint));
    }
    for machine in foreign {
        let reasons = vec![Exclusion::NotMember { of: of.clone() }];
        members.excluded.push(instance_node(&machine, reasons));
    }
    for machine in of_set {
        members.add_machine(machine, &mut found)?;
    }
    Ok(members)
}

/// Reads the group's interfaces to as many pages as the virtual machines have.
async fn read_along<'a>(interfaces: BoxFuture<'_, Interfaces<'a>>, pages: usize) -> Interfaces<'a> {
    let mut list = interfaces.await?;
    while list.rest.has_more() && list.rest.pages_read() < pages {
        list.read.extend(list.rest.next().await?);
    }
    Ok(list)
}
