//! Who is signed in to Azure's own command lines, `az` and `azd`.
//!
//! Own code: `azure_identity` waits for them without limit and leaves them running when the caller
//! gives up. Core's runner kills them. A token is written to their standard output only, so no
//! error here says anything of that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::time::parse_rfc3339;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::decode_json;
use cloud_autojoin_core::{Call, Context, DecodeError, Error, Secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::token_answer::{lifetime, seconds};
use crate::cloud::Cloud;
use crate::keys::PROVIDER_NAME;

/// How long a command line may take: `az` is slow to start.
const LIMIT: Duration = Duration::from_secs(10);

/// On Windows `az` is a script, and only its whole name is found.
const AZ: &str = if cfg!(windows) { "az.cmd" } else { "az" };

/// The source `Azure CLI`.
#[derive(Debug)]
pub(super) struct AzureCli {
    tenant_id: Option<String>,
    audience: String,
    commands: Arc<dyn CommandRunner>,
}

impl AzureCli {
    pub(super) const NAME: &'static str = "Azure CLI";

    pub(super) fn new(tenant_id: Option<String>, cloud: &Cloud, context: &Context) -> Self {
        Self {
            tenant_id,
            audience: cloud.audience.clone(),
            commands: Arc::clone(context.commands()),
        }
    }
}

/// What `az account get-access-token` prints. `expires_on` came with version 2.54; `expiresOn`
/// beside it is local time without a zone, which can't be read reliably.
#[derive(Deserialize)]
struct AzureCliToken {
    #[serde(rename = "accessToken")]
    access_token: String,
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<Duration>,
}

#[async_trait]
impl Source for AzureCli {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, _scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let mut arguments = vec![
            "account",
            "get-access-token",
            "-o",
            "json",
            "--resource",
            &self.audience,
        ];
        if let Some(tenant_id) = &self.tenant_id {
            arguments.extend(["--tenant", tenant_id]);
        }
        let stdout = run(self.commands.as_ref(), AZ, &arguments, "az login", call).await?;
        let token: AzureCliToken = decode(AZ, &stdout)?;
        // An older `az` gives a token that is good for five minutes at least.
        let least = token
            .expires_on
            .is_none()
            .then_some(Duration::from_secs(5 * 60));
        access_token(AZ, token.access_token, least, token.expires_on, call)
    }
}

/// The source `Azure Developer CLI`.
#[derive(Debug)]
pub(super) struct AzureDeveloperCli {
    tenant_id: Option<String>,
    commands: Arc<dyn CommandRunner>,
}

impl AzureDeveloperCli {
    pub(super) const NAME: &'static str = "Azure Developer CLI";

    pub(super) fn new(tenant_id: Option<String>, context: &Context) -> Self {
        Self {
            tenant_id,
            commands: Arc::clone(context.commands()),
        }
    }
}

/// What `azd auth token` prints.
#[derive(Deserialize)]
struct AzureDeveloperCliToken {
    token: String,
    #[serde(rename = "expiresOn")]
    expires_on: String,
}

#[async_trait]
impl Source for AzureDeveloperCli {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let mut arguments = vec![
            "auth",
            "token",
            "-o",
            "json",
            "--no-prompt",
            "--scope",
            scope,
        ];
        if let Some(tenant_id) = &self.tenant_id {
            arguments.extend(["--tenant-id", tenant_id]);
        }
        let stdout = run(
            self.commands.as_ref(),
            "azd",
            &arguments,
            "azd auth login",
            call,
        )
        .await?;
        let token: AzureDeveloperCliToken = decode("azd", &stdout)?;
        let expires_on = parse_rfc3339(&token.expires_on)
            .ok()
            .map(|time| Duration::from_secs(time.unix_timestamp().try_into().unwrap_or_default()));
        access_token("azd", token.token, None, expires_on, call)
    }
}

/// Runs a command line for its standard output. It may take [`LIMIT`], or what is left of the call.
async fn run(
    commands: &dyn CommandRunner,
    program: &str,
    arguments: &[&str],
    sign_in: &str,
    call: &Call,
) -> Result<Vec<u8>, SourceOutcome> {
    let limit = LIMIT.min(call.remaining());
    match commands.run(program, arguments, limit).await {
        Ok(CommandOutput {
            status: Some(0),
            stdout,
            ..
        }) => Ok(without_escapes(&stdout)),
        Ok(CommandOutput { stderr, .. }) => {
            let stderr = String::from_utf8_lossy(&without_escapes(stderr.as_bytes())).into_owned();
            let said = said(&stderr);
            // Both name the command that signs in when no one is.
            if stderr.contains(sign_in) {
                return Err(SourceOutcome::NotConfigured(format!(
                    "nobody is signed in: run `{sign_in}` (`{program}` said: {said})"
                )));
            }
            Err(SourceOutcome::failed(format!(
                "`{program} {}` failed: {said}",
                arguments[..2].join(" ")
            )))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SourceOutcome::NotConfigured(
            format!("there is no program `{program}` on `PATH`"),
        )),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(SourceOutcome::failed(format!(
                "`{program} {}` did not end within {:.0?}",
                arguments[..2].join(" "),
                limit
            )))
        }
        Err(error) => Err(SourceOutcome::failed(format!(
            "cannot run `{program}`: {error}"
        ))),
    }
}

/// The first line of a command line's complaint that says something; `azd` wraps it in JSON.
fn said(stderr: &str) -> String {
    #[derive(Deserialize)]
    struct Message {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        message: String,
    }
    let text = serde_json::from_str::<Message>(stderr.trim())
        .map_or_else(|_| stderr.to_owned(), |message| message.data.message);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("WARNING"))
        .unwrap_or("nothing");
    line.trim_start_matches("ERROR: ")
        .chars()
        .take(300)
        .collect()
}

/// The text without the terminal escape sequences (colours, titles) that some set-ups print even
/// where nothing is a terminal. JSON never has a bare escape character.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    const ESCAPE: u8 = 0x1b;
    const BELL: u8 = 0x07;
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != ESCAPE {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            // Ends with a letter or a sign after it.
            Some(b'[') => _ = bytes.find(|byte| (0x40..=0x7e).contains(byte)),
            // Ends with a bell, or with the escape character and a backslash.
            Some(b']') if bytes.find(|byte| matches!(*byte, BELL | ESCAPE)) == Some(ESCAPE) => {
                _ = bytes.next()
            }
            _ => {}
        }
    }
    plain
}

fn decode<T: DeserializeOwned>(program: &str, stdout: &[u8]) -> Result<T, SourceOutcome> {
    // The cause is left out: it may quote a token.
    decode_json(stdout).map_err(|_| unreadable(program))
}

fn access_token(
    program: &str,
    token: String,
    expires_in: Option<Duration>,
    expires_on: Option<Duration>,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let now = call.clock().wall();
    match lifetime(expires_in, expires_on, now) {
        Some(lifetime) if !token.is_empty() => {
            Ok(AccessToken::new(Secret::new(token), now + lifetime))
        }
        _ => Err(unreadable(program)),
    }
}

fn unreadable(program: &str) -> SourceOutcome {
    Error::from(DecodeError::new(
        PROVIDER_NAME,
        format!("read what `{program}` prints"),
        "no token with its end",
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_left_out_and_nothing_else() {
        for (text, plain) in [
            ("\u{1b}[0m{\"a\": 1}\u{1b}[0m\n", "{\"a\": 1}\n"),
            ("{\u{1b}[38;5;4m\"a\"\u{1b}[39m: 1}", "{\"a\": 1}"),
            ("\u{1b}]0;az\u{7}{}\u{1b}]0;az\u{1b}\\", "{}"),
            ("\u{1b}(B{}\u{1b}", "B{}"),
            ("é [0m", "é [0m"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&without_escapes(text.as_bytes())),
                plain,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_and_colours_around_json_do_not_matter() {
        let printed = without_escapes(
            "\u{feff}\u{1b}[0m{\"accessToken\": \"t\", \"expires_on\": 4102444800}\u{1b}[0m\n"
                .as_bytes(),
        );
        assert!(decode::<AzureCliToken>(AZ, &printed).is_ok_and(|token| token.access_token == "t"));
    }
}
