//! Public addresses: resources of their own, which IP configurations name.

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::Result;
use futures::future::try_join_all;

use super::candidate::Candidate;
use super::ip_configuration::{AddressRule, PublicAddresses};
use super::lookup::look_up;
use super::members::ScaleSetName;
use super::query::Query;
use crate::arm::{PublicAddress, ResourceId, name_key};

/// Reads the public addresses that `candidates` name: those of a Uniform set in one list, the
/// others by id. One that is gone is left out.
///
/// # Errors
///
/// A list or an address that cannot be read.
pub(super) async fn read(
    query: Query<'_>,
    rule: AddressRule,
    candidates: &[Candidate],
) -> Result<PublicAddresses> {
    let mut sets: HashMap<String, ScaleSetName> = HashMap::new();
    let mut wanted: HashSet<ResourceId> = HashSet::new();
    for id in candidates
        .iter()
        .flat_map(|candidate| rule.public_address_ids(&candidate.interface))
        .filter(|id| !id.is_empty())
    {
        match ScaleSetName::of_instance(id) {
            Some(set) => {
                sets.insert(name_key(set.id(query).as_str()), set);
            }
            None => {
                wanted.insert(id.clone());
            }
        }
    }
    let requests = query.requests();
    let lists = sets.values().map(|set| {
        query
            .list::<PublicAddress>(
                requests.scale_set_public_addresses(&set.resource_group, &set.name),
            )
            .read_on(Vec::new())
    });
    let of_sets = try_join_all(lists)
        .await?
        .into_iter()
        .flatten()
        .map(|address| (address.id.clone(), address));
    let mut addresses: PublicAddresses = of_sets.collect();
    addresses.extend(look_up::<PublicAddress>(query, wanted, None).await?);
    Ok(addresses)
}
