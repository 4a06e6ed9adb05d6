//! An access token of a chain of credential sources, renewed before it expires.

use std::fmt;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Chain, TokenCache};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, DecodeError, Result};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// Sends the access token of a [`Chain`] of credential sources, as `Authorization: Bearer ...` or
/// in another header.
///
/// A token is requested once for all callers and renewed before it expires ([`TokenCache`]). One
/// that the service rejects is dropped, and the chain is tried once more.
pub struct BearerAuthorizer {
    provider: &'static str,
    chain: Chain,
    cache: TokenCache,
    scope: String,
    header: Option<HeaderName>,
}

impl BearerAuthorizer {
    /// Tokens of `chain` for `scope` (`https://api.example/auth/compute.readonly`; empty for a
    /// service without scopes).
    pub fn new(provider: &'static str, chain: Chain, scope: impl Into<String>) -> Self {
        Self {
            provider,
            chain,
            cache: TokenCache::new(),
            scope: scope.into(),
            header: None,
        }
    }

    /// Sends the token alone in this header, as `X-Auth-Token: TOKEN`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName) -> Self {
        self.header = Some(name);
        self
    }

    /// The cached token, or one of the chain, whose requests are recorded in `call`.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](cloud_autojoin_core::Error::Credential) with every source that was
    /// tried.
    pub async fn token(&self, call: &Call) -> Result<AccessToken> {
        self.cache
            .token(&self.scope, call, async |call| {
                self.chain.token(&self.scope, &call).await
            })
            .await
    }
}

#[async_trait]
impl Authorizer for BearerAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let token = self.token(call).await?;
        let text = token.secret().expose();
        let value = if self.header.is_some() {
            HeaderValue::from_str(text)
        } else {
            HeaderValue::from_str(&format!("Bearer {text}"))
        };
        let Ok(mut value) = value else {
            return Err(DecodeError::new(
                self.provider,
                "get a token",
                "it holds characters that a token can't have",
            )
            .into());
        };
        value.set_sensitive(true);
        request.set_header(self.header.clone().unwrap_or(AUTHORIZATION), value);
        Ok(())
    }

    async fn refresh(&self, refused: &Request) -> bool {
        let header = self.header.as_ref().unwrap_or(&AUTHORIZATION);
        if let Some(text) = refused
            .headers()
            .get(header)
            .and_then(|value| value.to_str().ok())
        {
            let text = match &self.header {
                Some(_) => text,
                None => text.trim_start_matches("Bearer "),
            };
            self.cache
                .invalidate(|token| token.secret().expose() == text);
        }
        true
    }

    fn identity(&self) -> Option<String> {
        self.chain.identity()
    }
}

impl fmt::Debug for BearerAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthorizer")
            .field("chain", &self.chain)
            .field("scope", &self.scope)
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
    use cloud_autojoin_core::{Clock, Error, Secret};

    use super::*;

    /// Numbers its tokens.
    #[derive(Debug, Default)]
    struct Numbered(AtomicU32, &'static str);

    #[async_trait]
    impl CredentialSource for Numbered {
        fn name(&self) -> &'static str {
            "numbered"
        }

        async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
            let text = format!(
                "{scope}-{}{}",
                self.0.fetch_add(1, Ordering::Relaxed),
                self.1
            );
            Ok(AccessToken::new(
                Secret::new(text),
                call.clock().wall() + Duration::from_secs(3600),
            ))
        }
    }

    fn authorizer(end: &'static str) -> BearerAuthorizer {
        BearerAuthorizer::new(
            "example",
            Chain::new("example", vec![Box::new(Numbered(AtomicU32::new(1), end))]),
            "scope",
        )
    }

    async fn authorized(authorizer: &BearerAuthorizer) -> Result<Request> {
        let call = Call::new(&Clock::system(), Duration::from_secs(60));
        let mut request = Request::get("list", "https://api.example/".parse().unwrap());
        authorizer.authorize(&mut request, &call).await?;
        Ok(request)
    }

    async fn sent(authorizer: &BearerAuthorizer, header: &str) -> Result<String> {
        let request = authorized(authorizer).await?;
        let value = request.headers().get(header).unwrap();
        assert!(value.is_sensitive());
        Ok(value.to_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_sent_again_until_the_service_refuses_it() {
        let authorizer = authorizer("");
        assert_eq!(authorizer.identity(), None);
        for _ in 0..2 {
            assert_eq!(
                sent(&authorizer, "authorization").await.unwrap(),
                "Bearer scope-1"
            );
        }
        assert_eq!(authorizer.identity().as_deref(), Some("numbered"));
        let refused = authorized(&authorizer).await.unwrap();
        // Each of two requests at once is refused; the second refusal is no reason for a third
        // token.
        for _ in 0..2 {
            assert!(authorizer.refresh(&refused).await);
            assert_eq!(
                sent(&authorizer, "authorization").await.unwrap(),
                "Bearer scope-2"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_of_its_own_holds_the_token_alone() {
        let authorizer = authorizer("").with_header(HeaderName::from_static("x-auth-token"));
        assert_eq!(sent(&authorizer, "x-auth-token").await.unwrap(), "scope-1");
        assert!(
            authorizer
                .refresh(&authorized(&authorizer).await.unwrap())
                .await
        );
        assert_eq!(sent(&authorizer, "x-auth-token").await.unwrap(), "scope-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_no_header_can_hold_is_an_error_without_the_token() {
        let error = sent(&authorizer("\ncanary"), "authorization")
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Decode(_)));
        assert!(!format!("{error:?} {}", error.chain()).contains("canary"));
    }
}
