//! The JSON and the dates of credentials.

use std::time::SystemTime;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Secret};
use cloud_autojoin_provider_kit::auth::sigv4::AccessKey;
use serde::Deserialize;

use super::Credential;

/// Credentials as metadata services, container endpoints and programs give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CredentialJson {
    /// `Success`, or why there are no keys: instance metadata.
    code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    /// The session token as services name it, and as programs do.
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<String>,
}

impl CredentialJson {
    pub(super) fn into_credential(self, call: &Call) -> Result<Credential, SourceOutcome> {
        if let Some(code) = self.code.filter(|code| code != "Success") {
            return Err(SourceOutcome::failed(format!(
                "{code}: {}",
                self.message.unwrap_or_default()
            )));
        }
        if self.access_key_id.is_empty() || self.secret_access_key.is_empty() {
            return Err(SourceOutcome::failed("the answer holds no access key"));
        }
        let key = AccessKey {
            id: self.access_key_id,
            secret: self.secret_access_key.into(),
            session_token: self.token.map(Secret::new),
        };
        let expires_at = self
            .expiration
            .filter(|text| !text.is_empty())
            .map(|text| time(&text))
            .transpose()?;
        Ok(Credential::new(key, expires_at, call))
    }
}

/// A time of RFC 3339 in UTC.
pub(super) fn time(text: &str) -> Result<SystemTime, SourceOutcome> {
    let utc = text
        .strip_suffix("+00:00")
        .map_or_else(|| text.to_owned(), |time| format!("{time}Z"));
    humantime::parse_rfc3339_weak(&utc).map_err(|_| {
        SourceOutcome::failed("the end of the credential isn't a time of RFC 3339 in UTC")
    })
}
