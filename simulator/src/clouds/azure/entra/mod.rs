//! Microsoft Entra ID: tokens for applications, and discovery documents.
//!
//! Formats: token and error responses and instance discovery recorded 2021; AADSTS codes from
//! Entra's list of error codes. `discovery.rs` has the documents, `assertion.rs` the assertions
//! that replace a secret.

mod assertion;
mod discovery;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::clouds::azure::dispatch::find;
use crate::clouds::azure::{Azure, Handled, Operation, Reply, Request};

use crate::clouds::azure::hosts::{self, Cloud};
use crate::clouds::azure::token::Grant;
use crate::clouds::azure::world::{Principal, PrincipalKind, World};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The lifetime of tokens for applications, within a few seconds.
const LIFETIME_SECONDS: u64 = 3599;

/// Handles a request to the authority.
pub(crate) fn respond(
    azure: &Azure,
    world: &World,
    cloud: Option<Cloud>,
    request: &Request,
) -> Handled {
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    match (&request.method, segments.as_slice()) {
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => token(&TokenRequest {
            azure,
            world,
            cloud,
            request,
            tenant,
            version: Version::V2,
        }),
        (&Method::POST, [tenant, "oauth2", "token"]) => token(&TokenRequest {
            azure,
            world,
            cloud,
            request,
            tenant,
            version: Version::V1,
        }),
        (&Method::GET, [_, "discovery", "instance"]) => {
            Handled::new(discovery::instance(azure, request), None)
        }
        (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => Handled::new(
            discovery::openid(azure, world, request, tenant, "/v2.0"),
            None,
        ),
        (&Method::GET, [tenant, ".well-known", "openid-configuration"]) => {
            Handled::new(discovery::openid(azure, world, request, tenant, ""), None)
        }
        _ => Handled::new(
            Reply::unexpected(
                StatusCode::NOT_FOUND,
                "no such page at the simulated Entra ID",
            ),
            None,
        ),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// `resource=`, and numbers as strings.
    V1,
    /// `scope=`.
    V2,
}

/// A request for a token.
struct TokenRequest<'a> {
    azure: &'a Azure,
    world: &'a World,
    cloud: Option<Cloud>,
    request: &'a Request,
    tenant: &'a str,
    version: Version,
}

/// An error of Entra ID.
#[derive(Debug)]
struct TokenError {
    status: StatusCode,
    error: &'static str,
    number: u32,
    message: String,
}

impl TokenError {
    fn new(
        status: StatusCode,
        error: &'static str,
        number: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error,
            number,
            message: message.into(),
        }
    }

    fn client(number: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", number, message)
    }

    fn request(number: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", number, message)
    }

    /// The response, in the format recorded 2021.
    fn reply(self, azure: &Azure, operation: Operation, origin: &str) -> Reply {
        let (trace, correlation, timestamp) = (
            azure.tokens.fresh_guid(),
            azure.tokens.fresh_guid(),
            azure.clock.timestamp(),
        );
        let Self {
            status,
            error,
            number,
            message,
        } = self;
        let body = json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {message}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}"),
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{origin}/error?code={number}"),
        });
        Reply::json(operation, status, &body)
    }
}

fn token(request: &TokenRequest<'_>) -> Handled {
    let form = Form::read(request.request);
    let (mut reply, client_id) = match grant(request, &form) {
        Ok(grant) => (granted(request, grant), form.client_id.clone()),
        Err(denied) => (
            denied.reply(request.azure, Operation::Token, &request.request.origin),
            form.client_id.clone(),
        ),
    };
    reply.headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    Handled::new(reply, client_id)
}

fn granted(request: &TokenRequest<'_>, grant: Grant) -> Reply {
    let audience = grant.audience.clone();
    let issuer = format!("https://sts.windows.net/{}/", grant.tenant);
    let token = request.azure.tokens.issue(grant, &issuer, LIFETIME_SECONDS);
    let body: Value = match request.version {
        Version::V2 => {
            json!({ "token_type": "Bearer", "expires_in": token.expires_in, "ext_expires_in": token.expires_in, "access_token": token.text })
        }
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": token.expires_in.to_string(),
            "ext_expires_in": token.expires_in.to_string(),
            "expires_on": token.expires_on.to_string(),
            "not_before": token.not_before.to_string(),
            "resource": audience,
            "access_token": token.text,
        }),
    };
    Reply::json(Operation::Token, StatusCode::OK, &body)
}

/// Makes the checks of Entra ID in its order.
fn grant(request: &TokenRequest<'_>, form: &Form) -> Result<Grant, TokenError> {
    let TokenRequest { world, tenant, .. } = *request;
    if !has_tenant(world, tenant) {
        return Err(unknown_tenant(tenant));
    }
    match form.value("grant_type") {
        Some("client_credentials") => {}
        None => return Err(missing("grant_type")),
        Some(other) => {
            let message = format!("The app requested an unsupported grant type '{other}'.");
            return Err(TokenError::new(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                70_003,
                message,
            ));
        }
    }
    let client_id = form
        .client_id
        .as_deref()
        .ok_or_else(|| missing("client_id"))?;
    let principal = find(world, tenant, client_id).filter(|principal| principal.kind != PrincipalKind::SystemIdentity).ok_or_else(|| {
        let message = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'. You may have sent your authentication request to the wrong tenant.");
        TokenError::new(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, message)
    })?;
    let audience = audience(request, form)?;
    prove(request, form, principal)?;
    Ok(Grant {
        tenant: principal.tenant_id.clone(),
        client_id: principal.client_id.clone(),
        object_id: principal.object_id.clone(),
        audience,
    })
}

/// Secret, certificate or federated token.
fn prove(request: &TokenRequest<'_>, form: &Form, principal: &Principal) -> Result<(), TokenError> {
    if let Some(secret) = form.client_secret.as_deref() {
        if principal.client_secret.as_deref() == Some(secret) {
            return Ok(());
        }
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
            principal.client_id
        );
        return Err(TokenError::client(7_000_215, message));
    }
    let Some(proof) = form.value("client_assertion") else {
        return Err(TokenError::client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    };
    if form.value("client_assertion_type") != Some(JWT_BEARER) {
        return Err(missing("client_assertion_type"));
    }
    assertion::check(request.azure, request.request, principal, proof)
}

fn audience(request: &TokenRequest<'_>, form: &Form) -> Result<String, TokenError> {
    let resource = match request.version {
        Version::V1 => form.value("resource").ok_or_else(|| missing("resource"))?,
        Version::V2 => {
            let scope = form.value("scope").ok_or_else(|| missing("scope"))?;
            // MSAL may add OpenID scopes.
            let scope = scope
                .split(' ')
                .find(|scope| !matches!(*scope, "openid" | "profile" | "offline_access"))
                .unwrap_or_default();
            scope.strip_suffix("/.default").ok_or_else(|| {
                let message = format!("The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).");
                TokenError::new(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, message)
            })?
        }
    };
    if hosts::takes(request.cloud, resource) {
        return Ok(resource.to_owned());
    }
    let message = format!(
        "The resource principal named {resource} was not found in the tenant named {}.",
        request.tenant
    );
    Err(TokenError::new(
        StatusCode::BAD_REQUEST,
        "invalid_resource",
        500_011,
        message,
    ))
}

fn has_tenant(world: &World, tenant: &str) -> bool {
    world.tenant_id().eq_ignore_ascii_case(tenant)
        || world
            .principals()
            .iter()
            .any(|principal| principal.tenant_id.eq_ignore_ascii_case(tenant))
}

fn unknown_tenant(tenant: &str) -> TokenError {
    let message = format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    );
    TokenError::request(90_002, message)
}

fn missing(parameter: &str) -> TokenError {
    TokenError::request(
        900_144,
        format!("The request body must contain the following parameter: '{parameter}'."),
    )
}

/// The form of a token request; client id and secret may also be in `Authorization: Basic`.
struct Form {
    pairs: Vec<(String, String)>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Form {
    fn read(request: &Request) -> Self {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
            .into_owned()
            .collect();
        let of = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let (mut client_id, mut client_secret) = (of("client_id"), of("client_secret"));
        if let Some((id, secret)) = basic(request) {
            client_id = Some(id);
            client_secret = Some(secret);
        }
        Self {
            pairs,
            client_id,
            client_secret,
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Client id and secret of HTTP Basic, each form-encoded (RFC 6749, 2.3.1).
fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((decode(id), decode(secret)))
}
