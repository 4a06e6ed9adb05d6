//! Answers with an error status, made into errors that say what to do.

use cloud_autojoin_core::http::Response;
use cloud_autojoin_core::{ApiError, Error};

use super::error_body::ErrorBody;
use super::urls::Ask;
use crate::azure::PROVIDER_NAME;

/// The headers under which Microsoft's support finds a request, the best one first.
const REQUEST_ID: [&str; 2] = ["x-ms-request-id", "x-ms-correlation-request-id"];

/// The error for an answer whose status is no success.
pub(super) fn api_error(ask: &Ask, response: &Response) -> ApiError {
    let status = response.status.as_u16();
    let body = ErrorBody::read(&response.body);
    let request_id = REQUEST_ID.iter().find_map(|name| response.headers.get(*name)?.to_str().ok()).map(str::to_owned);
    let hint = hint(ask, status, &body);
    let permission = (status == 403).then(|| body.missing_action().unwrap_or(ask.action).to_owned());
    let mut error = ApiError::new(PROVIDER_NAME, ask.operation.clone(), status)
        .with_code(body.code)
        .with_message(body.message)
        .with_request_id(request_id)
        .with_retry_after(response.retry_after)
        .after(response.attempts, response.elapsed);
    if let Some(permission) = permission {
        error = error.with_missing_permission(permission);
    }
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Whether ARM says that the resource, or the group it is in, does not exist.
///
/// The status alone does not say so: proxies and gateways answer 404 too, and a resource that is
/// taken for deleted makes a short list. A subscription that is not there may be one that the
/// identity cannot see.
pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(error) if matches!(kind(error.status(), error.code()), Some(Missing::Resource | Missing::ResourceGroup)))
}

/// Whether the resource group or the subscription itself is not there: every other question would be answered the same.
pub(crate) fn is_scope_missing(error: &Error) -> bool {
    matches!(error, Error::Api(error) if matches!(kind(error.status(), error.code()), Some(Missing::ResourceGroup | Missing::Subscription)))
}

/// What of the path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Subscription,
    ResourceGroup,
    Resource,
}

fn kind(status: u16, code: Option<&str>) -> Option<Missing> {
    match (status, code?) {
        (404, "SubscriptionNotFound") | (400 | 404, "InvalidSubscriptionId") => Some(Missing::Subscription),
        (404, "ResourceGroupNotFound") => Some(Missing::ResourceGroup),
        // `NotFound` is Microsoft.Network's word, `ResourceNotFound` that of ARM's front door.
        (404, "ResourceNotFound" | "NotFound" | "ParentResourceNotFound") => Some(Missing::Resource),
        _ => None,
    }
}

fn hint(ask: &Ask, status: u16, body: &ErrorBody) -> Option<String> {
    let Ask { subscription, .. } = ask;
    let group = ask.resource_group.as_deref();
    if let Some(missing) = kind(status, body.code.as_deref()) {
        return match (missing, group, ask.scale_set.as_deref()) {
            (Missing::Subscription, _, _) => {
                Some(format!("check `subscription_id` and `environment`: this cloud has no subscription `{subscription}`, or this identity has no role in it"))
            }
            (Missing::ResourceGroup, Some(group), _) => Some(format!("check `resource_group`: subscription `{subscription}` has no resource group `{group}`")),
            (Missing::Resource, Some(group), Some(set)) => Some(format!(
                "no such scale set: resource group `{group}` of subscription `{subscription}` has no scale set `{set}`; check `vm_scale_set` and `resource_group`"
            )),
            _ => None,
        };
    }
    match (status, body.code.as_deref()) {
        (401, Some("InvalidAuthenticationTokenTenant")) => {
            Some(format!("check `tenant_id`: the token is from another tenant than the one subscription `{subscription}` belongs to"))
        }
        (401, _) => Some("Azure refuses the token, and a fresh one too: check `tenant_id` and `environment`, and the clock of this machine".to_owned()),
        (404, None) => Some(
            "the answer has no error code of Azure Resource Manager: a proxy or gateway may have given it; check `HTTPS_PROXY`, `NO_PROXY` and `arm_endpoint`"
                .to_owned(),
        ),
        (403, _) => {
            let action = body.missing_action().unwrap_or(ask.action);
            let scope = group.map_or_else(|| format!("subscription `{subscription}`"), |group| format!("resource group `{group}`"));
            Some(format!("grant the action `{action}` over {scope} to this identity (the role Reader has it); a new grant takes some minutes to count"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::urls::Asks;
    use super::*;

    fn body(code: &str) -> ErrorBody {
        ErrorBody { code: Some(code.to_owned()), message: None }
    }

    fn ask() -> Ask {
        Asks::new(&"https://arm.example".parse().unwrap(), "s").scale_set("prod", "web")
    }

    #[test]
    fn each_kind_of_not_found_names_what_is_missing() {
        let hint = |code| hint(&ask(), 404, &body(code)).unwrap_or_default();
        assert!(hint("SubscriptionNotFound").contains("`subscription_id`") && hint("SubscriptionNotFound").contains("`s`"));
        assert_eq!(hint("ResourceGroupNotFound"), "check `resource_group`: subscription `s` has no resource group `prod`");
        for code in ["ResourceNotFound", "NotFound", "ParentResourceNotFound"] {
            assert!(hint(code).starts_with("no such scale set: resource group `prod` of subscription `s` has no scale set `web`"), "{code}");
        }
        assert_eq!(hint("InvalidResourceType"), "");
    }

    #[test]
    fn a_refusal_names_the_action_even_when_azure_does_not() {
        let text = hint(&ask(), 403, &body("AuthorizationFailed")).unwrap();
        assert!(text.contains("`Microsoft.Compute/virtualMachineScaleSets/read` over resource group `prod`"), "{text}");
    }

    #[test]
    fn only_a_missing_group_or_subscription_makes_every_other_question_pointless() {
        let error = |status, code: &str| Error::from(ApiError::new("azure", "x", status).with_code(Some(code.to_owned())));
        assert!(is_scope_missing(&error(404, "ResourceGroupNotFound")));
        assert!(is_scope_missing(&error(400, "InvalidSubscriptionId")));
        assert!(!is_scope_missing(&error(404, "NotFound")));
    }

    #[test]
    fn only_arms_own_codes_say_that_something_does_not_exist() {
        let is_not_found = |status, code: Option<&str>| is_not_found(&ApiError::new("azure", "x", status).with_code(code.map(str::to_owned)).into());
        for code in ["ResourceNotFound", "NotFound", "ParentResourceNotFound", "ResourceGroupNotFound"] {
            assert!(is_not_found(404, Some(code)), "{code}");
            assert!(!is_not_found(403, Some(code)), "{code}");
        }
        for code in [None, Some("InvalidResourceType"), Some("SubscriptionNotFound"), Some("404"), Some("page_not_found")] {
            assert!(!is_not_found(404, code), "{code:?}");
        }
    }
}
