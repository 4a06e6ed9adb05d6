//! The requests of Oracle's API (20160918), and what their errors mean.

use cloud_autojoin_core::http::ResponseClass::PermissionDenied;
use cloud_autojoin_core::{Call, Result};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use cloud_autojoin_provider_kit::auth::oracle;
use cloud_autojoin_provider_kit::{ApiClient, Pages};
use serde::de::DeserializeOwned;

/// The version in every path.
pub(crate) const VERSION: &str = "20160918";

pub(crate) const LIST_COMPARTMENTS: &str = "list compartments";
pub(crate) const LIST_ATTACHMENTS: &str = "list VNIC attachments";
pub(crate) const READ_VNIC: &str = "read a VNIC";

const DENIED: Advice = Advice::on(PermissionDenied).hint(
    "allow `PERMISSION` in the compartment (`discover check --role` prints the policy), and check `compartment_id`: one that doesn't exist gets the same response",
);

/// Oracle's API.
pub(crate) static API: JsonApi = oracle::API.with_advice(&[
    oracle::REFUSED,
    DENIED.during(READ_VNIC).permission("VNIC_READ"),
    DENIED
        .during(LIST_ATTACHMENTS)
        .permission("VNIC_ATTACHMENT_READ"),
    DENIED
        .during(LIST_COMPARTMENTS)
        .permission("COMPARTMENT_INSPECT"),
    DENIED.permission("INSTANCE_READ"),
]);

/// Every page of the list at `path`.
pub(crate) async fn list<T: DeserializeOwned>(
    client: &ApiClient,
    operation: &str,
    path: &str,
    query: &[(&str, &str)],
    call: &Call,
) -> Result<Vec<T>> {
    let pages = client.pages(client.get(operation, &[VERSION, path], query), call);
    let next =
        |page: Vec<T>, pages: &Pages<'_>| (pages.header("opc-next-page").map(str::to_owned), page);
    pages.collect_by_query("page", next).await
}
