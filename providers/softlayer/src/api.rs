//! The API's JSON and errors (REST, version 3).

use cloud_autojoin_core::http::ResponseClass::{ExpiredCredential, PermissionDenied, Throttled};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use cloud_autojoin_provider_kit::{AddressScope, Instance};
use serde::Deserialize;

use crate::keys::NAME;

/// SoftLayer's API. Throttling may come with any status.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/code"], &["/error"], &[])
    .with_codes(&[(Throttled, &["SoftLayer_Exception_WebService_RateLimit"])])
    .with_advice(&[
        Advice::on(ExpiredCredential).hint(
            "check `username` and `api_key`: SoftLayer knows no such user, or the key is another one's",
        ),
        Advice::on(PermissionDenied).permission("View Virtual Server Details"),
    ]);

/// A virtual guest. What it doesn't have yet is left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Guest {
    id: u64,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    domain: String,
    primary_backend_ip_address: Option<String>,
    primary_ip_address: Option<String>,
    datacenter: Option<Datacenter>,
    power_state: Option<PowerState>,
    #[serde(default)]
    tag_references: Vec<TagReference>,
}

#[derive(Deserialize)]
struct Datacenter {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PowerState {
    /// `RUNNING`, `HALTED`, `PAUSED`.
    key_name: String,
}

#[derive(Deserialize)]
struct TagReference {
    tag: Option<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

impl From<Guest> for Instance {
    fn from(guest: Guest) -> Self {
        let names = [guest.hostname, guest.domain].into_iter();
        let names: Vec<String> = names.filter(|part| !part.is_empty()).collect();
        let datacenter = guest.datacenter.map(|datacenter| datacenter.name);
        let tags = guest.tag_references.into_iter();
        let instance = Self::new("virtual guest", guest.id.to_string(), names.join("."))
            .with_attribute("datacenter", datacenter.unwrap_or_default())
            .with_tag_names(tags.filter_map(|reference| Some(reference.tag?.name)))
            .with_addresses(guest.primary_backend_ip_address, AddressScope::Private)
            .with_addresses(guest.primary_ip_address, AddressScope::Public);
        match guest.power_state.map(|state| state.key_name) {
            Some(state) => instance.with_state(state, "RUNNING"),
            None => instance,
        }
    }
}
