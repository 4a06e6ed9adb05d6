//! The JSON and the errors of Nova (v2.1).

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::auth::openstack;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;
use url::form_urlencoded;

use crate::keys::NAME;

/// The action that Nova's policy must allow.
pub(crate) const PERMISSION: &str = "os_compute_api:servers:detail";

/// What is particular about Nova.
pub(crate) struct NovaApi;

impl ResponseClassifier for NovaApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        openstack::classify(response)
    }
}

impl Api for NovaApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        openstack::error_body(response)
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => error.with_hint("the compute service doesn't accept the token: check `auth_url`, `region` and `endpoint`"),
            ResponseClass::PermissionDenied => {
                let words = error.message().map(str::split_whitespace);
                let named = words.and_then(|mut words| words.find(|word| word.contains("_api:")));
                let permission = named.unwrap_or(PERMISSION).to_owned();
                error
                    .with_missing_permission(permission)
                    .with_hint(format!("assign a role on the project that Nova's policy lets do `{PERMISSION}`, as `reader`"))
            }
            _ => error,
        }
    }
}

/// A page of `GET /servers/detail`.
#[derive(Deserialize)]
pub(crate) struct ServerPage {
    pub(crate) servers: Vec<Server>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Link {
    rel: String,
    href: String,
}

impl ServerPage {
    /// The marker of the next page. The link's host isn't used: behind a proxy, Nova often doesn't
    /// know its own.
    pub(crate) fn next_marker(&self) -> Option<String> {
        let link = self.servers_links.iter().find(|link| link.rel == "next")?;
        let query = link.href.split_once('?').map_or("", |(_, query)| query);
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let marker = pairs.find(|(name, _)| name == "marker");
        // A link without a marker goes on after the last server of this page.
        let last = || Some(self.servers.last()?.id.clone());
        marker.map_or_else(last, |(_, marker)| Some(marker.into_owned()))
    }
}

/// A server. Its addresses are empty while it is being created.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `ACTIVE`, `SHUTOFF`, `BUILD`, `ERROR` and others.
    pub(crate) status: String,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Since version 2.26 of the API.
    pub(crate) tags: Vec<String>,
    pub(crate) addresses: BTreeMap<String, Vec<ServerAddress>>,
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    pub(crate) availability_zone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ServerAddress {
    pub(crate) addr: String,
    /// `fixed` or `floating`.
    #[serde(rename = "OS-EXT-IPS:type")]
    pub(crate) kind: Option<String>,
}
