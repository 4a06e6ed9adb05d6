//! What the Azure SDKs' variables configure: an application with its secret or certificate, and
//! workload identity, which exchanges a token of another issuer, such as Kubernetes.
//!
//! The secret goes before the certificate. User name and password (`AZURE_USERNAME`) are not taken:
//! Entra retires that flow, and it does not work with a second factor. `azure_identity`'s own
//! workload identity reads the file blocking, keeps it for ten minutes, and sends the line end that
//! most such files have; so the file is read here, for each token request.

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{self, MAX_SECRET_FILE};
use cloud_autojoin_core::{Call, Secret};

use super::certificate;
use super::entra::{self, ClientAuth};
use super::setup::Setup;

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// A token for the application of the variables. Where the join string names a client id, it must
/// be that one.
pub(super) async fn application(
    setup: &Setup,
    scope: &str,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let certificate = setup.variable("AZURE_CLIENT_CERTIFICATE_PATH");
    let secret = setup.variable("AZURE_CLIENT_SECRET");
    let has_secret = secret.is_some();
    let [tenant_id, client_id, secret_or_path] = required([
        ("AZURE_TENANT_ID", setup.variable("AZURE_TENANT_ID")),
        ("AZURE_CLIENT_ID", setup.variable("AZURE_CLIENT_ID")),
        ("AZURE_CLIENT_SECRET", secret.or(certificate)),
    ])?;
    if let Some(chosen) = &setup.options.client_id
        && !chosen.eq_ignore_ascii_case(&client_id)
    {
        return Err(SourceOutcome::NotConfigured(format!(
            "`AZURE_CLIENT_ID` is not the `client_id` asked for (`{chosen}`)"
        )));
    }
    let auth = if has_secret {
        ClientAuth::Secret(secret_or_path.into())
    } else {
        let assertion =
            certificate::assertion(setup, &secret_or_path, &tenant_id, &client_id, call).await?;
        ClientAuth::Assertion(assertion)
    };
    entra::sign_in(setup, &tenant_id, &client_id, auth, scope, call).await
}

/// A token in exchange for the one in the token file.
pub(super) async fn workload_identity(
    setup: &Setup,
    scope: &str,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let tenant_id = setup.options.tenant_id.clone();
    let [file, tenant_id, client_id] = required([
        (TOKEN_FILE, setup.variable(TOKEN_FILE)),
        (
            "AZURE_TENANT_ID",
            tenant_id.or_else(|| setup.variable("AZURE_TENANT_ID")),
        ),
        ("AZURE_CLIENT_ID", setup.client_id()),
    ])?;
    let unreadable = |reason: String| {
        SourceOutcome::failed(format!(
            "cannot read the token file `{file}` of `{TOKEN_FILE}`: {reason}"
        ))
    };
    let text = file::read_text(&file, MAX_SECRET_FILE)
        .await
        .map(Secret::new)
        .map_err(|error| unreadable(error.to_string()))?;
    let token = Secret::new(text.expose().trim());
    if token.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    let auth = ClientAuth::Assertion(token);
    entra::sign_in(setup, &tenant_id, &client_id, auth, scope, call).await
}

/// The values, all of which are needed, each with the variable that gives it.
fn required<const N: usize>(
    values: [(&str, Option<String>); N],
) -> Result<[String; N], SourceOutcome> {
    let missing: Vec<String> = values
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if missing.is_empty() {
        return Ok(values.map(|(_, value)| value.unwrap_or_default()));
    }
    let verb = if missing.len() == 1 { "is" } else { "are" };
    Err(SourceOutcome::NotConfigured(format!(
        "{} {verb} not set",
        missing.join(", ")
    )))
}
