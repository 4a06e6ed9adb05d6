//! Tags by ARM's index of resources: the cost follows the matches, not the size of the
//! subscription.
//!
//! The index is asked once for each tag (it cannot be asked for two at once, nor for a kind or a
//! group beside a tag); the tag with the fewest hits leads on, since all must hold. The index may
//! lag, and it gives no tags: each hit is read afresh, and judged by what it says now.

use std::sync::Arc;

use cloud_autojoin_core::{Exclusion, Node, Result};
use futures::future::try_join_all;

use super::answer::Answer;
use super::candidate::{Candidate, Instance, NETWORK_INTERFACE, RESOURCE_GROUP};
use super::completeness;
use super::lookup::{Found, look_up};
use super::tag_findings::Seen;
use super::tag_match::judge;
use super::tag_query::{TagQuery, judge_candidate};
use super::tagged_instances::gather_interfaces;
use super::tagged_scale_sets;
use crate::arm::{
    IndexedResource, NetworkInterface, ResourceId, ScaleSet, VirtualMachine, same_name,
};
use crate::select::TagPlace;

/// Takes the interfaces that the index leads to into `answer`.
///
/// # Errors
///
/// The index, or a resource that it names, cannot be read; one that is gone is none.
pub(super) async fn collect(
    tag_query: TagQuery<'_>,
    answer: &mut Answer<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let TagQuery {
        query,
        tags,
        resource_groups,
    } = tag_query;
    let requests = query.requests();
    let lists = tags.conditions.iter().map(|condition| {
        query
            .list::<IndexedResource>(requests.resources_with_tag(&condition.name, &condition.value))
            .read_on(Vec::new())
    });
    let in_scope = |hit: &IndexedResource| {
        resource_groups.is_empty()
            || hit
                .id
                .resource_group()
                .is_some_and(|found| resource_groups.iter().any(|group| same_name(group, found)))
    };
    let hits = try_join_all(lists).await?;
    if let Some(hit) = hits.iter().flatten().find(|hit| {
        hit.id.is_empty()
            && (hit.kind().is_empty() || place_of(hit).is_some_and(|place| tags.may_be_on(place)))
    }) {
        return Err(completeness::of_indexed(hit));
    }
    let hits = hits.into_iter().map(|mut hits| {
        hits.retain(|hit| {
            in_scope(hit) && place_of(hit).is_some_and(|place| tags.may_be_on(place))
        });
        hits
    });
    let hits = hits.min_by_key(Vec::len).unwrap_or_default();
    let ids = |wanted: TagPlace| {
        hits.iter()
            .filter(move |hit| place_of(hit) == Some(wanted))
            .map(|hit| hit.id.clone())
            .collect::<Vec<ResourceId>>()
    };

    let sets: Vec<ScaleSet> = look_up::<ScaleSet>(query, ids(TagPlace::ScaleSet), None)
        .await?
        .into_values()
        .collect();
    let (sets, lagging): (Vec<ScaleSet>, Vec<ScaleSet>) = sets.into_iter().partition(|set| {
        let reasons = judge(tags, &[(TagPlace::ScaleSet, &set.tags)]);
        seen.scale_sets.note(&reasons);
        tagged_scale_sets::contributes(tags, TagPlace::ScaleSet, &set.tags, &reasons)
    });
    for set in &lagging {
        answer.leave_out(tagged_scale_sets::node(
            set,
            judge(tags, &[(TagPlace::ScaleSet, &set.tags)]),
        ));
    }
    tagged_scale_sets::collect(tag_query, &sets, answer, seen).await?;

    let machines = look_up::<VirtualMachine>(query, ids(TagPlace::Instance), None).await?;
    let machines: Vec<VirtualMachine> = machines.into_values().collect();
    for machine in &machines {
        seen.machines
            .note(&judge(tags, &[(TagPlace::Instance, &machine.tags)]));
    }
    let sets = sets_of(tag_query, &machines, sets).await?;
    gather_interfaces(tag_query, &sets, machines, answer, seen).await?;

    let wanted: Vec<ResourceId> = ids(TagPlace::NetworkInterface)
        .into_iter()
        .filter(|id| !answer.has(id))
        .collect();
    let mut found = look_up::<NetworkInterface>(query, wanted.clone(), None).await?;
    let owners = owners(tag_query, &found).await?;
    let sets = sets_of(
        tag_query,
        &owners.values().cloned().collect::<Vec<_>>(),
        sets,
    )
    .await?;
    for id in wanted {
        let Some(interface) = found.remove(&id) else {
            let mut node = Node::new(NETWORK_INTERFACE, id.as_str(), id.name());
            node.add_attribute(RESOURCE_GROUP, id.resource_group().map(str::to_owned));
            node.excluded.push(Exclusion::Vanished);
            answer.leave_out(node);
            continue;
        };
        let owner = interface
            .properties
            .virtual_machine
            .as_ref()
            .and_then(|owner| owners.get(&owner.id));
        let instance = owner.map(|machine| {
            let set = machine
                .properties
                .virtual_machine_scale_set
                .as_ref()
                .and_then(|reference| sets.iter().find(|set| set.id == reference.id));
            let scale_set_tags = set.map(|set| set.tags.clone()).unwrap_or_default();
            Arc::new(Instance {
                scale_set_tags,
                ..Instance::of(machine)
            })
        });
        judge_candidate(
            tags,
            Candidate {
                interface,
                instance,
            },
            answer,
            &mut seen.interfaces,
        );
    }
    Ok(())
}

fn place_of(hit: &IndexedResource) -> Option<TagPlace> {
    [
        (
            "Microsoft.Compute/virtualMachineScaleSets",
            TagPlace::ScaleSet,
        ),
        ("Microsoft.Compute/virtualMachines", TagPlace::Instance),
        (
            "Microsoft.Network/networkInterfaces",
            TagPlace::NetworkInterface,
        ),
    ]
    .into_iter()
    .find(|(kind, _)| hit.kind().eq_ignore_ascii_case(kind))
    .map(|(_, place)| place)
}

/// The virtual machines of interfaces, where further tags may be set on them or on their sets. With
/// one tag only, which the interface itself has, nothing more needs to be known.
async fn owners(
    tag_query: TagQuery<'_>,
    interfaces: &Found<NetworkInterface>,
) -> Result<Found<VirtualMachine>> {
    let TagQuery { query, tags, .. } = tag_query;
    if tags.conditions.len() < 2 || tags.places == [TagPlace::NetworkInterface] {
        return Ok(Found::new());
    }
    let wanted = interfaces
        .values()
        .filter_map(|interface| interface.properties.virtual_machine.as_ref())
        .map(|owner| owner.id.clone())
        .filter(|id| !id.is_empty());
    look_up(query, wanted, None).await
}

/// `known`, and the scale sets of `machines` where further tags may be set on them.
async fn sets_of(
    tag_query: TagQuery<'_>,
    machines: &[VirtualMachine],
    mut known: Vec<ScaleSet>,
) -> Result<Vec<ScaleSet>> {
    let TagQuery { query, tags, .. } = tag_query;
    if tags.conditions.len() > 1 && tags.may_be_on(TagPlace::ScaleSet) {
        let of_machines = machines
            .iter()
            .filter_map(|machine| machine.properties.virtual_machine_scale_set.as_ref())
            .map(|reference| &reference.id);
        let wanted: Vec<ResourceId> = of_machines
            .filter(|id| !id.is_empty() && known.iter().all(|set| set.id != **id))
            .cloned()
            .collect();
        known.extend(
            look_up::<ScaleSet>(query, wanted, None)
                .await?
                .into_values(),
        );
    }
    Ok(known)
}
