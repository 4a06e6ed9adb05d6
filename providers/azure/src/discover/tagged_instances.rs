//! Tags on instances: the virtual machines that carry one, and through them their interfaces.
//!
//! Instances of Flexible sets are among the virtual machines of a group. Instances of Uniform sets
//! are not: they carry the tags of their set, where these are found (`tag_on=scale_set`).

use std::sync::Arc;

use cloud_autojoin_core::Result;

use super::answer::Answer;
use super::candidate::Instance;
use super::flexible::gather;
use super::lookup::{PartialList, SIDE_BY_SIDE, look_up};
use super::members::Resolved;
use super::tag_findings::Seen;
use super::tag_match::judge;
use super::tag_query::{TagQuery, each_page, judge_candidate, scopes};
use super::tagged_scale_sets::contributes;
use crate::arm::{ResourceId, ScaleSet, VirtualMachine};
use crate::select::{OrchestrationMode, TagPlace};

/// Takes the interfaces of the virtual machines that hold at least one of the tags into `answer`.
/// `sets` are the scale sets that hold one.
///
/// # Errors
///
/// A page or an interface that cannot be read.
pub(super) async fn collect(
    tag_query: TagQuery<'_>,
    sets: &[ScaleSet],
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let requests = query.requests();
    let lists = scopes(resource_groups)
        .map(|group| query.list::<VirtualMachine>(requests.virtual_machines(group)))
        .collect();
    let decides_alone = !tags.may_be_on(TagPlace::NetworkInterface);
    let mut held = Vec::new();
    each_page(lists, |page| {
        for machine in page {
            if machine.interface_ids().next().is_some()
                && machine.interface_ids().all(|id| answer.has(id))
            {
                continue;
            }
            let reasons = judge(tags, &[(TagPlace::Instance, &machine.tags)]);
            seen.machines.note(&reasons);
            if contributes(tags, TagPlace::Instance, &machine.tags, &reasons) {
                held.push(machine);
            } else if decides_alone {
                answer.leave_out(Instance::of(&machine).node_for(reasons));
            }
        }
    })
    .await?;
    gather_interfaces(tag_query, sets, held, answer, seen).await
}

/// Looks up the interfaces of `machines`, and takes them into `answer` by all the tags that are
/// known.
///
/// # Errors
///
/// A list or an interface that cannot be read.
pub(super) async fn gather_interfaces(
    tag_query: TagQuery<'_>,
    sets: &[ScaleSet],
    machines: Vec<VirtualMachine>,
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let wanted: Vec<ResourceId> = machines
        .iter()
        .flat_map(VirtualMachine::interface_ids)
        .cloned()
        .collect();
    // Many interfaces of a whole subscription may be in many groups: one list has them all.
    let partial = (resource_groups.is_empty() && wanted.len() > SIDE_BY_SIDE).then(|| {
        let request = query.requests().network_interfaces(None);
        PartialList {
            resource_group: None,
            read: Vec::new(),
            rest: query.list(request),
            must_list: false,
        }
    });
    let mut found = look_up(query, wanted, partial).await?;
    for machine in &machines {
        let mut instance = Instance::of(machine);
        let set = machine
            .properties
            .virtual_machine_scale_set
            .as_ref()
            .and_then(|reference| sets.iter().find(|set| set.id == reference.id));
        if let Some(set) = set {
            instance.scale_set_tags = set.tags.clone();
        }
        let mut resolved = Resolved::new(OrchestrationMode::Flexible);
        gather(&mut resolved, machine, Arc::new(instance), &mut found)?;
        for candidate in resolved.candidates {
            judge_candidate(tags, candidate, answer, &mut seen.interfaces);
        }
        for node in resolved.excluded {
            answer.leave_out(node);
        }
    }
    Ok(())
}
