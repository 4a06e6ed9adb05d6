//! The API's JSON and errors (REST, version 3).

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::{AddressScope, Api, ErrorBody, Instance};
use serde::Deserialize;

use crate::provider::NAME;

/// What is particular about SoftLayer's API.
pub(crate) struct SoftLayerApi;

fn error_body(body: &[u8]) -> ErrorBody {
    ErrorBody::from_json(body, &["/code"], &["/error"], &[])
}

impl ResponseClassifier for SoftLayerApi {
    /// Throttling may come with any status.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        match ResponseClass::of_status(response.status) {
            ResponseClass::Success => ResponseClass::Success,
            _ if error_body(&response.body)
                .code
                .is_some_and(|code| code.contains("RateLimit")) =>
            {
                ResponseClass::Throttled
            }
            other => other,
        }
    }
}

impl Api for SoftLayerApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        error_body(&response.body)
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => error.with_hint("check `username` and `api_key`: SoftLayer knows no such user, or the key is another one's"),
            ResponseClass::PermissionDenied => error.with_missing_permission("View Virtual Server Details"),
            _ => error,
        }
    }
}

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
