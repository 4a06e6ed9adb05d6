//! The kinds of credentials files. Errors don't repeat what a file holds.

use std::collections::BTreeMap;

use cloud_autojoin_core::Secret;
use cloud_autojoin_core::http::decode_json;
use serde::Deserialize;

/// Google's token endpoint.
pub(super) const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

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
    pub(super) refresh_token: Secret,
    #[serde(default = "google_token_uri", alias = "token_url")]
    pub(super) token_uri: String,
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
    pub(super) credential_source: SubjectTokenSource,
}

/// Where the token of the other identity provider is; one of the four is given.
#[derive(Deserialize)]
pub(super) struct SubjectTokenSource {
    pub(super) file: Option<String>,
    pub(super) url: Option<String>,
    pub(super) executable: Option<Executable>,
    /// `aws1`: the other provider is AWS, and `url` and `region_url` are of its instance metadata
    /// service.
    pub(super) environment_id: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) format: TokenFormat,
    pub(super) region_url: Option<String>,
    pub(super) regional_cred_verification_url: Option<String>,
}

/// How the token is written: as text, or in a field of a JSON object.
#[derive(Deserialize, Default)]
pub(super) struct TokenFormat {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    pub(super) subject_token_field_name: Option<String>,
}

/// A program that prints the token.
#[derive(Deserialize)]
pub(super) struct Executable {
    pub(super) command: String,
    pub(super) timeout_millis: Option<u64>,
    /// Where the program leaves what it printed.
    pub(super) output_file: Option<String>,
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
        decode_json(text.as_bytes()).map_err(|error| {
            let text = error.to_string();
            // serde shows values that it doesn't expect.
            let shows_none = ["missing field", "unknown variant"];
            if !error.is_data() || shows_none.iter().any(|start| text.starts_with(start)) {
                text
            } else {
                "a field has another form than documented".to_owned()
            }
        })
    }
}

fn google_token_uri() -> String {
    GOOGLE_TOKEN_URI.to_owned()
}

fn google_sts() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}
