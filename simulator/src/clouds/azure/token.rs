//! Access tokens: issued by Entra ID and the metadata service, checked by ARM.
//!
//! A token has the form of a JWT (the Azure CLI and MSAL read `tid`, `oid`, `exp` from it), but its
//! signature isn't valid: the simulator recognises its own tokens by their text. Expiry follows
//! tokio's clock.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::time::Instant;

use crate::engine::clock::Clock;

/// The principal and the audience of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) object_id: String,
    /// The audience of the token, as the client wrote it.
    pub(crate) audience: String,
}

/// An issued token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires_in: u64,
    /// In unix seconds.
    pub(crate) expires_on: u64,
    /// In unix seconds.
    pub(crate) not_before: u64,
}

/// Why a token is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenRejection {
    /// This simulator didn't issue it.
    Unknown,
    /// It expired at this time (unix seconds).
    Expired { since: u64, now: u64 },
}

/// All tokens issued.
#[derive(Debug)]
pub(crate) struct Tokens {
    clock: Clock,
    random: RandomState,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    issued: HashMap<String, Issued>,
    count: u64,
    /// The lifetime, instead of each service's default.
    lifetime: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Issued {
    grant: Grant,
    expires: Instant,
    expires_on: u64,
}

impl Tokens {
    /// No tokens yet.
    pub(crate) fn new(clock: Clock) -> Self {
        let inner = Inner {
            issued: HashMap::new(),
            count: 0,
            lifetime: None,
        };
        Self {
            clock,
            random: RandomState::new(),
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the lifetime of tokens issued from now on by any service.
    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        self.lock().lifetime = Some(lifetime);
    }

    /// A unique identifier in the form of a GUID, random enough to distinguish two simulators.
    pub(crate) fn fresh_guid(&self) -> String {
        let mut inner = self.lock();
        inner.count += 1;
        let (high, low) = (
            self.random.hash_one((inner.count, "high")),
            self.random.hash_one((inner.count, "low")),
        );
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// Issues a token with this lifetime in seconds, unless [`Tokens::set_lifetime`] overrides it.
    pub(crate) fn issue(&self, grant: Grant, issuer: &str, seconds: u64) -> Token {
        let unique = self.fresh_guid();
        let mut inner = self.lock();
        let lifetime = inner
            .lifetime
            .unwrap_or_else(|| Duration::from_secs(seconds));
        let now = self.clock.unix_seconds();
        let expires_on = now + lifetime.as_secs();
        let claims = json!({
            "aud": grant.audience, "iss": issuer, "iat": now, "nbf": now, "exp": expires_on, "appid": grant.client_id, "appidacr": "1", "idtyp": "app",
            "oid": grant.object_id, "sub": grant.object_id, "tid": grant.tenant, "uti": unique, "ver": "1.0",
        });
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "simulator" });
        let signature: Vec<u8> = (0..4_u8)
            .flat_map(|part| self.random.hash_one((&unique, part)).to_be_bytes())
            .collect();
        let text = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(signature)
        );
        let issued = Issued {
            grant,
            expires: Instant::now() + lifetime,
            expires_on,
        };
        inner.issued.insert(text.clone(), issued);
        Token {
            text,
            expires_in: lifetime.as_secs(),
            expires_on,
            not_before: now,
        }
    }

    /// The principal of a valid token.
    pub(crate) fn check(&self, token: &str) -> Result<Grant, TokenRejection> {
        let inner = self.lock();
        let issued = inner.issued.get(token).ok_or(TokenRejection::Unknown)?;
        if issued.expires <= Instant::now() {
            return Err(TokenRejection::Expired {
                since: issued.expires_on,
                now: self.clock.unix_seconds(),
            });
        }
        Ok(issued.grant.clone())
    }

    /// Expires every token issued so far.
    pub(crate) fn expire_all(&self) {
        let now = Instant::now();
        let seconds = self.clock.unix_seconds();
        for issued in self.lock().issued.values_mut() {
            issued.expires = now;
            issued.expires_on = seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn grant() -> Grant {
        Grant {
            tenant: "t".to_owned(),
            client_id: "c".to_owned(),
            object_id: "o".to_owned(),
            audience: "https://management.azure.com".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_expires_by_tokios_clock() {
        let tokens = Tokens::new(Clock::start());
        tokens.set_lifetime(Duration::from_secs(60));
        let token = tokens.issue(grant(), "https://issuer", 3599);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(tokens.check(&token.text), Ok(grant()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(
            matches!(tokens.check(&token.text), Err(TokenRejection::Expired { since, now }) if since == token.expires_on && now >= since)
        );
    }

    #[tokio::test]
    async fn no_two_tokens_are_equal_and_one_of_another_simulator_is_unknown() {
        let (here, elsewhere) = (Tokens::new(Clock::start()), Tokens::new(Clock::start()));
        let (first, second) = (here.issue(grant(), "i", 9), here.issue(grant(), "i", 9));
        assert_ne!(first.text, second.text);
        assert_eq!(elsewhere.check(&first.text), Err(TokenRejection::Unknown));
        here.expire_all();
        assert!(matches!(
            here.check(&first.text),
            Err(TokenRejection::Expired { .. })
        ));
    }

    #[tokio::test]
    async fn a_token_reads_as_a_jwt() {
        let tokens = Tokens::new(Clock::start());
        let token = tokens.issue(grant(), "https://sts.windows.net/t/", 9);
        let parts: Vec<&str> = token.text.split('.').collect();
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(
            (&claims["tid"], &claims["oid"], &claims["appid"]),
            (&json!("t"), &json!("o"), &json!("c"))
        );
        assert_eq!(claims["exp"].as_u64(), Some(token.expires_on));
    }
}
