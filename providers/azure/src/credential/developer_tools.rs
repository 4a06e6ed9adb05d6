//! Who is signed in to Azure's own command lines, `az` and `azd`.
//!
//! Own code: `azure_identity` waits for them without limit and leaves them running when the caller
//! gives up. Core's runner kills them.

use std::time::Duration;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, DecodeError, Error};
use cloud_autojoin_provider_kit::auth::{CredentialProgram, ProgramError};
use serde_json::Value;

use super::setup::Setup;
use super::token_response::TokenResponse;
use crate::keys::PROVIDER_NAME;

/// How long a command line may take: `az` is slow to start.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a token of an `az` that doesn't say its end is good at least.
const LEAST_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// On Windows `az` is a script, and only its whole name is found.
const AZ: &str = if cfg!(windows) { "az.cmd" } else { "az" };

const MISSING: &str = "no token with its end";

/// A token of whoever is signed in to `az`.
pub(super) async fn az(setup: &Setup, call: &Call) -> Result<AccessToken, SourceOutcome> {
    let audience = setup.cloud.audience.as_str();
    let mut arguments = vec![
        "account",
        "get-access-token",
        "-o",
        "json",
        "--resource",
        audience,
    ];
    if let Some(tenant_id) = &setup.options.tenant_id {
        arguments.extend(["--tenant", tenant_id]);
    }
    let token = run(setup, AZ, &arguments, "az login", call).await?;
    Ok(token
        .with_default_lifetime(LEAST_LIFETIME)
        .into_token(&operation(AZ), MISSING, call)?)
}

/// A token of whoever is signed in to `azd`.
pub(super) async fn azd(
    setup: &Setup,
    scope: &str,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let mut arguments = vec![
        "auth",
        "token",
        "-o",
        "json",
        "--no-prompt",
        "--scope",
        scope,
    ];
    if let Some(tenant_id) = &setup.options.tenant_id {
        arguments.extend(["--tenant-id", tenant_id]);
    }
    let token = run(setup, "azd", &arguments, "azd auth login", call).await?;
    Ok(token.into_token(&operation("azd"), MISSING, call)?)
}

fn operation(program: &str) -> String {
    format!("read what `{program}` prints")
}

/// Runs a command line for the token that it prints.
async fn run(
    setup: &Setup,
    program: &str,
    arguments: &[&str],
    sign_in: &str,
    call: &Call,
) -> Result<TokenResponse, SourceOutcome> {
    let name = format!("{program} {}", arguments[..2].join(" "));
    let context = &setup.context;
    // They decide who has signed in.
    context.env().note(["AZURE_CONFIG_DIR", "AZD_CONFIG_DIR"]);
    let ended = CredentialProgram::new(program, arguments)
        .with_name(&name)
        .with_timeout(LIMIT)
        .json(context, call)
        .await;
    ended.map_err(|mut error| match &mut error {
        ProgramError::NotFound { .. } => SourceOutcome::NotConfigured(error.to_string()),
        ProgramError::InvalidOutput(_) => {
            Error::from(DecodeError::new(PROVIDER_NAME, operation(program), MISSING)).into()
        }
        ProgramError::Failed { stderr, .. } => {
            // `azd` wraps its messages in JSON.
            let wrapped: Value = serde_json::from_str(stderr.trim()).unwrap_or_default();
            if let Some(message) = wrapped.pointer("/data/message").and_then(Value::as_str) {
                *stderr = message.to_owned();
            }
            // Both name the command that signs in when no one is.
            if stderr.contains(sign_in) {
                let reason = format!("nobody is signed in: run `{sign_in}` ({error})");
                return SourceOutcome::NotConfigured(reason);
            }
            SourceOutcome::failed(error)
        }
        _ => SourceOutcome::failed(error),
    })
}
