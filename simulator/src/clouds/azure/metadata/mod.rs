//! What a machine can ask about itself without credentials: instance metadata, and tokens for its managed identities.
//!
//! Three services share the door, told apart by path: IMDS under `/metadata/`, App Service's endpoint at [`APP_SERVICE_PATH`] and Azure Arc's at [`ARC_PATH`].
//! Shapes: IMDS token answers and the error without header recorded 2021; other words as Microsoft documents them.

mod arc;
mod instance;
mod token;

use http::{Method, StatusCode};
use serde_json::json;

use crate::clouds::azure::dispatch::{Answered, json_reply, plain};
use crate::clouds::azure::world::World;
use crate::engine::message::{Operation, Reply, Request};
use crate::engine::state::State;

/// Where `IDENTITY_ENDPOINT` of App Service and Functions points.
pub(crate) const APP_SERVICE_PATH: &str = "/msi/token";

/// Where `IDENTITY_ENDPOINT` of an Arc machine points. On a real one it is IMDS' path on another port.
pub(crate) const ARC_PATH: &str = "/arc/metadata/identity/oauth2/token";

/// Answers a request to the metadata door.
pub(crate) fn answer(state: &State, world: &World, request: &Request) -> Answered {
    if request.method != Method::GET {
        return Answered::new(plain(StatusCode::METHOD_NOT_ALLOWED, "instance metadata is only read"), None);
    }
    let path = request.path.trim_end_matches('/');
    if path == "/metadata/identity/oauth2/token" {
        return if has_metadata_header(request) { token::imds(state, world, request) } else { headless() };
    }
    if path == APP_SERVICE_PATH {
        return token::app_service(state, world, request);
    }
    if path == ARC_PATH {
        return if has_metadata_header(request) { arc::token(state, world, request) } else { headless() };
    }
    match path.strip_prefix("/metadata/instance") {
        Some(below) if below.is_empty() || below.starts_with('/') => Answered::new(instance::answer(world, request, below), None),
        _ => Answered::new(plain(StatusCode::NOT_FOUND, "no such page at the pretended metadata service"), None),
    }
}

/// Without `Metadata: true` a request is refused, so that no redirect can lure a server into making it.
fn has_metadata_header(request: &Request) -> bool {
    request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn headless() -> Answered {
    Answered::new(invalid(Operation::MetadataToken, "Required metadata header not specified"), None)
}

/// 400 in the shape recorded 2021.
fn invalid(operation: Operation, description: &str) -> Reply {
    json_reply(operation, StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request", "error_description": description }))
}
