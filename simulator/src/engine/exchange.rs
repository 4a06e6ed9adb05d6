//! One request, from its head to its answer: record, room, faults, latency, compression.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::ReplyBody;
use super::endpoint::Connection;
use super::proxy;
use crate::clouds::azure::dispatch::{self, Answered};
use crate::engine::compress::compressed;
use crate::engine::fault::{Bent, FaultAction, Struck, bend};
use crate::engine::message::{Reply, Request};
use crate::engine::record::{Arrival, Door, Record};
use crate::engine::state::{State, panic_text};

/// More than any request to these services needs.
const MAX_BODY: usize = 1 << 20;

/// Answers one request.
pub(super) async fn exchange(state: Arc<State>, connection: Arc<Connection>, mut request: hyper::Request<Incoming>) -> Result<Response<ReplyBody>, Infallible> {
    let begun = Instant::now();
    let upgrade = (request.method() == Method::CONNECT && connection.door == Door::Proxy).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let host = match parts.uri.authority() {
        Some(authority) => authority.to_string(),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned(),
    };
    if let Some(upgrade) = upgrade {
        return Ok(proxy::connect(&state, &connection, &host, upgrade, parts.version));
    }
    let (door, cloud) = match connection.door {
        Door::Proxy => proxy::route(&parts.uri),
        door => (door, connection.cloud),
    };
    let number = state.record.arrived(
        Arrival {
            door,
            proxied: connection.proxied || connection.door == Door::Proxy,
            connection: connection.number,
            version: parts.version,
            method: parts.method.clone(),
            host: host.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            user_agent: text(&parts.headers, USER_AGENT).to_owned(),
            bearer: dispatch::bearer(&parts.headers).is_some(),
        },
        state.clock.offset(),
    );
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(finish(&state, number, &dispatch::plain(StatusCode::BAD_REQUEST, "the body is longer than any request needs, or was cut"), &parts.headers));
    };
    let scheme = parts.uri.scheme_str().unwrap_or(connection.scheme);
    let message = Request {
        method: parts.method,
        origin: format!("{scheme}://{host}"),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let target = parts.uri.path_and_query().map_or_else(|| message.path.clone(), ToString::to_string);
    let Answered { reply, principal } = ask(&state.record, &message, &target, || dispatch::answer(&state, door, cloud, &message));
    let operation = reply.operation;
    state.record.understood(number, operation, principal);

    let actions = state.faults.strike(door, operation, &target);
    let mut wait = state.latency(operation);
    for action in &actions {
        state.record.struck(number, action.to_string());
        if let FaultAction::Delay(delay) = action {
            wait += *delay;
        }
    }
    if !wait.is_zero() {
        tokio::time::sleep_until(begun + wait).await;
    }
    let Some(action) = actions.last().filter(|action| !matches!(action, FaultAction::Delay(_))) else {
        return Ok(finish(&state, number, &reply, &message.headers));
    };
    let url = format!("{}{target}", message.origin);
    let struck = Struck { door, url: &url, path: &message.path, clock: state.clock };
    Ok(match bend(reply, action, struck) {
        Bent::Whole(reply) => finish(&state, number, &reply, &message.headers),
        Bent::CutBody { reply, chunked } => cut(&state, number, reply, chunked, parts.version),
        Bent::Hang => std::future::pending().await,
        Bent::Reset => {
            connection.reset.pull();
            std::future::pending().await
        }
    })
}

/// Asks a room; a panic there is put on record and answered with 500.
fn ask(record: &Record, request: &Request, target: &str, room: impl FnOnce() -> Answered) -> Answered {
    // The rooms only read, so nothing is left half changed.
    catch_unwind(AssertUnwindSafe(room)).unwrap_or_else(|payload| {
        let words = panic_text(&*payload);
        record.panicked(format!("{} {target}: {words}", request.method));
        Answered { reply: dispatch::plain(StatusCode::INTERNAL_SERVER_ERROR, "the simulator panicked"), principal: None }
    })
}

/// Puts the answer on record and hands it over.
pub(super) fn finish(state: &State, number: usize, reply: &Reply, asked: &HeaderMap) -> Response<ReplyBody> {
    let accepts = text(asked, ACCEPT_ENCODING).split(',').any(|coding| coding.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip")));
    let compressed = if accepts { compressed(reply) } else { None };
    let mut headers = reply.headers.clone();
    if compressed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let body = compressed.unwrap_or_else(|| reply.body.clone());
    let (status, bytes) = (reply.status, body.len());
    let response = respond(state, status, headers, ReplyBody::whole(body));
    state.record.answered(number, status, bytes, state.clock.offset());
    response
}

fn cut(state: &State, number: usize, reply: Reply, chunked: bool, version: Version) -> Response<ReplyBody> {
    let Reply { status, mut headers, body, .. } = reply;
    if !chunked || version == Version::HTTP_2 {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body = ReplyBody::cut(body);
    let bytes = match &body {
        ReplyBody::Cut { first, .. } => first.as_ref().map_or(0, Bytes::len),
        ReplyBody::Whole(_) => 0,
    };
    let response = respond(state, status, headers, body);
    state.record.answered(number, status, bytes, state.clock.offset());
    response
}

fn respond(state: &State, status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Ok(id) = HeaderValue::from_str(&state.tokens.fresh_guid()) {
        response.headers_mut().entry(HeaderName::from_static("x-ms-request-id")).or_insert(id);
    }
    response
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    debug_assert!(name != AUTHORIZATION, "no secret goes on record");
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_room_is_answered_and_on_record() {
        let record = Record::default();
        let request = Request {
            method: Method::GET,
            origin: "http://127.0.0.1:1".to_owned(),
            path: "/subscriptions".to_owned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let answered = ask(&record, &request, "/subscriptions?api-version=1", || panic!("no such thing"));
        assert_eq!(answered.reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(record.panics(), ["GET /subscriptions?api-version=1: no such thing"]);
    }
}
