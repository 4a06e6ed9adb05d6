//! The errors of Oracle's APIs (20160918), and lists in pages.

use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_core::{ApiError, Call, Result};
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody, Pages};
use serde::de::DeserializeOwned;

use crate::provider::NAME;

/// The version in every path.
pub(crate) const VERSION: &str = "20160918";

/// What is particular about Oracle's APIs.
pub(crate) struct OracleApi;

fn error_body(body: &[u8]) -> ErrorBody {
    ErrorBody::from_json(body, &["/code"], &["/message"], &[])
}

impl ResponseClassifier for OracleApi {
    /// A missing permission is answered with 404, like a resource that doesn't exist.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        match error_body(&response.body).code.as_deref() {
            Some("NotAuthorizedOrNotFound") => ResponseClass::PermissionDenied,
            _ => ResponseClass::of_status(response.status),
        }
    }
}

impl Api for OracleApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let request_id = response.headers.get("opc-request-id");
        let request_id = request_id.and_then(|value| value.to_str().ok());
        ErrorBody {
            request_id: request_id.map(str::to_owned),
            ..error_body(&response.body)
        }
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => error.with_hint(
                "check `tenancy`, `user`, `fingerprint` and the private key, that the tenancy is subscribed to `region`, and the clock of this machine",
            ),
            ResponseClass::PermissionDenied => {
                let permission = match request.url().path_segments().and_then(|mut path| path.nth(1)) {
                    Some("vnics") => "VNIC_READ",
                    Some("vnicAttachments") => "VNIC_ATTACHMENT_READ",
                    Some("compartments") => "COMPARTMENT_INSPECT",
                    _ => "INSTANCE_READ",
                };
                error.with_missing_permission(permission).with_hint(format!(
                    "allow `{permission}` in the compartment (`discover check --role` prints the policy), and check `compartment_id`: one that doesn't exist gives the same answer"
                ))
            }
            _ => error,
        }
    }
}

/// Every page of the list at `path`.
pub(crate) async fn list<T: DeserializeOwned>(
    client: &ApiClient,
    operation: &str,
    path: &str,
    query: &[(&str, &str)],
    call: &Call,
) -> Result<Vec<T>> {
    let request = client.get(operation, &[VERSION, path], query);
    let read = |page: Vec<T>, pages: &mut Pages<'_>| {
        let next = pages.header("opc-next-page").map(str::to_owned);
        pages.follow_query("page", next)?;
        Ok(page)
    };
    client.pages(request, call).collect(read).await
}
