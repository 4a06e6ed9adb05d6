//! From a server of the list to an instance.

use std::collections::HashMap;

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Server;

/// The addresses in private networks by the id of their network interface.
pub(crate) type NicAddresses = HashMap<String, Vec<String>>;

/// The server as an instance, excluded if it lacks one of the tags.
pub(crate) fn instance(
    server: Server,
    zone: &str,
    tags: &[String],
    addresses: &NicAddresses,
) -> Instance {
    let is_running = server.state == "running";
    let mut instance = Instance::new("instance", server.id, server.name)
        .with_state(server.state, is_running)
        .with_attribute("zone", zone);
    let missing = tags.iter().find(|wanted| !server.tags.contains(wanted));
    instance.excluded = missing.map(|tag| Exclusion::TagMissing { tag: tag.clone() });
    instance.tags = server
        .tags
        .into_iter()
        .map(|tag| (tag, String::new()))
        .collect();
    for address in server
        .private_nics
        .iter()
        .filter_map(|nic| addresses.get(&nic.id))
        .flatten()
    {
        instance.add_address(address, AddressScope::Private);
    }
    if let Some(address) = server.private_ip {
        instance.add_address(&address, AddressScope::Private);
    }
    // `public_ip` repeats the first of `public_ips`, where there are any.
    let old = if server.public_ips.is_empty() {
        server.public_ip.into_iter().chain(server.ipv6).collect()
    } else {
        Vec::new()
    };
    for public in server.public_ips.into_iter().chain(old) {
        instance.add_address(&public.address, AddressScope::Public);
    }
    instance
}
