//! The HTTP signature over the date, with an SSH key.

use std::fmt::{self, Write as _};
use std::io;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use cloud_autojoin_core::error::{CredentialError, SourceReport};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, Result};
use http::header::{AUTHORIZATION, DATE, HeaderValue};
use md5::{Digest, Md5};
use ring::digest;

use crate::provider::NAME;
use crate::{agent, key_file};

/// The fingerprint of an SSH key, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fingerprint {
    /// In lower-case hexadecimal with colons, as CloudAPI names keys.
    Md5(String),
    /// In base64 without padding.
    Sha256(String),
}

impl Fingerprint {
    /// Reads `MD5:aa:bb...`, `aa:bb...`, `aabb...`, `SHA256:...` or the base64 alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text
            .strip_prefix("MD5:")
            .unwrap_or(text)
            .replace(':', "")
            .to_lowercase();
        if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let pairs: Vec<&str> = (0..16)
                .filter_map(|at| digits.get(2 * at..2 * at + 2))
                .collect();
            return Some(Self::Md5(pairs.join(":")));
        }
        let sha = text
            .strip_prefix("SHA256:")
            .unwrap_or(text)
            .trim_end_matches('=');
        (STANDARD_NO_PAD.decode(sha).ok()?.len() == 32).then(|| Self::Sha256(sha.to_owned()))
    }

    /// The MD5 fingerprint of a public key.
    pub(crate) fn md5_of(blob: &[u8]) -> String {
        let mut text = String::new();
        for byte in Md5::digest(blob) {
            let colon = if text.is_empty() { "" } else { ":" };
            _ = write!(text, "{colon}{byte:02x}");
        }
        text
    }

    /// Whether it is the fingerprint of this public key.
    pub(crate) fn is_of(&self, blob: &[u8]) -> bool {
        match self {
            Self::Md5(text) => *text == Self::md5_of(blob),
            Self::Sha256(text) => {
                *text == STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, blob))
            }
        }
    }
}

/// A signature with what the service needs to check it.
pub(crate) struct Signature {
    /// `rsa-sha256`, `ecdsa-sha256`, ...
    pub(crate) algorithm: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The MD5 fingerprint of the key.
    pub(crate) key: String,
}

/// Signs requests of one account with one key.
pub(crate) struct HttpSignature {
    pub(crate) context: Context,
    pub(crate) account: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) key_file: Option<String>,
}

impl HttpSignature {
    async fn sign(&self, data: &[u8], call: &Call) -> Result<Signature, CredentialError> {
        let (source, signing): (_, io::Result<Signature>) =
            match (&self.key_file, &self.fingerprint) {
                (Some(path), Fingerprint::Md5(key)) => {
                    ("key file", key_file::sign(path, key, data).await)
                }
                _ => {
                    let Some(socket) = self.context.env().filled("SSH_AUTH_SOCK") else {
                        let error = CredentialError::new(
                            NAME,
                            vec![SourceReport::not_configured(
                                "SSH agent",
                                "`SSH_AUTH_SOCK` isn't set",
                            )],
                        );
                        return Err(error.with_hint(
                            "start an SSH agent with the key of `key_id`, or set `key_file`",
                        ));
                    };
                    let signing = tokio::time::timeout(
                        call.remaining(),
                        agent::sign(&socket, &self.fingerprint, data),
                    )
                    .await;
                    (
                        "SSH agent",
                        signing.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                    )
                }
            };
        signing.map_err(|error| {
            let hint = format!("check `key_id` and the key of the {source}; `ssh-add -l -E md5` lists the agent's keys");
            CredentialError::new(NAME, vec![SourceReport::failed(source, error)]).with_hint(hint)
        })
    }
}

#[async_trait]
impl Authorizer for HttpSignature {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let date = httpdate::fmt_http_date(call.clock().wall());
        let Signature {
            algorithm,
            bytes,
            key,
        } = self.sign(format!("date: {date}").as_bytes(), call).await?;
        let text = format!(
            "Signature keyId=\"/{}/keys/{key}\",algorithm=\"{algorithm}\",headers=\"date\",signature=\"{}\"",
            self.account,
            STANDARD.encode(bytes)
        );
        // The name of the account was checked when the provider was built.
        if let (Ok(date), Ok(mut authorization)) =
            (HeaderValue::from_str(&date), HeaderValue::from_str(&text))
        {
            authorization.set_sensitive(true);
            request.set_header(DATE, date);
            request.set_header(AUTHORIZATION, authorization);
        }
        Ok(())
    }

    fn identity(&self) -> Option<String> {
        let source = if self.key_file.is_some() {
            "key file"
        } else {
            "SSH agent"
        };
        Some(format!("key of the {source}, account `{}`", self.account))
    }
}

impl fmt::Debug for HttpSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSignature")
            .field("account", &self.account)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_fingerprint_is_read_in_every_form_of_ssh_keygen() {
        let (md5, sha) = (
            Fingerprint::md5_of(b"blob"),
            STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, b"blob")),
        );
        // `printf blob | md5sum`
        assert_eq!(md5, "ee:26:90:8b:f9:62:9e:eb:4b:37:da:c3:50:f4:75:4a");
        for text in [
            md5.clone(),
            format!("MD5:{md5}"),
            md5.replace(':', "").to_uppercase(),
            sha.clone(),
            format!("SHA256:{sha}"),
            format!("SHA256:{sha}="),
        ] {
            let fingerprint = Fingerprint::parse(&text).unwrap();
            assert!(
                fingerprint.is_of(b"blob") && !fingerprint.is_of(b"other"),
                "{text}"
            );
        }
        assert_eq!(
            (Fingerprint::parse("zz"), Fingerprint::parse("")),
            (None, None)
        );
    }
}
