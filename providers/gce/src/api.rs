//! The JSON, the errors and the rate limits of the Compute Engine API (v1).

use std::collections::BTreeMap;

use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_core::{ApiError, Result};
use cloud_autojoin_provider_kit::api::class_of_code;
use cloud_autojoin_provider_kit::select::tag_pairs;
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use http::StatusCode;
use serde::Deserialize;

use crate::keys::NAME;

/// What the operations are called, in errors and to find the permission that one needs.
pub(crate) const LIST_INSTANCES: &str = "list instances";
pub(crate) const LIST_GROUPS: &str = "list managed instance groups";
pub(crate) const LIST_MEMBERS: &str = "list the instances of a managed instance group";

/// The most resources the API gives in one page.
pub(crate) const MAX_RESULTS: (&str, &str) = ("maxResults", "500");

/// The query of every aggregated list: places that don't respond are listed apart from the others.
pub(crate) const LIST_QUERY: [(&str, &str); 2] = [MAX_RESULTS, ("returnPartialSuccess", "true")];

/// The permissions of the operations.
pub(crate) const PERMISSIONS: [(&str, &str); 3] = [
    (LIST_INSTANCES, "compute.instances.list"),
    (LIST_GROUPS, "compute.instanceGroupManagers.list"),
    (LIST_MEMBERS, "compute.instanceGroupManagers.get"),
];

/// The query parameter that takes the token of the next page, and where a page has it.
pub(crate) const PAGE_TOKEN: &str = "pageToken";
pub(crate) const NEXT_PAGE_TOKEN: &[&str] = &["nextPageToken"];

/// The reasons of a rate limit, or what they begin with.
const RATE_LIMITS: &[&str] = &["rateLimit", "userRateLimit", "quotaExceeded", "RATE_LIMIT"];

/// What is particular about the Compute Engine API.
pub(crate) struct ComputeApi;

impl ResponseClassifier for ComputeApi {
    /// Rate limits come as status 403 with a reason of their own.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        let class = ResponseClass::of_status(response.status);
        if response.status != StatusCode::FORBIDDEN {
            return class;
        }
        let reason = error_body(&response.body).code.unwrap_or_default();
        class_of_code(&reason, &[(ResponseClass::Throttled, RATE_LIMITS)]).unwrap_or(class)
    }
}

impl Api for ComputeApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        error_body(&response.body)
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        let message = error.message().unwrap_or_default();
        match response.class {
            ResponseClass::ExpiredCredential => error.with_hint("check the credentials: Google Cloud doesn't know the token, or the account was disabled"),
            ResponseClass::PermissionDenied if matches!(error.code(), Some("accessNotConfigured" | "SERVICE_DISABLED")) => {
                error.with_hint("enable the Compute Engine API in the project: `gcloud services enable compute.googleapis.com`")
            }
            ResponseClass::PermissionDenied if message.contains("insufficient authentication scopes") => {
                error.with_hint("give the instance the access scope `compute-ro` or `cloud-platform` (it must be stopped for that)")
            }
            ResponseClass::PermissionDenied => {
                let named = message.split('\'').find(|word| word.starts_with("compute."));
                let mut known = PERMISSIONS.iter().filter(|(operation, _)| *operation == request.operation());
                let permission = named.or_else(|| Some(known.next()?.1)).unwrap_or(PERMISSIONS[0].1).to_owned();
                error.with_missing_permission(permission)
            }
            ResponseClass::NotFound => error.with_hint("check `project_name`: it is the id of the project, not its display name"),
            _ => error,
        }
    }
}

fn error_body(body: &[u8]) -> ErrorBody {
    ErrorBody::from_json(
        body,
        &["/error/errors/0/reason", "/error/status", "/error/code"],
        &["/error/message"],
        &[],
    )
}

/// A page of an aggregated list: what `T` lists, by the place it is in (`zones/us-east1-b`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AggregatedPage<T> {
    /// Places without resources are in it, too, with a warning.
    pub(crate) items: BTreeMap<String, Scoped<T>>,
    pub(crate) next_page_token: Option<String>,
    #[serde(default)]
    unreachables: Vec<String>,
    warning: Option<Warning>,
}

/// What is in one place.
#[derive(Deserialize)]
pub(crate) struct Scoped<T> {
    #[serde(
        alias = "instances",
        alias = "instanceGroupManagers",
        default = "Vec::new"
    )]
    pub(crate) list: Vec<T>,
    warning: Option<Warning>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Warning {
    code: String,
    message: String,
}

impl Warning {
    /// Whether something is missing from the list. Most warnings say that a place has no resources.
    fn is_partial(&self) -> bool {
        matches!(
            self.code.as_str(),
            "UNREACHABLE" | "PARTIAL_SUCCESS" | "LIST_OVERHEAD_QUOTA_EXCEED"
        )
    }
}

impl<T> AggregatedPage<T> {
    /// Fails if a place is missing that `is_wanted`: a list without it would look complete.
    ///
    /// # Errors
    ///
    /// With the place and the API's own words.
    pub(crate) fn require_complete(
        &self,
        operation: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let warned = self.items.iter().filter_map(|(place, scoped)| {
            let warning = scoped
                .warning
                .as_ref()
                .filter(|warning| warning.is_partial())?;
            Some((place, &*warning.code, &*warning.message))
        });
        let silent = self.unreachables.iter();
        let silent = silent.map(|place| (place, "UNREACHABLE", "it doesn't respond"));
        let mut missing = warned.chain(silent).peekable();
        // Where the places that are missing are listed, each of them is judged.
        let whole = self.warning.as_ref().filter(|warning| warning.is_partial());
        let whole = whole.filter(|_| missing.peek().is_none());
        let whole = whole.map(|warning| (&*warning.code, warning.message.clone()));
        let wanted = missing.find(|(place, ..)| is_wanted(place));
        let wanted = wanted.map(|(place, code, message)| (code, format!("{place}: {message}")));
        let Some((code, message)) = wanted.or(whole) else {
            return Ok(());
        };
        let hint = "a part of Google Cloud doesn't respond: try again in a while, or leave the zone out with `zone_pattern`";
        let error = ApiError::new(NAME, operation, 200)
            .with_code(Some(code.to_owned()))
            .with_message(Some(message));
        Err(error.transient().with_hint(hint).into())
    }
}

/// An instance. Everything but its name may be absent while it is being created.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) name: String,
    /// `PROVISIONING`, `STAGING`, `RUNNING`, `STOPPING`, `TERMINATED`, `SUSPENDED` and others.
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default, deserialize_with = "tag_pairs")]
    pub(crate) labels: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) tags: NetworkTags,
    #[serde(default)]
    pub(crate) network_interfaces: Vec<NetworkInterface>,
}

#[derive(Deserialize, Default)]
pub(crate) struct NetworkTags {
    #[serde(default)]
    pub(crate) items: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkInterface {
    pub(crate) name: Option<String>,
    #[serde(rename = "networkIP")]
    pub(crate) network_ip: Option<String>,
    /// The internal IPv6 address; an external one is in `ipv6_access_configs`.
    pub(crate) ipv6_address: Option<String>,
    pub(crate) access_configs: Vec<AccessConfig>,
    pub(crate) ipv6_access_configs: Vec<AccessConfig>,
}

#[derive(Deserialize)]
pub(crate) struct AccessConfig {
    #[serde(rename = "natIP", alias = "externalIpv6")]
    pub(crate) address: Option<String>,
}

/// A managed instance group; its place is known from the list.
#[derive(Deserialize)]
pub(crate) struct InstanceGroupManager {
    pub(crate) name: String,
}

/// A page of the instances of a managed instance group.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ManagedInstances {
    pub(crate) managed_instances: Vec<ManagedInstance>,
    pub(crate) next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ManagedInstance {
    /// The URL of the instance.
    #[serde(default)]
    pub(crate) instance: String,
}
