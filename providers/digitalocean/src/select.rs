//! From a droplet of the list to an instance.

use cloud_autojoin_core::Exclusion;
use cloud_autojoin_provider_kit::{AddressScope, Instance};

use crate::api::{Droplet, Network, Networks};

/// What only DigitalOcean can decide: all of these tags, one of these regions.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) tags: Vec<String>,
    pub(crate) regions: Vec<String>,
}

impl Conditions {
    /// The droplet as an instance, excluded if it doesn't meet the conditions.
    pub(crate) fn instance(&self, droplet: Droplet) -> Instance {
        let region = droplet.region.map(|region| region.slug).unwrap_or_default();
        let is_active = droplet.status == "active";
        let excluded = self.mismatch(&droplet.tags, &region);
        let mut instance = Instance::new("droplet", droplet.id.to_string(), droplet.name)
            .with_state(droplet.status, is_active)
            .with_attribute("region", region);
        instance.excluded = excluded;
        instance.tags = droplet
            .tags
            .into_iter()
            .map(|tag| (tag, String::new()))
            .collect();
        let Networks { v4, v6 } = droplet.networks.unwrap_or(Networks {
            v4: vec![],
            v6: vec![],
        });
        for Network { ip_address, scope } in v4.into_iter().chain(v6) {
            let is_private = scope == "private";
            let scope = if is_private {
                AddressScope::Private
            } else {
                AddressScope::Public
            };
            instance.add_address(&ip_address, scope);
        }
        instance
    }

    fn mismatch(&self, tags: &[String], region: &str) -> Option<Exclusion> {
        if let Some(missing) = self.tags.iter().find(|wanted| !tags.contains(wanted)) {
            return Some(Exclusion::TagMissing {
                tag: missing.clone(),
            });
        }
        let is_elsewhere =
            !self.regions.is_empty() && !self.regions.iter().any(|slug| slug == region);
        is_elsewhere.then(|| Exclusion::NotMember {
            of: format!("region `{}`", self.regions.join("`, `")),
        })
    }
}
