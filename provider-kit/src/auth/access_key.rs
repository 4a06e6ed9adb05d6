//! Requests signed with an access key: one that is given, or one of the instance's role.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::credential::{AccessToken, Chain, Source, TokenCache};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, DecodeError, Result, Secret};
use http::header::AUTHORIZATION;

use super::InstanceRole;

/// An access key: long-lived, or temporary with a session token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id, `AKIA...` or `ASIA...`.
    pub id: String,
    /// The secret that signs.
    pub secret: Secret,
    /// The token of a temporary key.
    pub session_token: Option<Secret>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

impl AccessKey {
    /// The key as what a [`Source`] gives.
    pub fn into_access_token(self, expires_at: SystemTime) -> AccessToken {
        let token = self.session_token.as_ref().map(Secret::expose);
        let packed =
            serde_json::to_string(&(&self.id, self.secret.expose(), token)).unwrap_or_default();
        AccessToken::new(Secret::new(packed), expires_at)
    }

    fn of_access_token(token: &AccessToken) -> Option<Self> {
        let (id, secret, token): (String, String, Option<String>) =
            serde_json::from_str(token.secret().expose()).ok()?;
        Some(Self {
            id,
            secret: Secret::new(secret),
            session_token: token.map(Secret::new),
        })
    }
}

impl AccessKey {
    /// The key that these keys of the join string or the environment give; one half without the
    /// other is a problem.
    pub fn from_options(
        options: &mut Options<'_>,
        id: &KeySpec,
        secret: &KeySpec,
        session_token: &KeySpec,
    ) -> Option<Self> {
        let token = options.secret(session_token);
        match (options.text(id), options.secret(secret)) {
            (Some(id), Some(secret)) => {
                return Some(Self {
                    id,
                    secret,
                    session_token: token,
                });
            }
            (Some(_), None) => {
                options.add_missing(secret, Some(&format!("`{}` is given", id.name)))
            }
            (None, Some(_)) => {
                options.add_missing(id, Some(&format!("`{}` is given", secret.name)))
            }
            (None, None) => {}
        }
        None
    }
}

/// The access key of the join string or the environment, as the first source of a chain.
#[derive(Debug)]
pub struct GivenKey {
    key: Option<AccessKey>,
    missing: String,
}

impl GivenKey {
    const NAME: &'static str = "access key";

    /// The key, or what to say of its absence: `` `access_key_id` isn't set ``.
    pub fn new(key: Option<AccessKey>, missing: impl Into<String>) -> Self {
        Self {
            key,
            missing: missing.into(),
        }
    }
}

#[async_trait]
impl Source for GivenKey {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let key = self
            .key
            .clone()
            .ok_or_else(|| SourceOutcome::NotConfigured(self.missing.clone()))?;
        Ok(key.into_access_token(call.clock().wall() + DAY))
    }
}

/// Signs a request in place, at this time.
pub type SignRequest = fn(&mut Request, &AccessKey, SystemTime);

/// Signs every attempt with the access key that a [`Chain`] of credential sources gives.
///
/// A temporary key is requested once for all callers and renewed before it expires.
pub struct SigningAuthorizer {
    provider: &'static str,
    chain: Chain,
    cache: TokenCache,
    sign: SignRequest,
    used: Mutex<Option<(AccessToken, String)>>,
}

impl SigningAuthorizer {
    /// Signs by `sign` with the access key that the keys `id`, `secret` and `session_token` give,
    /// else with that of the instance's role, which needs `permission`.
    pub fn of_key_or_role(
        options: &mut Options<'_>,
        [id, secret, session_token]: [&KeySpec; 3],
        role: InstanceRole,
        permission: &str,
        sign: SignRequest,
    ) -> Arc<Self> {
        let (provider, keys) = (
            role.provider(),
            format!("`{}` and `{}`", id.name, secret.name),
        );
        let key = AccessKey::from_options(options, id, secret, session_token);
        let given = GivenKey::new(key, format!("{keys} aren't set"));
        let hint =
            format!("set {keys}, or attach a role with the action `{permission}` to the instance");
        let chain = Chain::new(provider, vec![Box::new(given), Box::new(role)]).with_hint(hint);
        Arc::new(Self::new(provider, chain, sign))
    }

    /// Signs by `sign` with the keys of `chain`.
    pub fn new(provider: &'static str, chain: Chain, sign: SignRequest) -> Self {
        Self {
            provider,
            chain,
            cache: TokenCache::new(),
            sign,
            used: Mutex::default(),
        }
    }
}

#[async_trait]
impl Authorizer for SigningAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let token = self
            .cache
            .token("", call, async |call| self.chain.token("", &call).await)
            .await?;
        let Some(key) = AccessKey::of_access_token(&token) else {
            return Err(DecodeError::new(
                self.provider,
                "get an access key",
                "the source gave no access key",
            )
            .into());
        };
        (self.sign)(request, &key, call.clock().wall());
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some((token, key.id));
        Ok(())
    }

    async fn refresh(&self, refused: &Request) -> bool {
        // The id of the key is in the query or in the header. Another key may be in use by now.
        let is_of = |id: &str| {
            let header = refused
                .headers()
                .get(AUTHORIZATION)
                .and_then(|value| value.to_str().ok());
            header.is_some_and(|text| text.contains(id))
                || refused.url().query_pairs().any(|(_, value)| value == id)
        };
        if let Some((token, _)) = self
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|(_, id)| is_of(id))
        {
            self.cache.invalidate(token);
        }
        self.chain.chosen() != Some(GivenKey::NAME)
    }

    fn identity(&self) -> Option<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Some(format!("{} `{}`", self.chain.chosen()?, used.as_ref()?.1))
    }
}

impl fmt::Debug for SigningAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningAuthorizer")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use cloud_autojoin_core::Clock;
    use http::header::HeaderValue;

    use super::*;

    /// Numbers its keys.
    #[derive(Debug, Default)]
    struct Numbered(AtomicU32);

    #[async_trait]
    impl Source for Numbered {
        fn name(&self) -> &'static str {
            "role"
        }

        async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
            let id = format!("ID{}", self.0.fetch_add(1, Ordering::Relaxed));
            let key = AccessKey {
                id,
                secret: Secret::new("s"),
                session_token: Some(Secret::new("t\"")),
            };
            Ok(key.into_access_token(call.clock().wall() + Duration::from_secs(3600)))
        }
    }

    fn sign(request: &mut Request, key: &AccessKey, _: SystemTime) {
        let text = format!(
            "{}:{}:{}",
            key.id,
            key.secret.expose(),
            key.session_token.as_ref().map_or("", Secret::expose)
        );
        request.set_header(AUTHORIZATION, HeaderValue::from_str(&text).unwrap());
    }

    fn authorizer(key: Option<AccessKey>) -> SigningAuthorizer {
        let sources: Vec<Box<dyn Source>> = vec![
            Box::new(GivenKey::new(key, "`key` isn't set")),
            Box::new(Numbered::default()),
        ];
        SigningAuthorizer::new("example", Chain::new("example", sources), sign)
    }

    async fn signed(authorizer: &SigningAuthorizer) -> String {
        sent(authorizer).await.headers()[AUTHORIZATION]
            .to_str()
            .unwrap()
            .to_owned()
    }

    async fn sent(authorizer: &SigningAuthorizer) -> Request {
        let call = Call::new(&Clock::system(), Duration::from_secs(60));
        let mut request = Request::get("list", "https://api.example/".parse().unwrap());
        authorizer.authorize(&mut request, &call).await.unwrap();
        request
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_given_is_used_and_never_changes() {
        let authorizer = authorizer(Some(AccessKey {
            id: "AK".into(),
            secret: Secret::new("s"),
            session_token: None,
        }));
        assert_eq!(signed(&authorizer).await, "AK:s:");
        assert_eq!(
            (
                authorizer.refresh(&sent(&authorizer).await).await,
                authorizer.identity().as_deref()
            ),
            (false, Some("access key `AK`"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_key_is_kept_until_the_service_refuses_it() {
        let authorizer = authorizer(None);
        assert_eq!(
            (signed(&authorizer).await, signed(&authorizer).await),
            ("ID0:s:t\"".to_owned(), "ID0:s:t\"".to_owned())
        );
        let refused = sent(&authorizer).await;
        for _ in 0..2 {
            // The key that has replaced the refused one is kept.
            assert!(authorizer.refresh(&refused).await);
            assert_eq!(signed(&authorizer).await, "ID1:s:t\"");
        }
        assert_eq!(authorizer.identity().as_deref(), Some("role `ID1`"));
        assert!(!format!("{authorizer:?}").contains("s:t"));
    }
}
