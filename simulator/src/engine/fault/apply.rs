//! Applies faults to replies: statuses and bodies in the service's format, other next links,
//! truncated JSON.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::{FaultAction, FaultBody, RetryAfter};
use crate::engine::message::Reply;
use crate::engine::service::{FaultContext, Service};

/// The reply after a fault.
#[derive(Debug)]
pub(crate) enum FaultedReply<O> {
    /// It is sent.
    Whole(Reply<O>),
    /// Its first half is sent, then the connection is closed.
    CutBody { reply: Reply<O>, chunked: bool },
    /// It is never sent.
    Hang,
    /// The connection is reset.
    Reset,
}

/// Applies `action` to `reply`; the caller waits for a delay.
pub(crate) fn apply<S: Service>(
    service: &S,
    mut reply: Reply<S::Operation>,
    action: &FaultAction,
    context: FaultContext<'_, S::Endpoint>,
) -> FaultedReply<S::Operation> {
    match action {
        FaultAction::Hang => return FaultedReply::Hang,
        FaultAction::Reset => return FaultedReply::Reset,
        FaultAction::CutBody { chunked } => {
            return FaultedReply::CutBody {
                reply,
                chunked: *chunked,
            };
        }
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
        FaultAction::NextLink { to } => link(service, &mut reply, to),
        FaultAction::NextLinkLoop => link(service, &mut reply, context.url),
        FaultAction::Unauthorized => {
            replace(
                &mut reply,
                StatusCode::UNAUTHORIZED,
                Some(service.error_body(StatusCode::UNAUTHORIZED, context)),
            );
            if let Some(challenge) = service.challenge(context.endpoint) {
                insert(&mut reply.headers, WWW_AUTHENTICATE, challenge);
            }
        }
        FaultAction::NotFound => replace(
            &mut reply,
            StatusCode::NOT_FOUND,
            Some(service.error_body(StatusCode::NOT_FOUND, context)),
        ),
        FaultAction::Status {
            status,
            retry_after,
            body,
        } => {
            let (kind, body) = match body {
                FaultBody::Json => (
                    "application/json; charset=utf-8",
                    service.error_body(*status, context).to_string().into(),
                ),
                FaultBody::Html => (
                    "text/html",
                    Bytes::from_static(service.error_page().as_bytes()),
                ),
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
                Some(RetryAfter::Seconds(seconds)) => {
                    insert(&mut reply.headers, RETRY_AFTER, &seconds.to_string())
                }
                Some(RetryAfter::Date(ahead)) => {
                    let date = context.clock.now() + std::time::Duration::from_secs(*ahead);
                    insert(
                        &mut reply.headers,
                        RETRY_AFTER,
                        &httpdate::fmt_http_date(date),
                    );
                }
            }
        }
    }
    FaultedReply::Whole(reply)
}

fn replace<O>(reply: &mut Reply<O>, status: StatusCode, body: Option<Value>) {
    reply.status = status;
    reply.headers = HeaderMap::new();
    reply.compressed = None;
    reply.body = match body {
        Some(body) => {
            insert(
                &mut reply.headers,
                CONTENT_TYPE,
                "application/json; charset=utf-8",
            );
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

/// Sets the next link of a page to `to`; anything else is unchanged.
fn link<S: Service>(service: &S, reply: &mut Reply<S::Operation>, to: &str) {
    if let Some(body) = service.with_next_page(&reply.body, to) {
        reply.body = body;
        reply.compressed = None;
    }
}
