//! From an instance with its VNICs to an instance of the kit.

use std::collections::BTreeMap;

use cloud_autojoin_core::{Call, Result};
use cloud_autojoin_provider_kit::select::tag_text;
use cloud_autojoin_provider_kit::{AddressScope, ApiClient, Instance};
use serde::Deserialize;
use serde_json::Value;

use crate::api::{READ_VNIC, VERSION};

/// An instance of `GET /instances`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OracleInstance {
    id: String,
    display_name: Option<String>,
    #[serde(default)]
    lifecycle_state: String,
    availability_domain: Option<String>,
    fault_domain: Option<String>,
    #[serde(default)]
    freeform_tags: BTreeMap<String, String>,
    #[serde(default)]
    defined_tags: BTreeMap<String, BTreeMap<String, Value>>,
}

impl OracleInstance {
    /// The instance without addresses. Its defined tags are `NAMESPACE.KEY`; the key of a free-form
    /// tag has no dot.
    pub(crate) fn into_instance(self, region: &str, compartment: &str) -> Instance {
        let defined = self.defined_tags.into_iter().flat_map(|(namespace, tags)| {
            let name = move |key| format!("{namespace}.{key}");
            tags.into_iter()
                .map(move |(key, value)| (name(key), tag_text(value)))
        });
        let domain = self.availability_domain.unwrap_or_default();
        Instance::new("instance", self.id, self.display_name.unwrap_or_default())
            .with_state(self.lifecycle_state, "RUNNING")
            .with_attribute("region", region)
            .with_attribute("compartment", compartment)
            .with_attribute("availability domain", domain)
            .with_attribute("fault domain", self.fault_domain.unwrap_or_default())
            .with_tags(self.freeform_tags.into_iter().chain(defined))
    }
}

/// A VNIC attachment of `GET /vnicAttachments`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VnicAttachment {
    pub(crate) instance_id: String,
    #[serde(default)]
    lifecycle_state: String,
    vnic_id: Option<String>,
}

impl VnicAttachment {
    /// The instance with the VNIC, unless that isn't attached yet or any more.
    pub(crate) fn vnic(
        self,
        client: &ApiClient,
        call: &Call,
    ) -> Option<impl Future<Output = Result<(String, Vnic)>>> {
        let id = self
            .vnic_id
            .filter(|_| self.lifecycle_state == "ATTACHED")?;
        let request = client.get(READ_VNIC, &[VERSION, "vnics", &id], &[]);
        Some(async move { Ok((self.instance_id, client.json(request, call).await?)) })
    }
}

/// A VNIC of `GET /vnics/ID`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vnic {
    id: String,
    display_name: Option<String>,
    #[serde(default)]
    is_primary: bool,
    private_ip: Option<String>,
    public_ip: Option<String>,
    ipv6_addresses: Option<Vec<String>>,
}

impl Vnic {
    /// The instance with the addresses of this VNIC. A global IPv6 address is public.
    pub(crate) fn added_to(self, instance: Instance) -> Instance {
        instance
            .on_interface(self.display_name.or(Some(self.id)), self.is_primary)
            .with_addresses(self.private_ip, AddressScope::Private)
            .with_addresses(self.public_ip, AddressScope::Public)
            .with_addresses_by_range(self.ipv6_addresses.into_iter().flatten())
    }
}

/// A compartment of `GET /compartments`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Compartment {
    pub(crate) id: String,
    pub(crate) compartment_id: String,
    #[serde(default)]
    pub(crate) lifecycle_state: String,
}
