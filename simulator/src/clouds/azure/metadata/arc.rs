//! Azure Arc's endpoint: a machine outside Azure proves that it can read a file of the agent.
//!
//! The first request gets 401 and the path of a new key file; the second contains the key.
//! ([Arc managed
//! identity](https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication))

use std::sync::PoisonError;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::{invalid, token};
use crate::clouds::azure::world::World;
use crate::clouds::azure::{Azure, Handled, Operation, Reply, Request};

/// `GET {IDENTITY_ENDPOINT}?api-version=2020-06-01&resource=...`
pub(super) fn token(azure: &Azure, world: &World, request: &Request) -> Handled {
    if let Some(name) = ["client_id", "object_id", "msi_res_id", "mi_res_id"]
        .into_iter()
        .find(|name| request.query(name).is_some())
    {
        return Handled::new(
            invalid(
                Operation::MetadataToken,
                &format!(
                    "`{name}` is not supported: a machine of Azure Arc has only its own identity"
                ),
            ),
            None,
        );
    }
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "));
    match key {
        Some(key) if redeem(azure, key.trim()) => {
            token::respond(azure, world, request, &[], |_, resource, token| {
                json!({
                    "access_token": token.text,
                    "expires_in": token.expires_in.to_string(),
                    "expires_on": token.expires_on.to_string(),
                    "not_before": token.not_before.to_string(),
                    "resource": resource,
                    "token_type": "Bearer",
                })
            })
        }
        _ => Handled::new(challenge(azure), None),
    }
}

/// Consumes a key that was issued and not used yet.
fn redeem(azure: &Azure, key: &str) -> bool {
    let mut open = azure
        .arc_challenges
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match open.iter().position(|known| known == key) {
        Some(at) => {
            open.swap_remove(at);
            true
        }
        None => false,
    }
}

fn challenge(azure: &Azure) -> Reply {
    let (name, key) = (azure.tokens.fresh_guid(), azure.tokens.fresh_guid());
    let path = azure.arc_keys().join(format!("{name}.key"));
    let realm = HeaderValue::from_str(&format!("Basic realm={}", path.display()));
    let (Ok(realm), Ok(())) = (realm, std::fs::write(&path, &key)) else {
        return Reply::unexpected(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("cannot write the key file {}", path.display()),
        );
    };
    azure
        .arc_challenges
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(key);
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, realm);
    Reply {
        operation: Operation::MetadataToken,
        status: StatusCode::UNAUTHORIZED,
        headers,
        body: bytes::Bytes::new(),
        compressed: None,
    }
}
