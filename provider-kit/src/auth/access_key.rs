//! Requests signed with an access key: one that is given, or one that a chain of sources gives.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::credential::{Chain, CredentialSource, Expiring, TokenCache};
use cloud_autojoin_core::error::{SourceOutcome, SourceReport};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, CredentialError, Result, Secret};
use http::header::{AUTHORIZATION, InvalidHeaderValue};
use serde::Deserialize;

use super::{InstanceRole, PrivateKey};

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
    /// [`Error::Credential`](cloud_autojoin_core::Error::Credential) with every source that was tried.
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

    use cloud_autojoin_core::Clock;
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
