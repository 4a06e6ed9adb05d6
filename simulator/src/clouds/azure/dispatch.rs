//! From a door to the room behind it: who is calling, and is the token good; then ARM, Entra ID or instance metadata answers.

use std::sync::PoisonError;

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::{arm, entra, metadata};
use crate::clouds::azure::hosts::{self, Cloud};
use crate::clouds::azure::token::Refusal;
use crate::clouds::azure::world::{Caller, Principal, World};
use crate::engine::clock::Clock;
use crate::engine::message::{Operation, Reply, Request};
use crate::engine::record::Door;
use crate::engine::state::State;

/// An answer, and whose question it was.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    /// The client id of the caller, where it is known.
    pub(crate) principal: Option<String>,
}

impl Answered {
    pub(crate) fn new(reply: Reply, principal: Option<String>) -> Self {
        Self { reply, principal }
    }
}

/// Answers what came in for `door`.
pub(crate) fn answer(state: &State, door: Door, cloud: Option<Cloud>, request: &Request) -> Answered {
    let world = state.world.read().unwrap_or_else(PoisonError::into_inner);
    match door {
        Door::Arm => arm(state, &world, cloud, request),
        Door::Authority => entra::answer(state, &world, cloud, request),
        Door::Metadata => metadata::answer(state, &world, request),
        Door::Proxy => {
            let host = request.origin.split_once("://").map_or("", |(_, host)| host);
            let words = if host.is_empty() {
                "this is a forward proxy: ask it with a whole URL or `CONNECT`".to_owned()
            } else {
                format!("`{host}` is no host of the pretended cloud")
            };
            Answered::new(plain(StatusCode::BAD_GATEWAY, &words), None)
        }
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON answer.
pub(crate) fn json_reply(operation: Operation, status: StatusCode, body: &serde_json::Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    Reply { operation, status, headers, body: body.to_string().into(), compressed: None }
}

/// A request that nothing here serves.
pub(crate) fn plain(status: StatusCode, words: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Reply { operation: Operation::Unexpected, status, headers, body: format!("discover-sim: {words}\n").into(), compressed: None }
}

fn arm(state: &State, world: &World, cloud: Option<Cloud>, request: &Request) -> Answered {
    let refuse = |code: &str, message: &str, description: &str| {
        let mut reply = json_reply(arm::operation(request), StatusCode::UNAUTHORIZED, &json!({ "error": { "code": code, "message": message } }));
        let challenge = format!(
            "Bearer authorization_uri=\"https://login.windows.net/{}\", error=\"invalid_token\", error_description=\"{description}\"",
            world.tenant_id()
        );
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            reply.headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Answered::new(reply, None)
    };
    let Some(token) = bearer(&request.headers) else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return refuse("AuthenticationFailed", message, "The authentication failed because of missing 'Authorization' header.");
    };
    let grant = match state.tokens.check(token) {
        Ok(grant) => grant,
        Err(Refusal::Unknown) => return refuse("InvalidAuthenticationToken", "The access token is invalid.", "The access token is invalid."),
        Err(Refusal::Expired { since, now }) => {
            let (since, now) = (Clock::american(since), Clock::american(now));
            let message = format!("The access token expiry UTC time '{since}' is earlier than current UTC time '{now}'.");
            return refuse("ExpiredAuthenticationToken", &message, "The access token expiry UTC time is earlier than current UTC time.");
        }
    };
    if !hosts::takes(cloud, &grant.audience) {
        let message = format!("The access token has been obtained for wrong audience or resource '{}'.", grant.audience);
        return refuse("InvalidAuthenticationTokenAudience", &message, "The access token has been obtained from wrong audience or resource.");
    }
    let Some(principal) = find(world, &grant.tenant, &grant.client_id) else {
        return refuse("InvalidAuthenticationToken", "The access token is invalid.", "The access token is invalid.");
    };
    Answered::new(arm::answer(world, &Caller::of(principal), request), Some(principal.client_id.clone()))
}

/// The principal of that tenant and client id.
pub(crate) fn find<'a>(world: &'a World, tenant: &str, client_id: &str) -> Option<&'a Principal> {
    world.principals().iter().find(|principal| principal.tenant_id.eq_ignore_ascii_case(tenant) && principal.client_id.eq_ignore_ascii_case(client_id))
}
