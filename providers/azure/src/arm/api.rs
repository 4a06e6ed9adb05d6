//! What is particular about the API of Azure Resource Manager: its errors, and what to do about
//! them.

use cloud_autojoin_core::http::{Request, Response, ResponseClassifier};
use cloud_autojoin_core::{ApiError, Error};
use cloud_autojoin_provider_kit::{Api, ErrorBody};

use super::error_body;
use super::resource_id::ResourceId;
use crate::keys::PROVIDER_NAME;

/// The headers under which Microsoft's support finds a request, the best one first.
const REQUEST_ID: [&str; 2] = ["x-ms-request-id", "x-ms-correlation-request-id"];

/// Query parameters that hold nothing secret, unlike `$skiptoken` and what a proxy may add.
pub(crate) const SHOWN_PARAMETERS: &[&str] = &[
    "api-version",
    "$filter",
    "$expand",
    "statusOnly",
    "$top",
    "resource",
];

/// Azure Resource Manager.
pub(crate) struct ArmApi;

impl ResponseClassifier for ArmApi {}

impl Api for ArmApi {
    fn provider(&self) -> &'static str {
        PROVIDER_NAME
    }

    fn shown_parameters(&self) -> &'static [&'static str] {
        SHOWN_PARAMETERS
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let mut body = error_body::read(&response.body);
        let header = |name| response.headers.get(name)?.to_str().ok();
        body.request_id = REQUEST_ID.into_iter().find_map(header).map(str::to_owned);
        body
    }

    fn explain(&self, error: ApiError, request: &Request, _: &Response) -> ApiError {
        explain(error, request)
    }
}

/// The action that the identity must be allowed: the type of the resource and `/read`.
pub(super) fn action(request: &Request) -> String {
    match ResourceId::of_url(request.url()).kind().as_str() {
        // The index of resources is no type of a resource provider.
        "" => "Microsoft.Resources/subscriptions/resources/read".to_owned(),
        kind => format!("{kind}/read"),
    }
}

/// Whether ARM reports that the resource, or the group it is in, doesn't exist.
///
/// The status alone doesn't prove it: proxies and gateways return 404 too, and a resource that is
/// taken for deleted makes a short list. A subscription that doesn't exist may be one that the
/// identity can't see.
pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(error) if missing(error).is_some_and(|missing| missing != Missing::Subscription))
}

/// Whether the resource group or the subscription itself doesn't exist: every other request would
/// get the same response.
pub(crate) fn is_scope_missing(error: &Error) -> bool {
    matches!(error, Error::Api(error) if missing(error).is_some_and(|missing| missing != Missing::Resource))
}

/// What of the path is missing.
#[derive(PartialEq)]
enum Missing {
    Subscription,
    ResourceGroup,
    Resource,
}

fn missing(error: &ApiError) -> Option<Missing> {
    Some(match (error.status(), error.code()?) {
        (404, "SubscriptionNotFound") | (400 | 404, "InvalidSubscriptionId") => {
            Missing::Subscription
        }
        (404, "ResourceGroupNotFound") => Missing::ResourceGroup,
        // `NotFound` is Microsoft.Network's word, `ResourceNotFound` that of ARM's front end.
        (404, "ResourceNotFound" | "NotFound" | "ParentResourceNotFound") => Missing::Resource,
        _ => return None,
    })
}

fn explain(error: ApiError, request: &Request) -> ApiError {
    let id = ResourceId::of_url(request.url());
    let subscription = id.after("subscriptions").unwrap_or_default();
    let (group, set) = (id.resource_group(), id.after("virtualMachineScaleSets"));
    let hint = match (missing(&error), error.status(), error.code()) {
        (Some(Missing::Subscription), ..) => {
            format!("check `subscription_id` and `environment`: this cloud has no subscription `{subscription}`, or this identity has no role in it")
        }
        (Some(missing), ..) => match (missing, group, set) {
            (Missing::ResourceGroup, Some(group), _) => format!("check `resource_group`: subscription `{subscription}` has no resource group `{group}`"),
            (Missing::Resource, Some(group), Some(set)) => format!(
                "no such scale set: resource group `{group}` of subscription `{subscription}` has no scale set `{set}`; check `vm_scale_set` and `resource_group`"
            ),
            _ => return error,
        },
        (_, 401, Some("InvalidAuthenticationTokenTenant")) => {
            format!("check `tenant_id`: the token is from another tenant than the one subscription `{subscription}` belongs to")
        }
        (_, 401, _) => "Azure refuses the token, and a fresh one too: check `tenant_id` and `environment`, and the clock of this machine".to_owned(),
        (_, 404, None) => {
            "the response has no error code of Azure Resource Manager: a proxy or gateway may have sent it; check `HTTPS_PROXY`, `NO_PROXY` and `arm_endpoint`"
                .to_owned()
        }
        (_, 403, _) => {
            let named = error.message().and_then(error_body::missing_action);
            let action = named.map_or_else(|| action(request), str::to_owned);
            let scope = group.map_or_else(|| format!("subscription `{subscription}`"), |group| format!("resource group `{group}`"));
            let hint = format!("grant the action `{action}` over {scope} to this identity (the role Reader has it); a new grant takes effect after some minutes");
            // A new role assignment arrives within minutes: the same request may succeed then.
            return error.with_missing_permission(action).with_hint(hint).transient();
        }
        _ => return error,
    };
    error.with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn hint(status: u16, code: &str) -> String {
        let set = ResourceId::scale_set("s", "prod", "web");
        let url = format!("https://arm.example{set}").parse().unwrap();
        let error = ApiError::new("azure", "x", status).with_code(Some(code.to_owned()));
        let error = explain(error, &Request::get("x", url));
        error.hint().unwrap_or_default().into_owned()
    }

    #[test]
    fn each_kind_of_not_found_names_what_is_missing() {
        let hint = |code| hint(404, code);
        assert!(
            hint("SubscriptionNotFound").contains("`subscription_id`")
                && hint("SubscriptionNotFound").contains("`s`")
        );
        assert_eq!(
            hint("ResourceGroupNotFound"),
            "check `resource_group`: subscription `s` has no resource group `prod`"
        );
        for code in ["ResourceNotFound", "NotFound", "ParentResourceNotFound"] {
            assert!(hint(code).starts_with("no such scale set: resource group `prod` of subscription `s` has no scale set `web`"), "{code}");
        }
        assert_eq!(hint("InvalidResourceType"), "");
    }

    #[test]
    fn a_refusal_names_the_action_even_when_azure_does_not() {
        let text = hint(403, "AuthorizationFailed");
        assert!(
            text.contains(
                "`Microsoft.Compute/virtualMachineScaleSets/read` over resource group `prod`"
            ),
            "{text}"
        );
    }

    #[test]
    fn only_a_missing_group_or_subscription_makes_every_other_request_pointless() {
        let error = |status, code: &str| {
            Error::from(ApiError::new("azure", "x", status).with_code(Some(code.to_owned())))
        };
        assert!(is_scope_missing(&error(404, "ResourceGroupNotFound")));
        assert!(is_scope_missing(&error(400, "InvalidSubscriptionId")));
        assert!(!is_scope_missing(&error(404, "NotFound")));
    }

    #[test]
    fn only_arms_own_codes_say_that_something_does_not_exist() {
        let is_not_found = |status, code: Option<&str>| {
            is_not_found(
                &ApiError::new("azure", "x", status)
                    .with_code(code.map(str::to_owned))
                    .into(),
            )
        };
        for code in [
            "ResourceNotFound",
            "NotFound",
            "ParentResourceNotFound",
            "ResourceGroupNotFound",
        ] {
            assert!(is_not_found(404, Some(code)), "{code}");
            assert!(!is_not_found(403, Some(code)), "{code}");
        }
        for code in [
            None,
            Some("InvalidResourceType"),
            Some("SubscriptionNotFound"),
            Some("404"),
            Some("page_not_found"),
        ] {
            assert!(!is_not_found(404, code), "{code:?}");
        }
    }
}
