//! The managed identity of the place this runs in: a machine's (`imds.rs`), Azure Arc's (`arc.rs`),
//! or that of App Service, Functions and Container Apps.
//!
//! Own code, not `azure_identity`'s: that one has the metadata address built in, tries for 100 s on
//! a machine that is not in Azure whatever the retry settings, and knows no Arc. The place is
//! recognised by its variables, in the order of the Azure SDKs.

use std::path::Path;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::JsonResponse;
use cloud_autojoin_core::{Call, Error, Secret};
use http::header::{HeaderName, HeaderValue};

use super::identity::ManagedIdentityId;
use super::setup::Setup;
use super::token_response::{TokenResponse, near_endpoint, refused, token_request};
use super::{arc, imds};
use crate::keys::PROVIDER_NAME;

/// A token of the place this runs in. With `has_next` another source follows.
pub(super) async fn token(
    setup: &Setup,
    has_next: bool,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let variable = |name| setup.variable(name);
    let (endpoint, header) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"));
    match (endpoint, header) {
        (Some(_), Some(_)) if variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
            Err(SourceOutcome::NotConfigured("the managed identity of Service Fabric (`IDENTITY_SERVER_THUMBPRINT`) is not supported".to_owned()))
        }
        (Some(endpoint), Some(header)) => {
            app_service(setup, &endpoint, &Secret::new(header), call).await
        }
        (Some(endpoint), None) if variable("IMDS_ENDPOINT").is_some() => {
            let directory = arc::key_directory(setup.context.env());
            arc::token(setup, &endpoint, Path::new(&directory), call).await
        }
        _ => imds::token(setup, has_next, call).await,
    }
}

/// A token of App Service, which gives an endpoint on the machine and a value to send along: it
/// proves that the caller may see its environment. Facts:
/// learn.microsoft.com/azure/app-service/overview-managed-identity, api-version 2019-08-01.
async fn app_service(
    setup: &Setup,
    endpoint: &str,
    header: &Secret,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    const OPERATION: &str = "get a token from App Service";

    let url = near_endpoint("IDENTITY_ENDPOINT", endpoint)?;
    let id = setup.managed_identity();
    let parameter = id.as_ref().map(|id| match id {
        ManagedIdentityId::ClientId(id) => ("client_id", id.as_str()),
        ManagedIdentityId::ObjectId(id) => ("principal_id", id.as_str()),
        ManagedIdentityId::ResourceId(id) => ("mi_res_id", id.as_str()),
    });
    let mut header = HeaderValue::from_str(header.expose())
        .map_err(|_| SourceOutcome::failed("`IDENTITY_HEADER` cannot stand in a header"))?;
    header.set_sensitive(true);
    let audience = &setup.cloud.audience;
    let request = token_request(OPERATION, url, "2019-08-01", audience, parameter)
        .header(HeaderName::from_static("x-identity-header"), header);
    let http = setup.context.http();
    let error = match http
        .json::<TokenResponse>(PROVIDER_NAME, &request, call)
        .await?
    {
        JsonResponse::Success(answer, _) => {
            return Ok(answer.into_token(
                OPERATION,
                "no `access_token` with its lifetime",
                call,
            )?);
        }
        JsonResponse::Failure(response) if !response.status.is_client_error() => {
            refused(OPERATION, &response)
        }
        JsonResponse::Failure(response) => refused(OPERATION, &response).with_hint(match id {
            Some(id) => format!("assign the identity with {id} to this app, or correct the id"),
            None => {
                "turn on the app's system-assigned identity, or choose another with `client_id=...`"
                    .to_owned()
            }
        }),
    };
    Err(Error::from(error).into())
}
