//! The error responses of faults, in the format of each of Azure's services.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::operation::Endpoint;
use crate::engine::clock::Clock;
use crate::engine::service::FaultContext;

/// `WWW-Authenticate` of ARM.
pub(super) const CHALLENGE: &str =
    "Bearer authorization_uri=\"https://login.windows.net/common\", error=\"invalid_token\"";

/// The 503 of ARM's gateway, in its shape.
pub(super) const UNAVAILABLE: &str = "<!DOCTYPE html><html><head><title>AzureResourceManager</title></head><body><div id='content'><div id='message'>\
<h2>Our services aren't available right now</h2><p>We're working to restore all services as soon as possible. Please check back soon.</p></div>\
<div id='errorref'><span>Ref A: 0 Ref B: SIMULATOR Ref C: 0</span></div></div></body></html>";

/// The page (`{"value": [...]}`) with this `nextLink`; `None` for anything else.
pub(super) fn with_next_link(page: &Bytes, link: &str) -> Option<Bytes> {
    let Ok(Value::Object(mut page)) = serde_json::from_slice::<Value>(page) else {
        return None;
    };
    page.get("value").is_some_and(Value::is_array).then(|| {
        page.insert("nextLink".to_owned(), link.into());
        Value::Object(page).to_string().into()
    })
}

/// The JSON that the service writes for this status.
pub(super) fn json_body(status: StatusCode, context: FaultContext<'_, Endpoint>) -> Value {
    match context.endpoint {
        Endpoint::Authority => authority_body(status, context.clock),
        Endpoint::Metadata => {
            let code = match status.as_u16() {
                429 => "too_many_requests",
                404 => "not_found",
                code if code >= 500 => "server_error",
                _ => "invalid_request",
            };
            json!({ "error": code, "error_description": status.canonical_reason().unwrap_or("Error") })
        }
        Endpoint::Arm | Endpoint::Proxy => {
            let (code, message) = arm_error(status, context);
            json!({ "error": { "code": code, "message": message } })
        }
    }
}

/// Code and message of ARM for a status; shapes: errors recorded in azure-cli's and
/// cloud-provider-azure's tests, 2018 to 2025.
fn arm_error(status: StatusCode, context: FaultContext<'_, Endpoint>) -> (String, String) {
    let (code, message) = match status.as_u16() {
        401 => {
            let now = context.clock.unix_seconds();
            let (expiry, now) = (Clock::american(now.saturating_sub(60)), Clock::american(now));
            return ("ExpiredAuthenticationToken".to_owned(), format!("The access token expiry UTC time '{expiry}' is earlier than current UTC time '{now}'."));
        }
        403 => (
            "AuthorizationFailed",
            format!(
                "The client does not have authorization to perform action '{}' over scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                action_of(context.path),
                context.path
            ),
        ),
        404 => {
            let (kind, name, group) = resource_of(context.path);
            (
                "ResourceNotFound",
                format!("The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"),
            )
        }
        409 => ("Conflict", "The request failed due to conflict with a concurrent request. To resolve it, please refer to https://aka.ms/activitylog to get more details on the conflicting requests.".to_owned()),
        429 => ("SubscriptionRequestsThrottled", format!("Number of requests for operation 'GET{}' exceeded the backend storage limit. Please try again after '6' seconds.", context.path.to_ascii_uppercase())),
        500 => ("InternalServerError", "Encountered internal server error.".to_owned()),
        502 => ("BadGatewayConnection", "The network connectivity issue encountered for 'Microsoft.Network'; cannot fulfill the request.".to_owned()),
        503 => ("ServiceUnavailable", "The service is temporarily unavailable.".to_owned()),
        504 => ("GatewayTimeout", "The gateway did not receive a response from 'Microsoft.Network' within the specified time period.".to_owned()),
        code => return (format!("Status{code}"), status.canonical_reason().unwrap_or("Error").to_owned()),
    };
    (code.to_owned(), message)
}

fn authority_body(status: StatusCode, clock: Clock) -> Value {
    let (error, number, message) = match status.as_u16() {
        401 => (
            "invalid_client",
            7_000_215,
            "Invalid client secret provided.",
        ),
        429 => (
            "temporarily_unavailable",
            90_025,
            "Request processing has exceeded gateway allowance.",
        ),
        code if code >= 500 => (
            "temporarily_unavailable",
            90_033,
            "A transient error has occurred. Please try again.",
        ),
        _ => ("invalid_request", 9_000_000, "The request is not valid."),
    };
    json!({ "error": error, "error_description": format!("AADSTS{number}: {message}"), "error_codes": [number], "timestamp": clock.timestamp() })
}

/// Resource type, name and group of an ARM path, as far as it has them.
fn resource_of(path: &str) -> (String, &str, &str) {
    let segments: Vec<&str> = path.split('/').collect();
    let after = |word: &str| {
        segments
            .iter()
            .position(|segment| segment.eq_ignore_ascii_case(word))
            .map(|at| at + 1)
    };
    let group = after("resourceGroups")
        .and_then(|at| segments.get(at))
        .copied()
        .unwrap_or("");
    let Some(at) = after("providers") else {
        return (String::new(), segments.last().copied().unwrap_or(""), group);
    };
    // namespace, then type/name pairs
    let mut kind = segments.get(at).copied().unwrap_or("").to_owned();
    let mut name = "";
    for pair in segments.get(at + 1..).unwrap_or_default().chunks(2) {
        kind = format!("{kind}/{}", pair[0]);
        name = pair.get(1).copied().unwrap_or("");
    }
    (kind, name, group)
}

fn action_of(path: &str) -> String {
    format!("{}/read", resource_of(path).0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::super::operation::Operation;
    use super::super::{Azure, World};
    use super::*;
    use crate::clouds::azure::Reply;
    use crate::engine::fault::{FaultAction, FaultBody, FaultedReply, RetryAfter, apply};
    use http::HeaderMap;

    const PATH: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/nic-1";

    fn whole(action: FaultAction, endpoint: Endpoint) -> Reply {
        let reply = Reply {
            operation: Operation::GetNetworkInterface,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{\"value\":[{\"name\":\"a\"}]}"),
            compressed: None,
        };
        let url = format!("https://management.azure.com{PATH}");
        let azure = Azure::new(World::shipped("uniform").unwrap(), Clock::start());
        match apply(
            &azure,
            reply,
            &action,
            FaultContext {
                endpoint,
                url: &url,
                path: PATH,
                clock: Clock::start(),
            },
        ) {
            FaultedReply::Whole(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn json(reply: &Reply) -> Value {
        serde_json::from_slice(&reply.body).unwrap()
    }

    #[tokio::test]
    async fn a_vanished_thing_is_named_as_arm_names_it() {
        let reply = whole(FaultAction::NotFound, Endpoint::Arm);
        let message = json(&reply)["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(reply.status, 404);
        assert!(message.starts_with("The Resource 'Microsoft.Network/networkInterfaces/nic-1' under resource group 'g' was not found."), "{message}");
    }

    #[tokio::test]
    async fn a_refusal_names_the_action() {
        let status = StatusCode::FORBIDDEN;
        let reply = whole(
            FaultAction::Status {
                status,
                retry_after: None,
                body: FaultBody::Json,
            },
            Endpoint::Arm,
        );
        assert!(
            json(&reply)["error"]["message"]
                .as_str()
                .unwrap()
                .contains("'Microsoft.Network/networkInterfaces/read'")
        );
    }

    #[tokio::test]
    async fn a_faulted_page_links_to_the_faults_target_and_keeps_its_items() {
        let reply = whole(
            FaultAction::NextLink {
                to: "https://elsewhere.example/".to_owned(),
            },
            Endpoint::Arm,
        );
        assert_eq!(
            json(&reply),
            json!({ "value": [{ "name": "a" }], "nextLink": "https://elsewhere.example/" })
        );
        let reply = whole(FaultAction::NextLinkLoop, Endpoint::Arm);
        assert_eq!(
            json(&reply)["nextLink"],
            format!("https://management.azure.com{PATH}")
        );
    }

    #[tokio::test]
    async fn each_service_has_its_own_shape_of_error() {
        let action = FaultAction::Status {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(RetryAfter::Seconds(3)),
            body: FaultBody::Json,
        };
        assert_eq!(
            json(&whole(action.clone(), Endpoint::Arm))["error"]["code"],
            "ServiceUnavailable"
        );
        assert_eq!(
            json(&whole(action.clone(), Endpoint::Authority))["error"],
            "temporarily_unavailable"
        );
        assert_eq!(
            json(&whole(action.clone(), Endpoint::Metadata))["error"],
            "server_error"
        );
        assert_eq!(whole(action, Endpoint::Arm).headers["retry-after"], "3");
    }
}
