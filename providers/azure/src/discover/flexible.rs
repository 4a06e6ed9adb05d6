//! Instances of a Flexible set: ordinary virtual machines that name the set, each with its
//! interfaces.
//!
//! The virtual machines (V) do not carry addresses, only the ids of interfaces; those are joined
//! without case with the interfaces of the group (N), which are read beside them, page by page. An
//! id that N lacks by then is on a later page, in another group, or is gone: `lookup.rs`. N counts
//! only if an interface of the group is needed; a refusal of it is no error else.

use cloud_autojoin_core::{Exclusion, Finding, Result};
use futures::future::join;

use super::candidate::{Instance, Resolved};
use super::completeness::incomplete;
use super::lookup::{PartialList, look_up};
use super::query::Query;
use crate::arm::{Listing, NetworkInterface, ResourceId, VirtualMachine, same_name};
use crate::select::OrchestrationMode;

type Interfaces<'a> = Result<Option<PartialList<'a, NetworkInterface>>>;

/// Reads the virtual machines to the end and looks up their interfaces, the first page of which is
/// on its way.
///
/// # Errors
///
/// A page of virtual machines or of interfaces, or a single interface, that cannot be read.
pub(super) async fn resolve<'a>(
    query: Query<'a>,
    set: &ResourceId,
    (mut machines, mut rest): (Vec<VirtualMachine>, Listing<'a, VirtualMachine>),
    mut interfaces: impl Future<Output = Interfaces<'a>> + Unpin,
) -> Result<Resolved> {
    let mut begun: Option<Interfaces<'a>> = None;
    while rest.has_more() {
        // Every machine has an interface, so a set that fills pages fills as many of those.
        let pages = rest.pages_read() + 1;
        let along = async {
            let begun = match begun.take() {
                Some(begun) => begun,
                None => (&mut interfaces).await,
            };
            read_along(begun, pages).await
        };
        let (page, along) = join(rest.next(), along).await;
        machines.extend(page?);
        begun = Some(along);
    }
    let (mut members, mut foreign) = (Vec::with_capacity(machines.len()), Vec::new());
    for machine in machines {
        match machine.is_member_of(set) {
            Some(true) => members.push(machine),
            Some(false) => foreign.push(machine),
            None => {
                let (machine, set) = (machine.name(), set.name());
                let operation = format!(
                    "tell whether virtual machine `{machine}` belongs to scale set `{set}`"
                );
                return Err(incomplete(
                    operation,
                    "the virtual machine has no properties",
                ));
            }
        }
    }
    let ids = || members.iter().flat_map(VirtualMachine::interface_ids);
    let own_group = set.resource_group().unwrap_or_default();
    let in_group = |id: &ResourceId| {
        let group = id.resource_group();
        group.is_some_and(|group| same_name(group, own_group))
    };
    let partial = match begun {
        _ if !ids().any(in_group) => None,
        Some(begun) => begun?,
        None => interfaces.await?,
    };
    let mut found = look_up(query, ids().cloned(), partial).await?;

    let mut resolved = Resolved {
        mode: Some(OrchestrationMode::Flexible),
        ..Resolved::default()
    };
    if !foreign.is_empty() {
        let message = format!(
            "Azure was asked for the virtual machines of scale set `{}` alone, and {} of the answer do not belong to it",
            set.name(),
            foreign.len()
        );
        resolved.findings.push(Finding::new(message).with_hint("something on the way may drop the `$filter` of requests: check the proxy (`HTTPS_PROXY`)"));
    }
    for machine in foreign {
        let of = format!("scale set `{}`", set.name());
        let reasons = vec![Exclusion::NotMember { of }];
        resolved.excluded.push(Instance::of(machine).node(reasons));
    }
    for machine in members {
        resolved.gather(machine, Some(set.name()), &mut found)?;
    }
    Ok(resolved)
}

/// Reads the group's interfaces to as many pages as the virtual machines have.
async fn read_along(begun: Interfaces<'_>, pages: usize) -> Interfaces<'_> {
    let Some(mut list) = begun? else {
        return Ok(None);
    };
    while list.rest.has_more() && list.rest.pages_read() < pages {
        list.read.extend(list.rest.next().await?);
    }
    Ok(Some(list))
}
