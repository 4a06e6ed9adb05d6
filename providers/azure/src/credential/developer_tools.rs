//! The tokens of users who are signed in to Azure's own command lines, `az` and `azd`.
//!
//! Own code: `azure_identity` waits for them without limit and leaves them running when the caller
//! gives up. Core's runner kills them.

use std::time::Duration;

use cloud_autojoin_core::Call;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_provider_kit::auth::{CredentialProgram, ProgramError};
use serde_json::Value;

use super::Setup;
use super::token::{TokenResponse, TokenResult};

/// The time limit of a command line: `az` is slow to start.
const LIMIT: Duration = Duration::from_secs(10);

/// The lifetime of a token whose end isn't printed, as by an old `az`.
const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// On Windows `az` is a script, and only its whole name is found.
const AZ: &str = if cfg!(windows) { "az.cmd" } else { "az" };

/// A token of the user who is signed in to `az`.
pub(super) async fn az(setup: &Setup, call: &Call) -> TokenResult {
    let command = [AZ, "account", "get-access-token"];
    let options = ["--resource", &setup.cloud.audience];
    let mut token = run(setup, command, &options, "--tenant", call).await?;
    token.set_default_lifetime(MIN_LIFETIME);
    Ok(token.into_token("read the token that `az` prints", call)?)
}

/// A token of the user who is signed in to `azd`.
pub(super) async fn azd(setup: &Setup, call: &Call) -> TokenResult {
    let scope = setup.cloud.scope();
    let options = ["--no-prompt", "--scope", &scope];
    let token = run(
        setup,
        ["azd", "auth", "token"],
        &options,
        "--tenant-id",
        call,
    )
    .await?;
    Ok(token.into_token("read the token that `azd` prints", call)?)
}

/// Runs a command line for the token that it prints.
async fn run(
    setup: &Setup,
    command: [&str; 3],
    options: &[&str],
    tenant_option: &str,
    call: &Call,
) -> Result<TokenResponse, SourceOutcome> {
    let mut arguments = [&command[1..], &["-o", "json"], options].concat();
    if let Some(tenant_id) = &setup.options.tenant_id {
        arguments.extend([tenant_option, tenant_id]);
    }
    // They decide who has signed in.
    setup
        .context
        .env()
        .note(["AZURE_CONFIG_DIR", "AZD_CONFIG_DIR"]);
    let ended = CredentialProgram::new(command[0], &arguments)
        .with_name(&command.join(" "))
        .with_timeout(LIMIT)
        .json(&setup.context, call)
        .await;
    ended.map_err(|mut error| match &mut error {
        ProgramError::NotFound { .. } => SourceOutcome::NotConfigured(error.to_string()),
        ProgramError::Failed { stderr, .. } => {
            // `azd` wraps its messages in JSON.
            let wrapped: Value = serde_json::from_str(stderr.trim()).unwrap_or_default();
            if let Some(message) = wrapped["data"]["message"].as_str() {
                *stderr = message.to_owned();
            }
            // Both name the command that signs in when no user is.
            let sign_in = ["az login", "azd auth login"]
                .into_iter()
                .find(|sign_in| stderr.contains(sign_in));
            match sign_in {
                Some(sign_in) => SourceOutcome::NotConfigured(format!(
                    "no user is signed in: run `{sign_in}` ({error})"
                )),
                None => SourceOutcome::failed(error),
            }
        }
        _ => SourceOutcome::failed(error),
    })
}
