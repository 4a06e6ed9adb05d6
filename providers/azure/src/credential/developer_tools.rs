//! Who is signed in to Azure's own command lines, `az` and `azd`.
//!
//! Own code: `azure_identity` waits for them without limit and leaves them running when the caller
//! gives up. Core's runner kills them. A token is written to their standard output only, so no
//! error here says anything of that.

use std::io;
use std::time::Duration;

use anstream::adapter::{strip_bytes, strip_str};
use cloud_autojoin_core::command::CommandOutput;
use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::decode_json;
use cloud_autojoin_core::{Call, DecodeError, Error};
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

/// Runs a command line for the token that it prints. It may take [`LIMIT`], or what is left of the
/// call. Some set-ups print terminal escape sequences (colours, titles) even where nothing is a
/// terminal.
async fn run(
    setup: &Setup,
    program: &str,
    arguments: &[&str],
    sign_in: &str,
    call: &Call,
) -> Result<TokenResponse, SourceOutcome> {
    let limit = LIMIT.min(call.remaining());
    let command = format!("`{program} {}`", arguments[..2].join(" "));
    let failed = |reason: String| Err(SourceOutcome::failed(reason));
    // They decide which program it is, and who has signed in.
    setup
        .context
        .env()
        .note(["PATH", "HOME", "AZURE_CONFIG_DIR", "AZD_CONFIG_DIR"]);
    match setup
        .context
        .commands()
        .run(program, arguments, limit)
        .await
    {
        Ok(CommandOutput {
            status: Some(0),
            stdout,
            ..
        }) => decode_json(&strip_bytes(&stdout).into_vec()).map_err(|_| {
            // The cause is left out: it may quote a token.
            Error::from(DecodeError::new(PROVIDER_NAME, operation(program), MISSING)).into()
        }),
        Ok(CommandOutput { stderr, .. }) => {
            let stderr = strip_str(&stderr).to_string();
            let said = said(&stderr);
            // Both name the command that signs in when no one is.
            if stderr.contains(sign_in) {
                return Err(SourceOutcome::NotConfigured(format!(
                    "nobody is signed in: run `{sign_in}` (`{program}` said: {said})"
                )));
            }
            failed(format!("{command} failed: {said}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SourceOutcome::NotConfigured(
            format!("there is no program `{program}` on `PATH`"),
        )),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            failed(format!("{command} did not end within {limit:.0?}"))
        }
        Err(error) => failed(format!("cannot run `{program}`: {error}")),
    }
}

/// The first line of a command line's complaint that says something; `azd` wraps it in JSON.
fn said(stderr: &str) -> String {
    let wrapped: Value = serde_json::from_str(stderr.trim()).unwrap_or_default();
    let text = wrapped.pointer("/data/message").and_then(Value::as_str);
    let line = text
        .unwrap_or(stderr)
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("WARNING"));
    let line = line.unwrap_or("nothing").trim_start_matches("ERROR: ");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_and_escape_sequences_around_json_do_not_matter() {
        for printed in [
            "\u{feff}\u{1b}[0m{\"accessToken\": \"é\"}\u{1b}[0m\n",
            "{\u{1b}[38;5;4m\"accessToken\"\u{1b}[39m: \"é\"}",
            "\u{1b}]0;az\u{7}{\"accessToken\": \"é\"}\u{1b}]0;az\u{1b}\\",
            "\u{1b}(B{\"accessToken\": \"é\"}\u{1b}",
        ] {
            let printed = strip_bytes(printed.as_bytes()).into_vec();
            assert!(
                decode_json::<TokenResponse>(&printed).is_ok(),
                "{}",
                String::from_utf8_lossy(&printed)
            );
        }
    }
}
