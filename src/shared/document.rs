//! The object in the store: the lease, the result, and a signature.

use std::fmt;

use bytes::Bytes;
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::result_file::{Entry, Scope};

const VERSION: u32 = 1;

/// The shortest key: a shorter one could be guessed.
const MIN_KEY_BYTES: usize = 16;

/// The lease and the result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    /// What all members look for, without secrets.
    pub(super) identity: String,
    /// Counts the leases.
    pub(super) term: u64,
    /// The member that has the lease.
    pub(super) holder: String,
    /// Counts the results.
    pub(super) sequence: u64,
    /// When the lease was taken or the result published, by the holder's clock.
    pub(super) renewed: String,
    /// When the cloud confirmed the addresses, by the holder's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confirmed: Option<String>,
    /// Where the addresses were found.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub(super) scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) addresses: Vec<Entry>,
}

/// What is stored. The document is a text, since the signature is of its very bytes.
#[derive(Serialize, Deserialize)]
struct Envelope {
    version: u32,
    document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// Why an object isn't used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is worth nothing to anyone; the next leader replaces it.
    Damaged(String),
    /// It may be good for others; this member's configuration differs from theirs, or someone
    /// forged it. Replacing it would start a fight.
    Foreign(String),
}

impl Document {
    /// Reads an object.
    pub(super) fn parse(contents: &[u8], key: Option<&SharedKey>) -> Result<Self, Refusal> {
        let damaged = |error: serde_json::Error| Refusal::Damaged(error.to_string());
        let envelope: Envelope = serde_json::from_slice(contents).map_err(damaged)?;
        if envelope.version != VERSION {
            let version = envelope.version;
            return Err(Refusal::Foreign(format!(
                "its version is {version}, not {VERSION}"
            )));
        }
        let text = envelope.document;
        if let Some(key) = key {
            let signature = envelope.signature.as_deref().map(decode);
            let is_valid = signature
                .flatten()
                .is_some_and(|tag| hmac::verify(&key.0, text.as_bytes(), &tag).is_ok());
            if !is_valid {
                return Err(Refusal::Foreign("it isn't signed with this key".to_owned()));
            }
        }
        serde_json::from_str(&text).map_err(damaged)
    }

    /// The object.
    pub(super) fn to_bytes(&self, key: Option<&SharedKey>) -> Result<Bytes, StoreError> {
        let failed = |error: serde_json::Error| StoreError::new(error.to_string());
        let text = serde_json::to_string(self).map_err(failed)?;
        let signature = key.map(|key| encode(hmac::sign(&key.0, text.as_bytes()).as_ref()));
        let envelope = Envelope {
            version: VERSION,
            document: text,
            signature,
        };
        serde_json::to_vec(&envelope)
            .map(Bytes::from)
            .map_err(failed)
    }
}

/// The key by which members sign results. `Debug` doesn't show it.
#[derive(Clone)]
pub struct SharedKey(hmac::Key);

impl SharedKey {
    /// The key in a file, without blanks and line ends around it.
    ///
    /// # Errors
    ///
    /// It is too short to be a key.
    pub fn new(text: &[u8]) -> Result<Self, StoreError> {
        let text = text.trim_ascii();
        if text.len() < MIN_KEY_BYTES {
            return Err(StoreError::new(format!(
                "the key has {} of at least {MIN_KEY_BYTES} bytes",
                text.len()
            )));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, text)))
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        let tag = hmac::sign(&self.0, b"equal");
        hmac::verify(&other.0, b"equal", tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

/// The name of the object of a query.
pub(super) fn name_of(identity: &str) -> String {
    let hash = digest::digest(&digest::SHA256, identity.as_bytes());
    format!("discover-{}.json", encode(&hash.as_ref()[..16]))
}

/// The hash of contents, as the version of a store that has none of its own.
pub(super) fn hash(contents: &[u8]) -> String {
    encode(digest::digest(&digest::SHA256, contents).as_ref())
}

fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
