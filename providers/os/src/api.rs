//! The JSON and the errors of Keystone (v3) and Nova (v2.1).

use std::collections::BTreeMap;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::provider::NAME;

/// The action that Nova's policy asks for.
pub(crate) const PERMISSION: &str = "os_compute_api:servers:detail";

/// What is particular about OpenStack's APIs.
pub(crate) struct OpenStackApi;

impl ResponseClassifier for OpenStackApi {
    /// Older clouds answer too many requests with 413.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        if response.status.as_u16() == 413 {
            ResponseClass::Throttled
        } else {
            ResponseClass::of_status(response.status)
        }
    }
}

impl Api for OpenStackApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    /// `{"forbidden": {"code": 403, "message": "..."}}`: the name of the only member is the code.
    fn error_body(&self, response: &Response) -> ErrorBody {
        let body: Option<Map<String, Value>> = serde_json::from_slice(&response.body).ok();
        let Some((kind, _)) = body.as_ref().and_then(|body| body.iter().next()) else {
            return ErrorBody::default();
        };
        let (code, message) = (format!("/{kind}/title"), format!("/{kind}/message"));
        let mut found = ErrorBody::from_json(&response.body, &[&code], &[&message], &[]);
        if kind != "error" && found.message.is_some() {
            found.code = Some(kind.clone());
        }
        let request_id = response
            .headers
            .get("x-openstack-request-id")
            .and_then(|value| value.to_str().ok());
        found.request_id = request_id.map(str::to_owned);
        found
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        let is_keystone = request.url().path().ends_with("/auth/tokens");
        match response.class {
            ResponseClass::ExpiredCredential if is_keystone => {
                error.with_hint("check user, password and domain, or the application credential; a project that doesn't exist gives the same answer")
            }
            ResponseClass::ExpiredCredential => error.with_hint("the compute service doesn't accept the token: check `auth_url`, `region` and `endpoint`"),
            ResponseClass::NotFound if is_keystone => error.with_hint("check `auth_url`, and `token`: an unknown token gives the same answer"),
            ResponseClass::PermissionDenied => {
                let named = error.message().and_then(|message| message.split_whitespace().find(|word| word.contains("_api:")));
                let permission = named.unwrap_or(PERMISSION).to_owned();
                error
                    .with_missing_permission(permission)
                    .with_hint(format!("assign a role on the project that Nova's policy lets do `{PERMISSION}`, as `reader`"))
            }
            _ => error,
        }
    }
}

/// The answer to a request for a token; the token itself is in a header.
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    pub(crate) token: TokenBody,
}

#[derive(Deserialize)]
pub(crate) struct TokenBody {
    #[serde(default)]
    pub(crate) expires_at: String,
    pub(crate) project: Option<Project>,
    #[serde(default)]
    pub(crate) catalog: Vec<Service>,
}

#[derive(Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
}

/// A service of the catalog.
#[derive(Deserialize)]
pub(crate) struct Service {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
pub(crate) struct Endpoint {
    #[serde(default)]
    pub(crate) interface: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    pub(crate) region_id: String,
    #[serde(default)]
    pub(crate) url: String,
}

impl Endpoint {
    pub(crate) fn is_in(&self, region: &str) -> bool {
        self.region == region || self.region_id == region
    }
}

/// A page of `GET /servers/detail`.
#[derive(Deserialize)]
pub(crate) struct ServerPage {
    pub(crate) servers: Vec<Server>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

impl ServerPage {
    /// The marker of the next page. The link's host isn't used: behind a proxy, Nova often doesn't
    /// know its own.
    pub(crate) fn next_marker(&self) -> Option<String> {
        let next = self.servers_links.iter().find(|link| link.rel == "next")?;
        let url = Url::options()
            .base_url(Url::parse("http://nova/").ok().as_ref())
            .parse(&next.href)
            .ok()?;
        let marker = url
            .query_pairs()
            .find(|(name, _)| name == "marker")
            .map(|(_, marker)| marker.into_owned());
        // A link without a marker goes on after the last server of this page.
        marker.or_else(|| self.servers.last().map(|server| server.id.clone()))
    }
}

/// A server. Its addresses are empty while it is being created.
#[derive(Deserialize)]
pub(crate) struct Server {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// `ACTIVE`, `SHUTOFF`, `BUILD`, `ERROR` and others.
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// Since version 2.26 of the API.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) addresses: BTreeMap<String, Vec<ServerAddress>>,
    #[serde(default, rename = "OS-EXT-AZ:availability_zone")]
    pub(crate) availability_zone: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ServerAddress {
    #[serde(default)]
    pub(crate) addr: String,
    /// `fixed` or `floating`.
    #[serde(default, rename = "OS-EXT-IPS:type")]
    pub(crate) kind: Option<String>,
}
