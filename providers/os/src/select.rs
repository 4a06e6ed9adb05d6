//! From a server of the list to an instance.

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance, InstanceAddress};

use crate::api::Server;

/// The server as an instance. Fixed addresses are private ones, floating addresses public ones;
/// of `networks`, if there are any, only those.
pub(crate) fn instance(
    server: Server,
    project: &str,
    region: &str,
    networks: &[String],
) -> Instance {
    let is_running = server.status == "ACTIVE";
    let names: Vec<&str> = server.addresses.keys().map(String::as_str).collect();
    let is_wanted =
        |name: &str| networks.is_empty() || networks.iter().any(|wanted| wanted == name);
    let excluded = (!names.is_empty() && !names.iter().any(|name| is_wanted(name))).then(|| {
        Exclusion::NotMember {
            of: format!("network `{}`", networks.join("`, `")),
        }
    });
    let mut instance = Instance::new("server", server.id, server.name)
        .with_attribute("project", project)
        .with_attribute("region", region)
        .with_attribute(
            "availability zone",
            server.availability_zone.unwrap_or_default(),
        )
        .with_attribute("networks", names.join(", "))
        .with_state(server.status, is_running);
    instance.excluded = excluded;
    instance.tags = server.metadata.into_iter().collect();
    for (network, addresses) in server
        .addresses
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
    {
        instance
            .addresses
            .extend(addresses.iter().filter_map(|address| {
                let ip = address.addr.trim().parse().ok()?;
                let is_floating = address.kind.as_deref() == Some("floating");
                let scope = if is_floating {
                    AddressScope::Public
                } else {
                    AddressScope::Private
                };
                Some(InstanceAddress {
                    ip,
                    scope,
                    interface: Some(network.clone()),
                    is_primary: true,
                    port: None,
                })
            }));
    }
    instance
}
