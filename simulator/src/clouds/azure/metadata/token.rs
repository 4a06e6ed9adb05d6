//! Tokens for managed identities: selects the identity and writes each service's response.

use http::StatusCode;
use serde_json::{Value, json};

use super::invalid;
use crate::clouds::azure::hosts;
use crate::clouds::azure::token::{Grant, Token};
use crate::clouds::azure::world::{Principal, PrincipalKind, World};
use crate::clouds::azure::{Azure, Handled, Operation, Reply, Request};

/// The lifetime of tokens for managed identities.
const LIFETIME_SECONDS: u64 = 86_399;

/// IMDS: `GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=...`
pub(super) fn imds(azure: &Azure, world: &World, request: &Request) -> Handled {
    respond(
        azure,
        world,
        request,
        &["client_id", "object_id", "msi_res_id", "mi_res_id"],
        |principal, resource, token| {
            json!({
                "access_token": token.text,
                "client_id": principal.client_id,
                "expires_in": token.expires_in.to_string(),
                "expires_on": token.expires_on.to_string(),
                "ext_expires_in": token.expires_in.to_string(),
                "not_before": token.not_before.to_string(),
                "resource": resource,
                "token_type": "Bearer",
            })
        },
    )
}

/// App Service: `GET {IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=...` with
/// `X-IDENTITY-HEADER`. ([REST
/// reference](https://learn.microsoft.com/azure/app-service/overview-managed-identity))
pub(super) fn app_service(azure: &Azure, world: &World, request: &Request) -> Handled {
    if request.header("x-identity-header") != Some(&azure.identity_header) {
        let body = json!({ "statusCode": 401, "message": "Unauthorized: X-IDENTITY-HEADER is missing or wrong" });
        return Handled::new(
            Reply::json(Operation::MetadataToken, StatusCode::UNAUTHORIZED, &body),
            None,
        );
    }
    respond(
        azure,
        world,
        request,
        &["client_id", "principal_id", "object_id", "mi_res_id"],
        |principal, resource, token| {
            json!({
                "access_token": token.text,
                "client_id": principal.client_id,
                "expires_on": token.expires_on.to_string(),
                "resource": resource,
                "token_type": "Bearer",
            })
        },
    )
}

/// Checks the query, selects the identity and writes the response with `write`.
pub(super) fn respond(
    azure: &Azure,
    world: &World,
    request: &Request,
    choices: &[&str],
    write: fn(&Principal, &str, &Token) -> Value,
) -> Handled {
    match choose(world, request, choices) {
        Err(description) => Handled::new(invalid(Operation::MetadataToken, &description), None),
        Ok((principal, resource)) => {
            let grant = Grant {
                tenant: principal.tenant_id.clone(),
                client_id: principal.client_id.clone(),
                object_id: principal.object_id.clone(),
                audience: resource.to_owned(),
            };
            let issuer = format!("https://sts.windows.net/{}/", principal.tenant_id);
            let token = azure.tokens.issue(grant, &issuer, LIFETIME_SECONDS);
            let reply = Reply::json(
                Operation::MetadataToken,
                StatusCode::OK,
                &write(principal, resource, &token),
            );
            Handled::new(reply, Some(principal.client_id.clone()))
        }
    }
}

fn choose<'a>(
    world: &'a World,
    request: &'a Request,
    choices: &[&str],
) -> Result<(&'a Principal, &'a str), String> {
    let refuse = |description: &str| description.to_owned();
    let wanted = |name| request.query(name).filter(|value| !value.is_empty());
    wanted("api-version")
        .ok_or_else(|| refuse("Required query variable 'api-version' is missing"))?;
    let resource = wanted("resource")
        .ok_or_else(|| refuse("Required query variable 'resource' is missing"))?;
    if !hosts::takes(None, resource) {
        return Err(format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
            world.tenant_id()
        ));
    }
    let given: Vec<(&str, &str)> = choices
        .iter()
        .filter_map(|name| Some((*name, wanted(name)?)))
        .collect();
    let principal = match given.as_slice() {
        [] => default_identity(world).map_err(refuse)?,
        [(name, value)] => world
            .machine_identities()
            .find(|principal| is(principal, name, value))
            .ok_or_else(|| refuse("Identity not found"))?,
        _ => {
            return Err(refuse(
                "Only one of client_id, object_id and msi_res_id can be given",
            ));
        }
    };
    Ok((principal, resource))
}

fn is(principal: &Principal, name: &str, value: &str) -> bool {
    let own = match name {
        "client_id" => Some(principal.client_id.as_str()),
        "object_id" | "principal_id" => Some(principal.object_id.as_str()),
        _ => principal.resource_id.as_deref(),
    };
    own.is_some_and(|own| own.eq_ignore_ascii_case(value))
}

/// The machine's system-assigned identity, otherwise its only user-assigned one.
fn default_identity(world: &World) -> Result<&Principal, &'static str> {
    if let Some(own) = world
        .machine_identities()
        .find(|principal| principal.kind == PrincipalKind::SystemIdentity)
    {
        return Ok(own);
    }
    let mut lent = world.machine_identities();
    match (lent.next(), lent.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
        ),
        (None, _) => Err("Identity not found"),
    }
}
