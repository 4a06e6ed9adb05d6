//! Requests signed with an access key of a chain of sources.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::credential::{Chain, TokenCache};
use cloud_autojoin_core::error::SourceReport;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, CredentialError, Result};
use http::header::{AUTHORIZATION, InvalidHeaderValue};

use super::{AccessKey, GivenKey, InstanceRole};

/// The keys of a [`Chain`]: requested once for all callers, and renewed before they end.
#[derive(Debug)]
pub struct AccessKeys {
    provider: &'static str,
    chain: Chain<AccessKey>,
    cache: TokenCache<AccessKey>,
}

impl AccessKeys {
    /// The keys that `chain` gives for `provider`.
    pub fn new(provider: &'static str, chain: Chain<AccessKey>) -> Arc<Self> {
        Arc::new(Self {
            provider,
            chain,
            cache: TokenCache::new(),
        })
    }

    /// The key at hand, or one of the chain. `scope` is passed on to its sources.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](cloud_autojoin_core::Error::Credential) with every source that was
    /// tried.
    pub async fn get(&self, scope: &str, call: &Call) -> Result<AccessKey> {
        self.cache
            .token(scope, call, async |call| {
                self.chain.token(scope, &call).await
            })
            .await
    }

    /// The key for `scope` that was given last, unless the service refused it.
    pub fn last(&self, scope: &str) -> Option<AccessKey> {
        self.cache.last(scope)
    }

    /// The source in use, once one gave a key.
    pub fn identity(&self) -> Option<String> {
        self.chain.identity()
    }
}

/// Signs a request in place, at this time.
///
/// # Errors
///
/// The key holds characters that no header can carry, such as a line break at its end.
pub type SignRequest =
    dyn Fn(&mut Request, &AccessKey, SystemTime) -> Result<(), InvalidHeaderValue> + Send + Sync;

/// Signs every attempt with the key at hand.
pub struct SigningAuthorizer {
    keys: Arc<AccessKeys>,
    scope: String,
    sign: Box<SignRequest>,
}

impl SigningAuthorizer {
    /// Signs by `sign` with the access key that the keys `id`, `secret` and `session_token` give,
    /// else with that of the instance's role, which needs `permission`.
    pub fn of_key_or_role(
        options: &mut Options<'_>,
        [id, secret, session_token]: [&KeySpec; 3],
        role: InstanceRole,
        permission: &str,
        sign: fn(&mut Request, &AccessKey, SystemTime) -> Result<(), InvalidHeaderValue>,
    ) -> Arc<Self> {
        let provider = role.provider();
        let keys = format!("`{}` and `{}`", id.name, secret.name);
        let key = AccessKey::from_options(options, id, secret, session_token);
        let given = GivenKey::new(key, format!("{keys} aren't set"));
        let hint =
            format!("set {keys}, or attach a role with the action `{permission}` to the instance");
        let chain = Chain::new(provider, vec![Box::new(given), Box::new(role)]).with_hint(hint);
        Self::new(AccessKeys::new(provider, chain), "", sign)
    }

    /// Signs by `sign` with the keys for `scope`.
    pub fn new(
        keys: Arc<AccessKeys>,
        scope: impl Into<String>,
        sign: impl Fn(&mut Request, &AccessKey, SystemTime) -> Result<(), InvalidHeaderValue>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            keys,
            scope: scope.into(),
            sign: Box::new(sign),
        })
    }

    /// The key that signs.
    ///
    /// # Errors
    ///
    /// As [`AccessKeys::get`].
    pub async fn key(&self, call: &Call) -> Result<AccessKey> {
        self.keys.get(&self.scope, call).await
    }

    /// The key that signed last ([`AccessKeys::last`]).
    pub fn last_key(&self) -> Option<AccessKey> {
        self.keys.last(&self.scope)
    }
}

#[async_trait]
impl Authorizer for SigningAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let key = self.key(call).await?;
        (self.sign)(request, &key, call.clock().wall()).map_err(|_| {
            let reason = "it holds characters that an access key can't have";
            let report = SourceReport::failed("access key", reason);
            CredentialError::new(self.keys.provider, vec![report])
                .with_hint("remove line breaks and control characters from it")
                .into()
        })
    }

    /// A key without an end is forgotten too, for the next call, but nothing new is to be had now.
    async fn refresh(&self, refused: &Request) -> bool {
        let header = refused.headers().get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        let mut is_replaceable = true;
        self.keys.cache.invalidate(|key| {
            // Its id is in the query or in the header. Another key may be in use by now.
            let is_refused = header.is_some_and(|text| text.contains(&key.id))
                || refused
                    .url()
                    .query_pairs()
                    .any(|(_, value)| value == key.id);
            is_replaceable &= !is_refused || key.expires_at.is_some();
            is_refused
        });
        is_replaceable
    }

    fn identity(&self) -> Option<String> {
        self.keys.identity()
    }
}

impl fmt::Debug for SigningAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningAuthorizer")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use cloud_autojoin_core::credential::CredentialSource;
    use cloud_autojoin_core::error::SourceOutcome;
    use cloud_autojoin_core::{Clock, Secret};
    use http::header::HeaderValue;

    use super::*;

    /// Numbers its keys.
    #[derive(Debug, Default)]
    struct Numbered(AtomicU32);

    #[async_trait]
    impl CredentialSource<AccessKey> for Numbered {
        fn name(&self) -> &'static str {
            "role"
        }

        async fn token(&self, _: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
            let id = format!("ID{}", self.0.fetch_add(1, Ordering::Relaxed));
            Ok(AccessKey {
                expires_at: Some(call.clock().wall() + Duration::from_secs(3600)),
                ..AccessKey::new(id, Secret::new("s"), Some(Secret::new("t")))
            })
        }
    }

    fn sign(
        request: &mut Request,
        key: &AccessKey,
        _: SystemTime,
    ) -> Result<(), InvalidHeaderValue> {
        let token = key.session_token.as_ref().map_or("", Secret::expose);
        let text = format!("{}:{}:{token}", key.id, key.secret.expose());
        request.set_header(AUTHORIZATION, HeaderValue::from_str(&text)?);
        Ok(())
    }

    fn authorizer(key: Option<AccessKey>) -> Arc<SigningAuthorizer> {
        let sources: Vec<Box<dyn CredentialSource<AccessKey>>> = vec![
            Box::new(GivenKey::new(key, "`key` isn't set")),
            Box::new(Numbered::default()),
        ];
        SigningAuthorizer::new(
            AccessKeys::new("example", Chain::new("example", sources)),
            "",
            sign,
        )
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
        let authorizer = authorizer(Some(AccessKey::new("AK", Secret::new("s"), None)));
        assert_eq!(signed(&authorizer).await, "AK:s:");
        assert_eq!(
            (
                authorizer.refresh(&sent(&authorizer).await).await,
                authorizer.identity().as_deref()
            ),
            (false, Some("access key"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_key_is_kept_until_the_service_refuses_it() {
        let authorizer = authorizer(None);
        assert_eq!(
            (signed(&authorizer).await, signed(&authorizer).await),
            ("ID0:s:t".to_owned(), "ID0:s:t".to_owned())
        );
        let refused = sent(&authorizer).await;
        for _ in 0..2 {
            // The key that has replaced the refused one is kept.
            assert!(authorizer.refresh(&refused).await);
            assert_eq!(signed(&authorizer).await, "ID1:s:t");
        }
        assert_eq!(authorizer.identity().as_deref(), Some("role"));
        assert!(!format!("{authorizer:?}").contains("s:t"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_no_header_can_carry_is_an_error_without_it() {
        let authorizer = authorizer(Some(AccessKey::new("AK", Secret::new("canary\n"), None)));
        let call = Call::new(&Clock::system(), Duration::from_secs(60));
        let mut request = Request::get("list", "https://api.example/".parse().unwrap());
        let error = authorizer.authorize(&mut request, &call).await.unwrap_err();
        let text = format!("{error:?} {}", error.chain());
        assert!(
            text.contains("characters") && !text.contains("canary"),
            "{text}"
        );
    }
}
