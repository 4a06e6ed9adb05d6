//! Answers as faults make them: bodies in the shape that each service writes for a status, links bent, JSON cut.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{FaultAction, FaultBody, RetryAfter};
use crate::engine::clock::Clock;
use crate::engine::message::Reply;
use crate::engine::record::Door;

/// The request that a fault strikes, as far as the answer depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Struck<'a> {
    pub(crate) door: Door,
    /// The whole URL that was asked for.
    pub(crate) url: &'a str,
    /// Its path.
    pub(crate) path: &'a str,
    pub(crate) clock: Clock,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(crate) enum Bent {
    /// It is sent.
    Whole(Reply),
    /// Its first half is sent, then the connection ends.
    CutBody { reply: Reply, chunked: bool },
    /// It is never sent.
    Hang,
    /// The connection is reset.
    Reset,
}

/// Does `action` to `reply`; a delay is the caller's to wait.
pub(crate) fn bend(mut reply: Reply, action: &FaultAction, struck: Struck<'_>) -> Bent {
    match action {
        FaultAction::Hang => return Bent::Hang,
        FaultAction::Reset => return Bent::Reset,
        FaultAction::CutBody { chunked } => return Bent::CutBody { reply, chunked: *chunked },
        FaultAction::Delay(_) => {}
        FaultAction::CutJson => {
            let half = reply.body.len() / 2;
            reply.body.truncate(half);
            reply.compressed = None;
        }
        FaultAction::Redirect { to } => {
            replace(&mut reply, StatusCode::TEMPORARY_REDIRECT, None);
            insert(&mut reply.headers, LOCATION, to);
        }
        FaultAction::NextLink { to } => link(&mut reply, to),
        FaultAction::NextLinkLoop => link(&mut reply, struck.url),
        FaultAction::Unauthorized => {
            replace(&mut reply, StatusCode::UNAUTHORIZED, Some(json_body(StatusCode::UNAUTHORIZED, struck)));
            if struck.door == Door::Arm {
                insert(&mut reply.headers, WWW_AUTHENTICATE, "Bearer authorization_uri=\"https://login.windows.net/common\", error=\"invalid_token\"");
            }
        }
        FaultAction::NotFound => replace(&mut reply, StatusCode::NOT_FOUND, Some(json_body(StatusCode::NOT_FOUND, struck))),
        FaultAction::Status { status, retry_after, body } => {
            let (kind, body) = match body {
                FaultBody::Json => ("application/json; charset=utf-8", json_body(*status, struck).to_string().into()),
                FaultBody::Html => ("text/html", Bytes::from_static(UNAVAILABLE.as_bytes())),
                FaultBody::Empty => ("", Bytes::new()),
                FaultBody::Text(text) => ("text/plain; charset=utf-8", text.clone().into()),
            };
            replace(&mut reply, *status, None);
            if !kind.is_empty() {
                insert(&mut reply.headers, CONTENT_TYPE, kind);
            }
            reply.body = body;
            match retry_after {
                None => {}
                Some(RetryAfter::Seconds(seconds)) => insert(&mut reply.headers, RETRY_AFTER, &seconds.to_string()),
                Some(RetryAfter::Date(ahead)) => {
                    let date = struck.clock.now() + std::time::Duration::from_secs(*ahead);
                    insert(&mut reply.headers, RETRY_AFTER, &httpdate::fmt_http_date(date));
                }
            }
        }
    }
    Bent::Whole(reply)
}

/// The 503 of ARM's front door, in its shape.
const UNAVAILABLE: &str = "<!DOCTYPE html><html><head><title>AzureResourceManager</title></head><body><div id='content'><div id='message'>\
<h2>Our services aren't available right now</h2><p>We're working to restore all services as soon as possible. Please check back soon.</p></div>\
<div id='errorref'><span>Ref A: 0 Ref B: SIMULATOR Ref C: 0</span></div></div></body></html>";

fn replace(reply: &mut Reply, status: StatusCode, body: Option<Value>) {
    reply.status = status;
    reply.headers = HeaderMap::new();
    reply.compressed = None;
    reply.body = match body {
        Some(body) => {
            insert(&mut reply.headers, CONTENT_TYPE, "application/json; charset=utf-8");
            body.to_string().into()
        }
        None => Bytes::new(),
    };
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Makes a page (`{"value": [...]}`) go on at `to`; anything else stays as it is.
fn link(reply: &mut Reply, to: &str) {
    let Ok(Value::Object(mut page)) = serde_json::from_slice::<Value>(&reply.body) else {
        return;
    };
    if page.get("value").is_some_and(Value::is_array) {
        page.insert("nextLink".to_owned(), to.into());
        reply.body = Value::Object(page).to_string().into();
        reply.compressed = None;
    }
}

/// The JSON that the service writes for this status.
fn json_body(status: StatusCode, struck: Struck<'_>) -> Value {
    match struck.door {
        Door::Authority => authority_body(status, struck.clock),
        Door::Metadata => {
            let code = match status.as_u16() {
                429 => "too_many_requests",
                404 => "not_found",
                code if code >= 500 => "server_error",
                _ => "invalid_request",
            };
            json!({ "error": code, "error_description": status.canonical_reason().unwrap_or("Error") })
        }
        Door::Arm | Door::Proxy => {
            let (code, message) = arm_error(status, struck);
            json!({ "error": { "code": code, "message": message } })
        }
    }
}

/// Code and message of ARM for a status; shapes: errors recorded in azure-cli's and cloud-provider-azure's tests, 2018 to 2025.
fn arm_error(status: StatusCode, struck: Struck<'_>) -> (String, String) {
    let (code, message) = match status.as_u16() {
        401 => {
            let now = struck.clock.unix_seconds();
            let (expiry, now) = (Clock::american(now.saturating_sub(60)), Clock::american(now));
            return ("ExpiredAuthenticationToken".to_owned(), format!("The access token expiry UTC time '{expiry}' is earlier than current UTC time '{now}'."));
        }
        403 => (
            "AuthorizationFailed",
            format!(
                "The client does not have authorization to perform action '{}' over scope '{}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                action_of(struck.path),
                struck.path
            ),
        ),
        404 => {
            let (kind, name, group) = resource_of(struck.path);
            (
                "ResourceNotFound",
                format!("The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"),
            )
        }
        409 => ("Conflict", "The request failed due to conflict with a concurrent request. To resolve it, please refer to https://aka.ms/activitylog to get more details on the conflicting requests.".to_owned()),
        429 => ("SubscriptionRequestsThrottled", format!("Number of requests for operation 'GET{}' exceeded the backend storage limit. Please try again after '6' seconds.", struck.path.to_ascii_uppercase())),
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
        401 => ("invalid_client", 7_000_215, "Invalid client secret provided."),
        429 => ("temporarily_unavailable", 90_025, "Request processing has exceeded gateway allowance."),
        code if code >= 500 => ("temporarily_unavailable", 90_033, "A transient error has occurred. Please try again."),
        _ => ("invalid_request", 9_000_000, "The request is not valid."),
    };
    json!({ "error": error, "error_description": format!("AADSTS{number}: {message}"), "error_codes": [number], "timestamp": clock.timestamp() })
}

/// Resource type, name and group of an ARM path, as far as it has them.
fn resource_of(path: &str) -> (String, &str, &str) {
    let segments: Vec<&str> = path.split('/').collect();
    let after = |word: &str| segments.iter().position(|segment| segment.eq_ignore_ascii_case(word)).map(|at| at + 1);
    let group = after("resourceGroups").and_then(|at| segments.get(at)).copied().unwrap_or("");
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

    use super::*;
    use crate::engine::message::Operation;

    const PATH: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/nic-1";

    fn whole(action: FaultAction, door: Door) -> Reply {
        let reply = Reply {
            operation: Operation::GetNetworkInterface,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{\"value\":[{\"name\":\"a\"}]}"),
            compressed: None,
        };
        let url = format!("https://management.azure.com{PATH}");
        match bend(reply, &action, Struck { door, url: &url, path: PATH, clock: Clock::start() }) {
            Bent::Whole(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn json(reply: &Reply) -> Value {
        serde_json::from_slice(&reply.body).unwrap()
    }

    #[tokio::test]
    async fn a_vanished_thing_is_named_as_arm_names_it() {
        let reply = whole(FaultAction::NotFound, Door::Arm);
        let message = json(&reply)["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 404);
        assert!(message.starts_with("The Resource 'Microsoft.Network/networkInterfaces/nic-1' under resource group 'g' was not found."), "{message}");
    }

    #[tokio::test]
    async fn a_refusal_names_the_action() {
        let status = StatusCode::FORBIDDEN;
        let reply = whole(FaultAction::Status { status, retry_after: None, body: FaultBody::Json }, Door::Arm);
        assert!(json(&reply)["error"]["message"].as_str().unwrap().contains("'Microsoft.Network/networkInterfaces/read'"));
    }

    #[tokio::test]
    async fn a_page_goes_on_where_the_fault_says_and_keeps_its_items() {
        let reply = whole(FaultAction::NextLink { to: "https://elsewhere.example/".to_owned() }, Door::Arm);
        assert_eq!(json(&reply), json!({ "value": [{ "name": "a" }], "nextLink": "https://elsewhere.example/" }));
        let reply = whole(FaultAction::NextLinkLoop, Door::Arm);
        assert_eq!(json(&reply)["nextLink"], format!("https://management.azure.com{PATH}"));
    }

    #[tokio::test]
    async fn each_service_has_its_own_shape_of_error() {
        let action = FaultAction::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: Some(RetryAfter::Seconds(3)), body: FaultBody::Json };
        assert_eq!(json(&whole(action.clone(), Door::Arm))["error"]["code"], "ServiceUnavailable");
        assert_eq!(json(&whole(action.clone(), Door::Authority))["error"], "temporarily_unavailable");
        assert_eq!(json(&whole(action.clone(), Door::Metadata))["error"], "server_error");
        assert_eq!(whole(action, Door::Arm).headers["retry-after"], "3");
    }
}
