//! Public addresses: resources of their own, which IP configurations name.

use std::collections::{HashMap, HashSet};

use cloud_autojoin_core::{Call, Result};
use futures::future::try_join_all;

use super::candidate::Candidate;
use super::ip_configuration::{AddressRule, PublicAddresses};
use super::lookup::look_up;
use super::scale_set::ScaleSetName;
use crate::arm::{PublicAddress, ResourceId, name_key};
use crate::azure::Azure;

/// Reads the public addresses that `candidates` name: those of a Uniform set in one list, the others by id. One that is gone is left out.
///
/// # Errors
///
/// A list or an address that cannot be read.
pub(super) async fn read(azure: &Azure, call: &Call, rule: AddressRule, candidates: &[Candidate]) -> Result<PublicAddresses> {
    let mut sets: HashMap<String, ScaleSetName> = HashMap::new();
    let mut wanted: HashSet<ResourceId> = HashSet::new();
    for id in candidates.iter().flat_map(|candidate| rule.public_address_ids(&candidate.interface)).filter(|id| !id.is_empty()) {
        match ScaleSetName::of_instance(id) {
            Some(set) => {
                sets.insert(name_key(set.id(azure).as_str()), set);
            }
            None => {
                wanted.insert(id.clone());
            }
        }
    }
    let asks = azure.arm().asks(&azure.config().subscription_id);
    let lists =
        sets.values().map(|set| azure.arm().list::<PublicAddress>(asks.scale_set_public_addresses(&set.resource_group, &set.name)).read_on(Vec::new(), call));
    let of_sets = try_join_all(lists).await?.into_iter().flatten().map(|address| (address.id.clone(), address));
    let mut addresses: PublicAddresses = of_sets.collect();
    addresses.extend(look_up::<PublicAddress>(azure, call, wanted, None).await?);
    Ok(addresses)
}
