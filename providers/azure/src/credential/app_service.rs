//! The managed identity of App Service, Functions and Container Apps.
//!
//! The place gives an endpoint on the machine and a value to send along, which proves that the
//! caller may see its environment. Facts:
//! learn.microsoft.com/azure/app-service/overview-managed-identity, api-version 2019-08-01.

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{HttpClient, JsonResponse, Request};
use cloud_autojoin_core::{Call, DecodeError, Error, Secret};
use http::header::{HeaderName, HeaderValue};

use super::identity::ManagedIdentityId;
use super::token_answer::{TokenAnswer, near_endpoint, refused};
use crate::arm::SHOWN_PARAMETERS;
use crate::keys::PROVIDER_NAME;

const OPERATION: &str = "get a token from App Service";
const HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// The endpoint of `IDENTITY_ENDPOINT` with the value of `IDENTITY_HEADER`.
pub(super) struct AppService<'a> {
    pub(super) endpoint: String,
    pub(super) header: Secret,
    pub(super) http: &'a HttpClient,
}

impl AppService<'_> {
    /// One token for `audience`.
    pub(super) async fn token(
        self,
        audience: &str,
        id: Option<&ManagedIdentityId>,
        call: &Call,
    ) -> Result<AccessToken, SourceOutcome> {
        let mut url = near_endpoint("IDENTITY_ENDPOINT", &self.endpoint)?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("api-version", "2019-08-01")
                .append_pair("resource", audience);
            match id {
                Some(ManagedIdentityId::ClientId(id)) => _ = query.append_pair("client_id", id),
                Some(ManagedIdentityId::ObjectId(id)) => _ = query.append_pair("principal_id", id),
                Some(ManagedIdentityId::ResourceId(id)) => _ = query.append_pair("mi_res_id", id),
                None => {}
            }
        }
        let mut header = HeaderValue::from_str(self.header.expose())
            .map_err(|_| SourceOutcome::failed("`IDENTITY_HEADER` cannot stand in a header"))?;
        header.set_sensitive(true);
        let request = Request::get(OPERATION, url)
            .showing(SHOWN_PARAMETERS)
            .header(HEADER, header);
        match self
            .http
            .json::<TokenAnswer>(PROVIDER_NAME, &request, call)
            .await?
        {
            JsonResponse::Success(answer, _) => answer.into_token(call).ok_or_else(|| {
                Error::from(DecodeError::new(
                    PROVIDER_NAME,
                    OPERATION,
                    "no `access_token` with its lifetime",
                ))
                .into()
            }),
            JsonResponse::Failure(response) => {
                let error = refused(OPERATION, &response);
                Err(Error::from(match id {
                    Some(id) if response.status.is_client_error() => error.with_hint(format!("assign the identity with {id} to this app, or correct the id")),
                    None if response.status.is_client_error() => {
                        error.with_hint("turn on the app's system-assigned identity, or choose another with `client_id=...`")
                    }
                    _ => error,
                })
                .into())
            }
        }
    }
}
