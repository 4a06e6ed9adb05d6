//! The token of another identity provider, from the source in a credentials file: a file, a URL or
//! a program (google.aip.dev/auth/4117).

use std::time::{Duration, UNIX_EPOCH};

use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Error, Result, Secret};
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::exchange::{Exchange, TokenApi};
use super::file::{Executable, ExternalAccount, TokenFormat};
use super::unusable;
use crate::ApiClient;
use crate::auth::CredentialProgram;

/// Must be `1` for a program to be run: a credentials file of another origin could name any.
const ALLOW: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";

impl Exchange<'_> {
    /// The token of the other identity provider.
    ///
    /// # Errors
    ///
    /// The credentials file has no supported source, or the source gives no token.
    pub(super) async fn subject_token(&self, account: &ExternalAccount) -> Result<Secret> {
        let source = &account.credential_source;
        let text = match (&source.file, &source.executable, &source.url) {
            (Some(path), ..) => {
                let text = read_text(path, MAX_SECRET_FILE).await;
                text.map_err(|error| {
                    unusable(format!("cannot read the subject token `{path}`: {error}"))
                })?
            }
            (_, Some(executable), _) => return self.run(executable, account).await,
            _ if source.environment_id.as_deref() == Some("aws1") => {
                return self.aws_subject_token(account).await;
            }
            (.., Some(url)) if source.environment_id.is_none() => {
                let mut request = Request::get("get the subject token", url_of(url, "url")?);
                for (name, value) in &source.headers {
                    let header = HeaderName::try_from(name).ok();
                    let header = header.zip(HeaderValue::try_from(value).ok());
                    let problem = || {
                        let of = "of the credential source can't be sent";
                        unusable(format!("the header `{name}` {of}"))
                    };
                    let (name, value) = header.ok_or_else(problem)?;
                    request.set_header(name, value);
                }
                let client = ApiClient::new(self.context, &TokenApi, request.url().clone());
                let response = client.send(request, self.call).await?;
                String::from_utf8_lossy(&response.body).into_owned()
            }
            _ => {
                let kind = source.environment_id.as_deref().unwrap_or("certificate");
                return Err(unusable(format!(
                    "the credential source `{kind}` isn't supported: use a `file`, `url`, `executable` or `aws1` source"
                )));
            }
        };
        token_in(&text, &source.format)
    }

    /// The token that a program prints, or has left in its output file.
    async fn run(&self, executable: &Executable, account: &ExternalAccount) -> Result<Secret> {
        if self.context.env().filled(ALLOW).as_deref() != Some("1") {
            return Err(unusable(format!(
                "the subject token comes from a program, which runs only if {ALLOW} is `1`"
            )));
        }
        let now = self.call.clock().wall().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        if let Some(path) = &executable.output_file
            && let Ok(text) = read_text(path, MAX_SECRET_FILE).await
            && let Ok(printed) = serde_json::from_str::<Printed>(&text)
            && printed.expiration_time.is_some_and(|end| end > now)
            && let Ok(token) = printed.into_token(now)
        {
            return Ok(token);
        }
        let variable = |name: &str, value: &str| {
            let name = format!("GOOGLE_EXTERNAL_ACCOUNT_{name}");
            (name, value.to_owned())
        };
        let mut env = vec![
            variable("AUDIENCE", &account.audience),
            variable("TOKEN_TYPE", &account.subject_token_type),
            variable("INTERACTIVE", "0"),
        ];
        let impersonation = account.service_account_impersonation_url.as_deref();
        let email = impersonation.and_then(|url| url.rsplit('/').next()?.split(':').next());
        env.extend(email.map(|email| variable("IMPERSONATED_EMAIL", email)));
        let file = executable.output_file.as_deref();
        env.extend(file.map(|file| variable("OUTPUT_FILE", file)));
        // The limits are those of Google's own libraries.
        let limit = executable.timeout_millis.unwrap_or(30_000);
        let limit = Duration::from_millis(limit.clamp(5_000, 120_000));
        let words: Vec<&str> = executable.command.split_whitespace().collect();
        let Some((program, arguments)) = words.split_first() else {
            return Err(unusable("the `command` of the executable is empty"));
        };
        let program = CredentialProgram::new(program, arguments)
            .with_env(&env)
            .with_name("executable")
            .with_timeout(limit);
        let printed = program.json::<Printed>(self.context, self.call).await;
        let printed = printed.map_err(|error| unusable(format!("no subject token: {error}")))?;
        printed.into_token(now)
    }
}

/// What a program prints, in version 1 of its contract.
#[derive(Deserialize)]
struct Printed {
    version: u32,
    success: bool,
    #[serde(alias = "saml_response")]
    id_token: Option<String>,
    expiration_time: Option<u64>,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Printed {
    fn into_token(self, now: u64) -> Result<Secret> {
        let Self { code, message, .. } = self;
        let reason = match self.id_token {
            _ if self.version != 1 => format!("version {} isn't supported", self.version),
            _ if !self.success => format!("`{code}`: {message}"),
            _ if self.expiration_time.is_some_and(|end| end <= now) => "it has expired".to_owned(),
            Some(token) if !token.is_empty() => return Ok(Secret::new(token)),
            _ => "neither `id_token` nor `saml_response` is there".to_owned(),
        };
        Err(unusable(format!(
            "`executable` has no subject token: {reason}"
        )))
    }
}

/// The token in the contents of a file or response. No error repeats anything of it.
fn token_in(text: &str, format: &TokenFormat) -> Result<Secret> {
    let token = if format.kind == "json" {
        let field = format.subject_token_field_name.as_deref();
        let field = field.unwrap_or("access_token");
        let value: Value =
            serde_json::from_str(text).map_err(|_| unusable("the subject token isn't in JSON"))?;
        let token = value.get(field).and_then(Value::as_str).map(str::to_owned);
        let problem = || unusable(format!("the subject token isn't in the field `{field}`"));
        token.ok_or_else(problem)?
    } else {
        text.trim().to_owned()
    };
    if token.is_empty() {
        return Err(unusable("the subject token is empty"));
    }
    Ok(Secret::new(token))
}

/// The URL in a field of the credential source.
pub(super) fn url_of(text: &str, field: &str) -> Result<Url, Error> {
    let of = "of the credential source is no URL";
    Url::parse(text).map_err(|_| unusable(format!("the `{field}` {of}")))
}
