//! Public addresses: resources of their own, which IP configurations name.

use std::collections::HashSet;

use cloud_autojoin_core::Result;
use futures::future::try_join_all;

use super::candidate::Candidate;
use super::ip_configuration::{AddressRule, PublicAddresses};
use super::lookup::look_up;
use super::query::Query;
use crate::arm::{PublicAddress, ResourceId, UNIFORM_ADDRESSES};

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
    let mut sets: HashSet<ResourceId> = HashSet::new();
    let mut wanted: HashSet<ResourceId> = HashSet::new();
    for candidate in candidates {
        for id in rule.public_address_ids(&candidate.interface) {
            match id.set_of_instance() {
                Some(set) => _ = sets.insert(set),
                None => _ = wanted.insert(id.clone()),
            }
        }
    }
    let lists = sets.iter().map(|set| {
        let request = query.requests().of_uniform_set(&UNIFORM_ADDRESSES, set);
        query.list::<PublicAddress>(request).read_on(Vec::new())
    });
    let of_sets = try_join_all(lists).await?.into_iter().flatten();
    let mut addresses: PublicAddresses = of_sets.map(|found| (found.id.clone(), found)).collect();
    addresses.extend(look_up(query, wanted, None).await?);
    Ok(addresses)
}
