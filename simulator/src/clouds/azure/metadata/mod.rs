//! The metadata endpoint: instance metadata, and tokens for managed identities, without
//! credentials.
//!
//! Three services share the endpoint, distinguished by path: IMDS under `/metadata/`, App Service
//! at [`APP_SERVICE_PATH`] and Azure Arc at [`ARC_PATH`]. Formats: IMDS token responses and the
//! error without header recorded 2021; others as documented by Microsoft.

mod arc;
mod instance;
mod token;

use http::{Method, StatusCode};
use serde_json::json;

use crate::clouds::azure::world::World;
use crate::clouds::azure::{Azure, Handled, Operation, Reply, Request};

/// The path in `IDENTITY_ENDPOINT` of App Service and Functions.
pub(crate) const APP_SERVICE_PATH: &str = "/msi/token";

/// The path in `IDENTITY_ENDPOINT` of an Arc machine. On a real one it is IMDS' path on another
/// port.
pub(crate) const ARC_PATH: &str = "/arc/metadata/identity/oauth2/token";

/// Replies to a request to the metadata endpoint.
pub(crate) fn respond(azure: &Azure, world: &World, request: &Request) -> Handled {
    if request.method != Method::GET {
        return Handled::new(
            Reply::unexpected(
                StatusCode::METHOD_NOT_ALLOWED,
                "instance metadata is only read",
            ),
            None,
        );
    }
    let path = request.path.trim_end_matches('/');
    if path == "/metadata/identity/oauth2/token" {
        return if has_metadata_header(request) {
            token::imds(azure, world, request)
        } else {
            headless()
        };
    }
    if path == APP_SERVICE_PATH {
        return token::app_service(azure, world, request);
    }
    if path == ARC_PATH {
        return if has_metadata_header(request) {
            arc::token(azure, world, request)
        } else {
            headless()
        };
    }
    match path.strip_prefix("/metadata/instance") {
        Some(below) if below.is_empty() || below.starts_with('/') => {
            Handled::new(instance::respond(world, request, below), None)
        }
        _ => Handled::new(
            Reply::unexpected(
                StatusCode::NOT_FOUND,
                "no such page at the simulated metadata service",
            ),
            None,
        ),
    }
}

/// Requests without `Metadata: true` are rejected, which protects against server-side request
/// forgery by redirects.
fn has_metadata_header(request: &Request) -> bool {
    request
        .header("metadata")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn headless() -> Handled {
    Handled::new(
        invalid(
            Operation::MetadataToken,
            "Required metadata header not specified",
        ),
        None,
    )
}

/// 400 in the shape recorded 2021.
fn invalid(operation: Operation, description: &str) -> Reply {
    Reply::json(
        operation,
        StatusCode::BAD_REQUEST,
        &json!({ "error": "invalid_request", "error_description": description }),
    )
}
