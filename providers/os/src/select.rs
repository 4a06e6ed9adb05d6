//! From a server of the list to an instance.

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::Server;

/// What of the servers is wanted, beyond what every provider knows.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// The networks that addresses count of; any if none is named.
    pub(crate) networks: Vec<String>,
    /// The tags that servers must all have.
    pub(crate) server_tags: Vec<String>,
}

impl Conditions {
    /// The server as an instance. Fixed addresses are private ones, floating addresses public ones.
    pub(crate) fn instance(&self, server: Server, project: &str, region: &str) -> Instance {
        let is_wanted = |name: &String| self.networks.is_empty() || self.networks.contains(name);
        let names: Vec<&str> = server.addresses.keys().map(String::as_str).collect();
        let is_elsewhere = !names.is_empty() && !server.addresses.keys().any(is_wanted);
        let elsewhere = is_elsewhere.then(|| Exclusion::NotMember {
            of: format!("network `{}`", self.networks.join("`, `")),
        });
        let missing = self
            .server_tags
            .iter()
            .find(|tag| !server.tags.contains(tag));
        let missing = missing.map(|tag| Exclusion::TagMissing { tag: tag.clone() });
        let mut instance = Instance::new("server", server.id, server.name)
            .with_attribute("project", project)
            .with_attribute("region", region)
            .with_attribute(
                "availability zone",
                server.availability_zone.unwrap_or_default(),
            )
            .with_attribute("networks", names.join(", "))
            .with_attribute("tags", server.tags.join(", "))
            .with_state(server.status, "ACTIVE")
            .with_tags(server.metadata);
        instance.excluded = missing.or(elsewhere);
        let networks = server
            .addresses
            .into_iter()
            .filter(|(name, _)| is_wanted(name));
        for (network, addresses) in networks {
            instance = instance.on_interface(Some(network), true);
            for address in addresses {
                let is_floating = address.kind.as_deref() == Some("floating");
                let scope = AddressScope::public_if(is_floating);
                instance.add_address(&address.addr, scope);
            }
        }
        instance
    }
}
