//! Discovery documents, which clients read before they request a token.

use http::StatusCode;
use serde_json::{Value, json};

use super::{TokenError, has_tenant, unknown_tenant};
use crate::clouds::azure::hosts;
use crate::clouds::azure::world::World;
use crate::clouds::azure::{Azure, Endpoint, Operation, Reply, Request};

/// The names of multi-tenant authorities.
const ANY: [&str; 3] = ["common", "organizations", "consumers"];

/// Instance discovery: whether an authority is known, and its aliases. Format: recorded 2021,
/// `api-version=1.1`.
pub(super) fn instance(azure: &Azure, request: &Request) -> Reply {
    let endpoint = request
        .query("authorization_endpoint")
        .and_then(|endpoint| url::Url::parse(endpoint).ok());
    let Some(endpoint) = endpoint.filter(|url| knows(url, request)) else {
        let denied = TokenError::new(
            StatusCode::BAD_REQUEST,
            "invalid_instance",
            50_049,
            "Unknown or invalid instance.",
        );
        return denied.reply(azure, Operation::AuthorityDiscovery, &request.origin);
    };
    let tenant = endpoint
        .path_segments()
        .and_then(|mut segments| segments.next())
        .unwrap_or("common");
    let metadata: Vec<Value> = hosts::clouds()
        .map(|cloud| json!({ "preferred_network": cloud.logins()[0], "preferred_cache": cloud.preferred_cache(), "aliases": cloud.logins() }))
        .collect();
    let body = json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", endpoint.origin().ascii_serialization()),
        "api-version": "1.1",
        "metadata": metadata,
    });
    Reply::json(Operation::AuthorityDiscovery, StatusCode::OK, &body)
}

fn knows(endpoint: &url::Url, request: &Request) -> bool {
    let is_login = endpoint
        .host_str()
        .and_then(hosts::service)
        .is_some_and(|(endpoint, _)| endpoint == Endpoint::Authority);
    is_login || endpoint.origin().ascii_serialization() == request.origin
}

/// OpenID configuration, whose endpoints are at the origin of the request.
pub(super) fn openid(
    azure: &Azure,
    world: &World,
    request: &Request,
    tenant: &str,
    version: &str,
) -> Reply {
    if !has_tenant(world, tenant) && !ANY.contains(&tenant) {
        return unknown_tenant(tenant).reply(azure, Operation::AuthorityDiscovery, &request.origin);
    }
    let origin = &request.origin;
    let oauth = format!("{origin}/{tenant}/oauth2{version}");
    let issued_for = if ANY.contains(&tenant) {
        "{tenantid}"
    } else {
        tenant
    };
    let issuer = if version.is_empty() {
        format!("https://sts.windows.net/{issued_for}/")
    } else {
        format!("{origin}/{issued_for}{version}")
    };
    let body = json!({
        "token_endpoint": format!("{oauth}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{origin}/{tenant}/discovery{version}/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "authorization_endpoint": format!("{oauth}/authorize"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    });
    Reply::json(Operation::AuthorityDiscovery, StatusCode::OK, &body)
}
