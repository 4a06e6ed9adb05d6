//! One request, from its head to its reply: record, service, faults, latency, compression.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::ReplyBody;
use super::compress::compressed;
use super::endpoint::Connection;
use super::fault::{FaultAction, FaultedReply, apply};
use super::message::{Handled, Reply, Request};
use super::proxy;
use super::record::{Record, SeenRequest};
use super::service::{Endpoint, FaultContext, Operation, Scheme, Service};
use super::state::{State, panic_text};

/// The maximum size of a request body.
const MAX_BODY: usize = 1 << 20;

/// Replies to one request.
pub(super) async fn exchange<S: Service>(
    state: Arc<State<S>>,
    connection: Arc<Connection<S::Endpoint>>,
    mut request: hyper::Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let begun = Instant::now();
    let is_proxy = connection.endpoint == S::Endpoint::PROXY;
    let upgrade =
        (request.method() == Method::CONNECT && is_proxy).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let host = match parts.uri.authority() {
        Some(authority) => authority.to_string(),
        None => parts
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
    };
    if let Some(upgrade) = upgrade {
        return Ok(proxy::connect(
            &state,
            &connection,
            &host,
            upgrade,
            parts.version,
        ));
    }
    let named_host = if is_proxy {
        parts.uri.host().map(ToOwned::to_owned)
    } else {
        connection.host.clone()
    };
    let endpoint = match &named_host {
        Some(host) if is_proxy => state
            .service
            .route(Scheme::Http, host)
            .unwrap_or(connection.endpoint),
        _ => connection.endpoint,
    };
    let head = SeenRequest {
        proxied: connection.proxied || is_proxy,
        host: host.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        user_agent: text(&parts.headers, USER_AGENT).to_owned(),
        bearer: bearer(&parts.headers).is_some(),
        ..SeenRequest::new(
            endpoint,
            connection.number,
            parts.version,
            parts.method.clone(),
        )
    };
    let number = state.record.arrived(head, state.clock.offset());
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let reply = Reply::unexpected(
            StatusCode::BAD_REQUEST,
            "the body is longer than any request needs, or was cut",
        );
        return Ok(finish(&state, number, &reply, &parts.headers));
    };
    let scheme = parts.uri.scheme_str().unwrap_or(connection.scheme.as_str());
    let message = Request {
        method: parts.method,
        origin: format!("{scheme}://{host}"),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| message.path.clone(), ToString::to_string);
    let Handled { reply, principal } = handle(&state.record, &message, &target, || {
        if endpoint == S::Endpoint::PROXY {
            proxy::refuse(&host).into()
        } else {
            state
                .service
                .handle(endpoint, named_host.as_deref(), &message)
        }
    });
    state
        .record
        .understood(number, reply.operation.clone(), principal);

    let actions = state.faults.take(endpoint, &reply.operation, &target);
    let mut wait = state.latency(&reply.operation);
    for action in &actions {
        state.record.faulted(number, action.to_string());
        if let FaultAction::Delay(delay) = action {
            wait += *delay;
        }
    }
    if !wait.is_zero() {
        tokio::time::sleep_until(begun + wait).await;
    }
    let Some(action) = actions
        .last()
        .filter(|action| !matches!(action, FaultAction::Delay(_)))
    else {
        return Ok(finish(&state, number, &reply, &message.headers));
    };
    let url = format!("{}{target}", message.origin);
    let context = FaultContext {
        endpoint,
        url: &url,
        path: &message.path,
        clock: state.clock,
    };
    Ok(match apply(&*state.service, reply, action, context) {
        FaultedReply::Whole(reply) => finish(&state, number, &reply, &message.headers),
        FaultedReply::CutBody { reply, chunked } => {
            cut(&state, number, reply, chunked, parts.version)
        }
        FaultedReply::Hang => std::future::pending().await,
        FaultedReply::Reset => {
            connection.reset.pull();
            std::future::pending().await
        }
    })
}

/// Calls the service; a panic is recorded and returns 500.
fn handle<E, O: Operation>(
    record: &Record<E, O>,
    request: &Request,
    target: &str,
    service: impl FnOnce() -> Handled<O>,
) -> Handled<O> {
    // Services only read, so nothing is left half changed.
    catch_unwind(AssertUnwindSafe(service)).unwrap_or_else(|payload| {
        let message = panic_text(&*payload);
        record.panicked(format!("{} {target}: {message}", request.method));
        Reply::unexpected(StatusCode::INTERNAL_SERVER_ERROR, "the simulator panicked").into()
    })
}

/// Records the reply and sends it.
pub(super) fn finish<S: Service>(
    state: &State<S>,
    number: usize,
    reply: &Reply<S::Operation>,
    request_headers: &HeaderMap,
) -> Response<ReplyBody> {
    let accepts = text(request_headers, ACCEPT_ENCODING)
        .split(',')
        .any(|coding| {
            coding
                .split(';')
                .next()
                .is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip"))
        });
    let compressed = if accepts { compressed(reply) } else { None };
    let mut headers = reply.headers.clone();
    if compressed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let body = compressed.unwrap_or_else(|| reply.body.clone());
    let (status, bytes) = (reply.status, body.len());
    let response = respond(state, status, headers, ReplyBody::whole(body));
    state
        .record
        .responded(number, status, bytes, state.clock.offset());
    response
}

fn cut<S: Service>(
    state: &State<S>,
    number: usize,
    reply: Reply<S::Operation>,
    chunked: bool,
    version: Version,
) -> Response<ReplyBody> {
    let Reply {
        status,
        mut headers,
        body,
        ..
    } = reply;
    if !chunked || version == Version::HTTP_2 {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body = ReplyBody::cut(body);
    let bytes = match &body {
        ReplyBody::Cut { first, .. } => first.as_ref().map_or(0, Bytes::len),
        ReplyBody::Whole(_) => 0,
    };
    let response = respond(state, status, headers, body);
    state
        .record
        .responded(number, status, bytes, state.clock.offset());
    response
}

fn respond<S: Service>(
    state: &State<S>,
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    state.service.add_headers(response.headers_mut());
    response
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    debug_assert!(name != AUTHORIZATION, "no secret goes on record");
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Endpoint, Operation};
    use super::*;

    #[test]
    fn a_panic_of_the_service_gets_a_response_and_is_recorded() {
        let record = Record::<Endpoint, Operation>::default();
        let request = Request {
            method: Method::GET,
            origin: "http://127.0.0.1:1".to_owned(),
            path: "/instances".to_owned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let handled = handle(&record, &request, "/instances?page=1", || {
            panic!("no such thing")
        });
        assert_eq!(handled.reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(record.panics(), ["GET /instances?page=1: no such thing"]);
    }
}
