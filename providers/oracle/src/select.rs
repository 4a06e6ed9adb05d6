//! From an instance with its VNICs to an instance of the kit.

use std::collections::BTreeMap;

use cloud_autojoin_core::{Call, Result};
use cloud_autojoin_provider_kit::{AddressScope, ApiClient, Instance, InstanceAddress, TagFilter};
use serde::Deserialize;
use serde_json::Value;

use crate::api::VERSION;

/// An instance of `GET /instances`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OracleInstance {
    id: String,
    #[serde(default)]
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
    /// The instance without addresses; excluded if a defined tag isn't as `defined` says.
    pub(crate) fn into_instance(
        self,
        region: &str,
        compartment: &str,
        defined: &TagFilter,
    ) -> Instance {
        let is_running = self.lifecycle_state == "RUNNING";
        let mut instance =
            Instance::new("instance", self.id, self.display_name.unwrap_or_default())
                .with_state(self.lifecycle_state, is_running)
                .with_attribute("region", region)
                .with_attribute("compartment", compartment)
                .with_attribute(
                    "availability domain",
                    self.availability_domain.unwrap_or_default(),
                )
                .with_attribute("fault domain", self.fault_domain.unwrap_or_default())
                .with_tags(self.freeform_tags);
        let mut defined_tags = Vec::new();
        for (namespace, tags) in self.defined_tags {
            defined_tags.extend(tags.into_iter().map(|(key, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (format!("{namespace}.{key}"), text)
            }));
        }
        instance.excluded = defined.mismatches(&defined_tags).into_iter().next();
        instance
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
        let request = client.get("read a VNIC", &[VERSION, "vnics", &id], &[]);
        Some(async move { Ok((self.instance_id, client.json(request, call).await?)) })
    }
}

/// A VNIC of `GET /vnics/ID`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vnic {
    display_name: Option<String>,
    #[serde(default)]
    is_primary: bool,
    private_ip: Option<String>,
    public_ip: Option<String>,
    ipv6_addresses: Option<Vec<String>>,
}

impl Vnic {
    /// Its addresses. A global IPv6 address is public.
    pub(crate) fn addresses(self) -> Vec<InstanceAddress> {
        let address = |text: &String, scope: Option<AddressScope>| {
            let ip = text.parse().ok()?;
            Some(InstanceAddress {
                ip,
                scope: scope.unwrap_or_else(|| AddressScope::of(ip)),
                interface: self.display_name.clone(),
                is_primary: self.is_primary,
                port: None,
            })
        };
        let private = self
            .private_ip
            .iter()
            .map(|ip| (ip, Some(AddressScope::Private)));
        let public = self
            .public_ip
            .iter()
            .map(|ip| (ip, Some(AddressScope::Public)));
        let ipv6 = self.ipv6_addresses.iter().flatten().map(|ip| (ip, None));
        let all = private.chain(public).chain(ipv6);
        all.filter_map(|(text, scope)| address(text, scope))
            .collect()
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
