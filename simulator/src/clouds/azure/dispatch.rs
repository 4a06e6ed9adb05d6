//! Dispatches requests: checks the token, then calls ARM, Entra ID or instance metadata.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::hosts::{self, Cloud};
use super::token::TokenRejection;
use super::world::{Caller, Principal, World};
use super::{Azure, Endpoint, Handled, Reply, Request, arm, entra, metadata};
use crate::engine::clock::Clock;
use crate::engine::exchange::bearer;

/// Replies to a request to `endpoint`, under a host of `cloud` if it came through the proxy.
pub(super) fn handle(
    azure: &Azure,
    world: &World,
    endpoint: Endpoint,
    cloud: Option<Cloud>,
    request: &Request,
) -> Handled {
    match endpoint {
        Endpoint::Arm => arm(azure, world, cloud, request),
        Endpoint::Authority => entra::respond(azure, world, cloud, request),
        Endpoint::Metadata => metadata::respond(azure, world, request),
        // The engine handles requests to the proxy itself.
        Endpoint::Proxy => Reply::unexpected(StatusCode::BAD_GATEWAY, "no service").into(),
    }
}

fn arm(azure: &Azure, world: &World, cloud: Option<Cloud>, request: &Request) -> Handled {
    let refuse = |code: &str, message: &str, description: &str| {
        let mut reply = Reply::json(
            arm::operation(request),
            StatusCode::UNAUTHORIZED,
            &json!({ "error": { "code": code, "message": message } }),
        );
        let challenge = format!(
            "Bearer authorization_uri=\"https://login.windows.net/{}\", error=\"invalid_token\", error_description=\"{description}\"",
            world.tenant_id()
        );
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            reply.headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Handled::new(reply, None)
    };
    let Some(token) = bearer(&request.headers) else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return refuse(
            "AuthenticationFailed",
            message,
            "The authentication failed because of missing 'Authorization' header.",
        );
    };
    let grant = match azure.tokens.check(token) {
        Ok(grant) => grant,
        Err(TokenRejection::Unknown) => {
            return refuse(
                "InvalidAuthenticationToken",
                "The access token is invalid.",
                "The access token is invalid.",
            );
        }
        Err(TokenRejection::Expired { since, now }) => {
            let (since, now) = (Clock::american(since), Clock::american(now));
            let message = format!(
                "The access token expiry UTC time '{since}' is earlier than current UTC time '{now}'."
            );
            return refuse(
                "ExpiredAuthenticationToken",
                &message,
                "The access token expiry UTC time is earlier than current UTC time.",
            );
        }
    };
    if !hosts::takes(cloud, &grant.audience) {
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{}'.",
            grant.audience
        );
        return refuse(
            "InvalidAuthenticationTokenAudience",
            &message,
            "The access token has been obtained from wrong audience or resource.",
        );
    }
    let Some(principal) = find(world, &grant.tenant, &grant.client_id) else {
        return refuse(
            "InvalidAuthenticationToken",
            "The access token is invalid.",
            "The access token is invalid.",
        );
    };
    Handled::new(
        arm::respond(world, &Caller::of(principal), request),
        Some(principal.client_id.clone()),
    )
}

/// The principal of that tenant and client id.
pub(crate) fn find<'a>(world: &'a World, tenant: &str, client_id: &str) -> Option<&'a Principal> {
    world.principals().iter().find(|principal| {
        principal.tenant_id.eq_ignore_ascii_case(tenant)
            && principal.client_id.eq_ignore_ascii_case(client_id)
    })
}
