//! From a droplet of the list to an instance.

use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Droplet;

impl From<Droplet> for Instance {
    fn from(droplet: Droplet) -> Self {
        let region = droplet.region.map(|region| region.slug).unwrap_or_default();
        let mut instance = Self::new("droplet", droplet.id.to_string(), droplet.name)
            .with_state(droplet.status, "active")
            .with_attribute("region", region)
            .with_tag_names(droplet.tags);
        let networks = droplet.networks.unwrap_or_default();
        for network in networks.v4.into_iter().chain(networks.v6) {
            let scope = AddressScope::public_if(network.scope != "private");
            instance.add_address(&network.ip_address, scope);
        }
        instance
    }
}
