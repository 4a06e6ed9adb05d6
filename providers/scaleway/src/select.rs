//! From a server of the list to an instance.

use std::collections::HashMap;

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Server;

/// The addresses in private networks by the id of their network interface.
pub(crate) type NicAddresses = HashMap<String, Vec<String>>;

/// The server as an instance.
pub(crate) fn instance(server: Server, zone: &str, addresses: &NicAddresses) -> Instance {
    let nics = server.private_nics.iter();
    let private = nics.filter_map(|nic| addresses.get(&nic.id)).flatten();
    // `public_ip` repeats the first of `public_ips`, where there are any.
    let old = server.public_ip.into_iter().chain(server.ipv6);
    let old = old.filter(|_| server.public_ips.is_empty());
    let public = server.public_ips.iter().cloned().chain(old);
    Instance::new("instance", server.id, server.name)
        .with_state(server.state, "running")
        .with_attribute("zone", zone)
        .with_tag_names(server.tags)
        .with_addresses(private, AddressScope::Private)
        .with_addresses(server.private_ip, AddressScope::Private)
        .with_addresses(public.map(|ip| ip.address), AddressScope::Public)
}
