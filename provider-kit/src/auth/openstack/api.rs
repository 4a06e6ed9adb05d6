//! The JSON of Keystone (v3), and the errors of all services.

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::NAME;
use crate::{Api, ErrorBody};

/// What is particular about Keystone and the metadata service.
pub(super) struct KeystoneApi;

impl ResponseClassifier for KeystoneApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        classify(response)
    }
}

impl Api for KeystoneApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        error_body(response)
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        match response.class {
            _ if !request.url().path().ends_with("/auth/tokens") => error,
            ResponseClass::ExpiredCredential => error.with_hint(
                "check user, password and domain, or the application credential; a project that \
                 doesn't exist gets the same response",
            ),
            ResponseClass::NotFound => error.with_hint(
                "check `auth_url`, and `token`: an unknown token gets the same response",
            ),
            _ => error,
        }
    }
}

/// The class of a service's response. Older clouds report too many requests with 413.
pub fn classify(response: &RawResponse) -> ResponseClass {
    match response.status.as_u16() {
        413 => ResponseClass::Throttled,
        _ => ResponseClass::of_status(response.status),
    }
}

/// The error of a service's response,
/// `{"forbidden": {"code": 403, "message": "..."}}`: the name of the only member is the code.
pub fn error_body(response: &Response) -> ErrorBody {
    let body: Map<String, Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    let kind = body.keys().next().map_or("", String::as_str);
    let (title, message) = (format!("/{kind}/title"), format!("/{kind}/message"));
    let mut found = ErrorBody::from_json(&response.body, &[&title], &[&message], &[]);
    if kind != "error" && found.message.is_some() {
        found.code = Some(kind.to_owned());
    }
    found.with_request_id(response, "x-openstack-request-id")
}

/// The response to a request for a token; the token itself is in a header.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    pub(super) token: TokenBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TokenBody {
    pub(super) expires_at: String,
    pub(super) project: Project,
    pub(super) catalog: Vec<Service>,
}

/// Empty for a token that isn't of a project.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Project {
    pub(super) id: String,
}

/// A service of the catalog.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Service {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Endpoint {
    pub(super) interface: String,
    /// Null without a region.
    region_id: Option<String>,
    /// The same, and the only one in old catalogs.
    region: Option<String>,
    pub(super) url: String,
}

impl Endpoint {
    pub(super) fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}
