//! The kinds of credentials files. Errors don't repeat what a file holds.

use std::collections::BTreeMap;

use cloud_autojoin_core::Secret;
use serde::Deserialize;
use serde_json::Value;

/// What a credentials file holds, by its `type`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Credentials {
    ServiceAccount(ServiceAccount),
    AuthorizedUser(User),
    ExternalAccountAuthorizedUser(User),
    ExternalAccount(Box<ExternalAccount>),
    ImpersonatedServiceAccount(Impersonation),
}

/// The kinds, as they are written in a file.
const KINDS: [&str; 5] = [
    "service_account",
    "authorized_user",
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
];

/// The key of a service account.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    pub(super) client_email: String,
    pub(super) private_key: Secret,
    pub(super) private_key_id: Option<String>,
    #[serde(default = "google_token_uri")]
    pub(super) token_uri: String,
}

/// An OAuth client, which authenticates itself by its secret.
#[derive(Deserialize)]
pub(super) struct Client {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
}

/// A user who logged in, with a Google account or through workforce identity federation.
#[derive(Deserialize)]
pub(super) struct User {
    #[serde(flatten)]
    pub(super) client: Client,
    refresh_token: Secret,
    #[serde(default = "google_token_uri", alias = "token_url")]
    pub(super) token_uri: String,
}

impl User {
    /// What asks for a new token.
    pub(super) fn form(&self) -> Vec<(&'static str, &str)> {
        let token = self.refresh_token.expose();
        vec![("grant_type", "refresh_token"), ("refresh_token", token)]
    }
}

/// Workload identity federation: a token of another identity provider.
#[derive(Deserialize)]
pub(super) struct ExternalAccount {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    #[serde(default = "google_sts")]
    pub(super) token_url: String,
    pub(super) service_account_impersonation_url: Option<String>,
    /// Of workforce identity federation.
    #[serde(flatten)]
    pub(super) client: Option<Client>,
    /// The project that requests count for, of workforce identity federation without a client.
    pub(super) workforce_pool_user_project: Option<String>,
    pub(super) credential_source: CredentialSource,
}

/// Where the token of the other identity provider is. The kinds that aren't supported are there to
/// be named.
#[derive(Deserialize)]
pub(super) struct CredentialSource {
    pub(super) file: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) format: Option<TokenFormat>,
    /// `aws1`: the other provider is AWS, and `url` and `region_url` are of its instance metadata
    /// service.
    pub(super) environment_id: Option<String>,
    pub(super) region_url: Option<String>,
    pub(super) regional_cred_verification_url: Option<String>,
}

/// How the token is written: as text, or in a field of a JSON object.
#[derive(Deserialize)]
pub(super) struct TokenFormat {
    #[serde(default, rename = "type")]
    kind: String,
    subject_token_field_name: Option<String>,
}

/// A service account that another identity may act as.
#[derive(Deserialize)]
pub(super) struct Impersonation {
    pub(super) service_account_impersonation_url: String,
    pub(super) source_credentials: Box<Credentials>,
    #[serde(default)]
    pub(super) delegates: Vec<String>,
}

impl Credentials {
    /// Reads a credentials file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without anything that it holds but its `type`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
                format!(
                    "it isn't JSON (line {}, column {})",
                    error.line(),
                    error.column()
                )
            })?;
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if !KINDS.contains(&kind.as_str()) {
            let shown: String = kind
                .chars()
                .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .take(40)
                .collect();
            return Err(format!(
                "its type `{shown}` isn't one of {}",
                KINDS.join(", ")
            ));
        }
        serde_json::from_value(value).map_err(|error| {
            // serde shows values that it doesn't expect: only the message without one is repeated.
            let text = error.to_string();
            let what = if text.starts_with("missing field") {
                text
            } else {
                "a field has another form than documented".to_owned()
            };
            format!("{what} (type `{kind}`)")
        })
    }
}

impl CredentialSource {
    /// The token in `text`, the contents of the file or of the response.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without anything of it.
    pub(super) fn subject_token(&self, text: &str) -> Result<Secret, String> {
        let json = self.format.as_ref().filter(|format| format.kind == "json");
        let token = match json {
            Some(format) => {
                let field = format.subject_token_field_name.as_deref();
                let field = field.unwrap_or("access_token");
                let value: Value = serde_json::from_str(text)
                    .map_err(|_| "the subject token isn't in JSON".to_owned())?;
                let token = value.get(field).and_then(Value::as_str).map(str::to_owned);
                token.ok_or_else(|| format!("the subject token isn't in the field `{field}`"))?
            }
            None => text.trim().to_owned(),
        };
        if token.is_empty() {
            return Err("the subject token is empty".to_owned());
        }
        Ok(Secret::new(token))
    }
}

fn google_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn google_sts() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}
