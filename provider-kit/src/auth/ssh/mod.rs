//! Signatures with an SSH key: one that the SSH agent holds, or one in a file.
//!
//! The agent's protocol is a page of code. Crates for it bring an implementation of each algorithm
//! beside the one of TLS.

mod agent;

use std::fmt::Write as _;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cloud_autojoin_core::error::{CredentialError, SourceReport};
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use cloud_autojoin_core::{Call, Context};
use md5::{Digest, Md5};
use ring::digest;

use super::PrivateKey;

/// The fingerprint of an SSH key, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fingerprint {
    /// In lower-case hexadecimal with colons.
    Md5(String),
    /// In base64 without padding.
    Sha256(String),
}

impl Fingerprint {
    /// Reads `MD5:aa:bb...`, `aa:bb...`, `aabb...`, `SHA256:...` or the base64 alone.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("MD5:").unwrap_or(text);
        let digits = digits.replace(':', "").to_lowercase();
        if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let pairs: Vec<&str> = (0..16)
                .filter_map(|at| digits.get(2 * at..2 * at + 2))
                .collect();
            return Some(Self::Md5(pairs.join(":")));
        }
        let sha = text.strip_prefix("SHA256:").unwrap_or(text);
        let sha = sha.trim_end_matches('=');
        let is_digest = STANDARD_NO_PAD.decode(sha).ok()?.len() == 32;
        is_digest.then(|| Self::Sha256(sha.to_owned()))
    }

    /// The MD5 fingerprint of a public key.
    pub fn md5_of(key: &[u8]) -> String {
        let mut text = String::new();
        for byte in Md5::digest(key) {
            let colon = if text.is_empty() { "" } else { ":" };
            _ = write!(text, "{colon}{byte:02x}");
        }
        text
    }

    /// Whether it is the fingerprint of this public key.
    pub fn is_of(&self, key: &[u8]) -> bool {
        match self {
            Self::Md5(text) => *text == Self::md5_of(key),
            Self::Sha256(text) => {
                *text == STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, key))
            }
        }
    }
}

/// A signature with what the service needs to check it.
#[derive(Debug)]
pub struct Signature {
    /// The algorithm as HTTP signatures name it: `rsa-sha256`, `ecdsa-sha256`, ...
    pub algorithm: &'static str,
    /// The signature.
    pub bytes: Vec<u8>,
    /// The MD5 fingerprint of the key.
    pub key: String,
}

/// An SSH key that can sign.
#[derive(Debug, Clone)]
pub enum SshKey {
    /// A private key in PEM, with its MD5 fingerprint.
    File {
        /// The path of the file.
        path: String,
        /// The fingerprint of the key, which the file doesn't tell.
        md5: String,
    },
    /// The key of the SSH agent that has this fingerprint.
    Agent {
        /// The path of the agent's socket, if there is an agent.
        socket: Option<String>,
        /// The fingerprint.
        fingerprint: Fingerprint,
    },
}

impl SshKey {
    /// The key of the SSH agent that the environment names.
    pub fn of_agent(context: &Context, fingerprint: Fingerprint) -> Self {
        let socket = context.env().filled("SSH_AUTH_SOCK");
        Self::Agent {
            socket,
            fingerprint,
        }
    }

    /// Where the key is, for people.
    pub fn source(&self) -> &'static str {
        match self {
            Self::File { .. } => "key file",
            Self::Agent { .. } => "SSH agent",
        }
    }

    /// Signs `data` for `provider`.
    ///
    /// # Errors
    ///
    /// There is no agent, no such key, or the key can't be used.
    pub async fn sign(
        &self,
        provider: &'static str,
        data: &[u8],
        call: &Call,
    ) -> Result<Signature, CredentialError> {
        let signed = match self {
            Self::File { path, md5 } => Self::sign_with_file(path, md5, data).await,
            Self::Agent {
                socket: Some(socket),
                fingerprint,
            } => {
                let signing = agent::sign(socket, fingerprint, data);
                let signed = tokio::time::timeout(call.remaining(), signing).await;
                signed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            Self::Agent { socket: None, .. } => {
                let report =
                    SourceReport::not_configured(self.source(), "`SSH_AUTH_SOCK` isn't set");
                let hint = "start an SSH agent that holds the key, or give a key file";
                return Err(CredentialError::new(provider, vec![report]).with_hint(hint));
            }
        };
        signed.map_err(|error| {
            let report = SourceReport::failed(self.source(), error);
            let hint =
                "check the fingerprint and the key; `ssh-add -l -E md5` lists the agent's keys";
            CredentialError::new(provider, vec![report]).with_hint(hint)
        })
    }

    async fn sign_with_file(path: &str, md5: &str, data: &[u8]) -> io::Result<Signature> {
        let unusable = |reason: &str| {
            let text = format!(
                "{reason}; `ssh-keygen -p -m pkcs8 -N '' -f FILE` converts a key of OpenSSH's format"
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let pem = read_text(path, MAX_SECRET_FILE).await?;
        let key = PrivateKey::from_pem(&pem).map_err(unusable)?;
        let (algorithm, bytes) = key.sign(data).map_err(unusable)?;
        Ok(Signature {
            algorithm,
            bytes,
            key: md5.to_owned(),
        })
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
