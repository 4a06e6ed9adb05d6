//! Access keys: one that is given, and those that services give.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::credential::{CredentialSource, Expiring};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Result, Secret};
use serde::Deserialize;

use super::PrivateKey;

/// The end of a key that has none: the last second of the year 9999.
const NO_END: Duration = Duration::from_secs(253_402_300_799);

/// An access key: long-lived, or temporary with a session token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id, `AKIA...` or `ASIA...`.
    pub id: String,
    /// The secret that signs; empty where `private_key` does.
    pub secret: Secret,
    /// The private key that signs.
    pub private_key: Option<PrivateKey>,
    /// The token of a temporary key.
    pub session_token: Option<Secret>,
    /// When it ends, where it does.
    pub expires_at: Option<SystemTime>,
    /// Where it belongs, in the cloud's terms: `tenancy`, `region`.
    pub attributes: Vec<(&'static str, String)>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

impl Expiring for AccessKey {
    fn expires_at(&self) -> SystemTime {
        self.expires_at.unwrap_or(UNIX_EPOCH + NO_END)
    }
}

impl AccessKey {
    /// A key without an end.
    pub fn new(id: impl Into<String>, secret: Secret, session_token: Option<Secret>) -> Self {
        Self {
            id: id.into(),
            secret,
            private_key: None,
            session_token,
            expires_at: None,
            attributes: Vec::new(),
        }
    }

    /// A key without an end, by whose private key requests are signed.
    pub fn of_private_key(id: impl Into<String>, private_key: PrivateKey) -> Self {
        Self {
            private_key: Some(private_key),
            ..Self::new(id, Secret::new(""), None)
        }
    }

    /// The same key with an attribute, unless its value is empty.
    #[must_use]
    pub fn with_attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.attributes.push((name, value));
        }
        self
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The access key of these keys of the join string or the environment; one half without the
    /// other is a problem.
    pub fn from_options(
        options: &mut Options<'_>,
        id: &KeySpec,
        secret: &KeySpec,
        session_token: &KeySpec,
    ) -> Option<Self> {
        let token = options.secret(session_token);
        let given = |spec: &KeySpec| format!("`{}` is given", spec.name);
        match (options.text(id), options.secret(secret)) {
            (Some(id), Some(secret)) => return Some(Self::new(id, secret, token)),
            (Some(_), None) => options.add_missing(secret, Some(&given(id))),
            (None, Some(_)) => options.add_missing(id, Some(&given(secret))),
            (None, None) if token.is_some() => {
                options.add_missing(id, Some(&given(session_token)));
            }
            (None, None) => {}
        }
        None
    }
}

/// A temporary access key in the words of the services that give one.
#[derive(Deserialize)]
pub struct KeyResponse {
    /// `Success`, or why there is no key.
    #[serde(rename = "Code")]
    code: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "AccessKeyId", alias = "accessKeyId", alias = "TmpSecretId")]
    id: Option<String>,
    #[serde(rename = "SecretAccessKey", alias = "secretAccessKey")]
    #[serde(alias = "AccessKeySecret", alias = "TmpSecretKey")]
    secret: Option<String>,
    #[serde(rename = "SessionToken", alias = "sessionToken")]
    #[serde(alias = "SecurityToken", alias = "Token")]
    session_token: Option<String>,
    #[serde(rename = "Expiration")]
    expiration: Option<String>,
}

impl KeyResponse {
    /// The key.
    ///
    /// # Errors
    ///
    /// The response gives a reason in place of a key, or isn't complete.
    pub fn into_key(self) -> Result<AccessKey, SourceOutcome> {
        if let Some(code) = self.code.filter(|code| code != "Success") {
            let message = self.message.unwrap_or_default();
            return Err(SourceOutcome::failed(format!("{code}: {message}")));
        }
        let (Some(id), Some(secret)) = (self.id, self.secret) else {
            return Err(SourceOutcome::failed("the response holds no access key"));
        };
        let end = self.expiration.filter(|text| !text.is_empty());
        Ok(AccessKey {
            expires_at: end.map(|text| time(&text)).transpose()?,
            ..AccessKey::new(id, secret.into(), self.session_token.map(Secret::new))
        })
    }
}

/// A time of RFC 3339 in UTC.
pub(crate) fn time(text: &str) -> Result<SystemTime, SourceOutcome> {
    let utc = text.replace("+00:00", "Z").replace("UTC", "Z");
    humantime::parse_rfc3339_weak(&utc).map_err(|_| {
        SourceOutcome::failed("the end of the credential isn't a time of RFC 3339 in UTC")
    })
}

/// The access key of the join string or the environment, as the first source of a chain.
#[derive(Debug)]
pub struct GivenKey {
    key: Option<AccessKey>,
    missing: String,
}

impl GivenKey {
    /// The key, or the reason for its absence: `` `access_key_id` isn't set ``.
    pub fn new(key: Option<AccessKey>, missing: impl Into<String>) -> Self {
        Self {
            key,
            missing: missing.into(),
        }
    }
}

#[async_trait]
impl CredentialSource<AccessKey> for GivenKey {
    fn name(&self) -> &'static str {
        "access key"
    }

    async fn token(&self, _: &str, _: &Call) -> Result<AccessKey, SourceOutcome> {
        let missing = || SourceOutcome::NotConfigured(self.missing.clone());
        self.key.clone().ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_key_is_read_in_the_words_of_every_service() {
        for json in [
            r#"{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2027-01-01T00:00:00Z","Code":"Success"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T","Expiration":"2027-01-01T00:00:00+00:00","Version":1}"#,
            r#"{"AccessKeyId":"A","AccessKeySecret":"S","SecurityToken":"T","Expiration":"2027-01-01T00:00:00Z"}"#,
            r#"{"TmpSecretId":"A","TmpSecretKey":"S","Token":"T","ExpiredTime":1798761600,"Expiration":"2027-01-01T00:00:00Z"}"#,
        ] {
            let key = serde_json::from_str::<KeyResponse>(json).unwrap();
            let key = key.into_key().unwrap();
            assert_eq!((key.id.as_str(), key.secret.expose()), ("A", "S"));
            assert_eq!(key.session_token.unwrap().expose(), "T");
            let end = UNIX_EPOCH + Duration::from_secs(1_798_761_600);
            assert_eq!(key.expires_at, Some(end));
        }
        for json in [
            "{}",
            r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no trust"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"canary","Expiration":"tomorrow"}"#,
        ] {
            let key = serde_json::from_str::<KeyResponse>(json).unwrap();
            let Err(SourceOutcome::Failed(error)) = key.into_key() else {
                panic!("{json}")
            };
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
