//! A chain of credential sources, tried in order until one is configured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::AccessToken;
use crate::call::Call;
use crate::error::{CredentialError, SourceOutcome, SourceReport};

/// One source of credentials: a client secret, the managed identity, the cloud's own command.
///
/// It returns bearer tokens, or other temporary credentials, such as the access keys of a cloud
/// that signs requests.
#[async_trait]
pub trait CredentialSource<T = AccessToken>: fmt::Debug + Send + Sync {
    /// Its display name, in the cloud's terms: `managed identity`.
    fn name(&self) -> &'static str;

    /// The identity of its token, for display and without secrets, by default the name:
    /// `managed identity of this machine`.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Requests a token for `scope` (`https://api.example/.default`).
    ///
    /// # Errors
    ///
    /// [`SourceOutcome::NotConfigured`], with the reason: the chain continues.
    /// [`SourceOutcome::Unreachable`] when its service didn't respond: the chain continues, and if
    /// no source has a credential the error is transient. [`SourceOutcome::Failed`] (`?` converts
    /// an [`Error`](crate::Error)) when the source is configured and failed: the chain stops, since
    /// the operator wants this source.
    async fn token(&self, scope: &str, call: &Call) -> Result<T, SourceOutcome>;
}

/// A shared source.
#[async_trait]
impl<T: 'static, S: CredentialSource<T> + ?Sized> CredentialSource<T> for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn identity(&self) -> String {
        (**self).identity()
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<T, SourceOutcome> {
        (**self).token(scope, call).await
    }
}

/// No source selected yet.
const NONE: usize = usize::MAX;

/// Sources in order. The first that returns a token is used from then on.
#[derive(Debug)]
pub struct Chain<T = AccessToken> {
    provider: &'static str,
    sources: Vec<Box<dyn CredentialSource<T>>>,
    hint: Option<String>,
    chosen: AtomicUsize,
}

impl<T> Chain<T> {
    /// The chain of `provider`, in the order in which its sources are tried.
    pub fn new(provider: &'static str, sources: Vec<Box<dyn CredentialSource<T>>>) -> Self {
        Self {
            provider,
            sources,
            hint: None,
            chosen: AtomicUsize::new(NONE),
        }
    }

    /// The same chain with a hint for the case that no source is configured.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The name of the source of the last token.
    pub fn chosen(&self) -> Option<&'static str> {
        self.sources
            .get(self.chosen.load(Ordering::Relaxed))
            .map(|source| source.name())
    }

    /// The identity of the last token.
    pub fn identity(&self) -> Option<String> {
        self.sources
            .get(self.chosen.load(Ordering::Relaxed))
            .map(|source| source.identity())
    }

    /// Requests a token for `scope` from the source that returned the previous one, otherwise from
    /// each in order.
    ///
    /// # Errors
    ///
    /// With a report of every source that was tried: one is configured and failed (the last of the
    /// reports), or none is configured.
    pub async fn token(&self, scope: &str, call: &Call) -> Result<T, CredentialError> {
        let mut reports = Vec::new();
        let chosen = self.chosen.load(Ordering::Relaxed);
        if let Some(source) = self.sources.get(chosen) {
            match source.token(scope, call).await {
                Ok(token) => return Ok(token),
                // Its configuration was removed: start again from the first source.
                Err(SourceOutcome::NotConfigured(_) | SourceOutcome::Unreachable(_)) => {
                    _ = self.chosen.compare_exchange(
                        chosen,
                        NONE,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    )
                }
                Err(outcome) => {
                    return Err(self.failed(vec![SourceReport {
                        source: source.name(),
                        outcome,
                    }]));
                }
            }
        }
        for (index, source) in self.sources.iter().enumerate() {
            match source.token(scope, call).await {
                Ok(token) => {
                    self.chosen.store(index, Ordering::Relaxed);
                    return Ok(token);
                }
                Err(outcome) => {
                    let stop = matches!(outcome, SourceOutcome::Failed(_));
                    tracing::debug!(source = source.name(), stop, "no token");
                    reports.push(SourceReport {
                        source: source.name(),
                        outcome,
                    });
                    if stop {
                        return Err(self.failed(reports));
                    }
                }
            }
        }
        let error = self.failed(reports);
        Err(match &self.hint {
            Some(hint) => error.with_hint(hint.clone()),
            None => error,
        })
    }

    fn failed(&self, reports: Vec<SourceReport>) -> CredentialError {
        CredentialError::new(self.provider, reports)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::error::Error as _;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::error::{ApiError, Error};
    use crate::secret::Secret;

    type Results = Arc<Mutex<Vec<Result<&'static str, SourceOutcome>>>>;

    /// Gives its results one after the other; one request too many fails the test.
    #[derive(Debug)]
    struct Scripted(&'static str, Results);

    #[async_trait]
    impl CredentialSource for Scripted {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn token(&self, _scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
            let result = self.1.lock().unwrap().remove(0);
            result.map(|text| {
                AccessToken::new(
                    Secret::new(text),
                    call.clock().wall() + Duration::from_secs(3600),
                )
            })
        }
    }

    fn source(
        name: &'static str,
        results: Vec<Result<&'static str, SourceOutcome>>,
    ) -> Box<dyn CredentialSource> {
        Box::new(Scripted(name, Arc::new(Mutex::new(results))))
    }

    fn absent(reason: &str) -> Result<&'static str, SourceOutcome> {
        Err(SourceOutcome::NotConfigured(reason.to_owned()))
    }

    fn refused() -> Result<&'static str, SourceOutcome> {
        let error = ApiError::new("azure", "get a token", 429)
            .with_code(Some("invalid_client".to_owned()))
            .with_retry_after(Some(Duration::from_secs(7)));
        Err(Error::from(error).into())
    }

    fn refused_for_good() -> Result<&'static str, SourceOutcome> {
        Err(Error::from(ApiError::new("azure", "get a token", 401)).into())
    }

    async fn fetch(chain: &Chain) -> Result<String, CredentialError> {
        let call = Call::new(&Clock::system(), Duration::from_secs(60));
        chain
            .token("scope", &call)
            .await
            .map(|token| token.secret().expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_configured_source_is_used_from_then_on() {
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![absent("no file")]),
                source("b", vec![Ok("1"), Ok("2")]),
                source("c", vec![]),
            ],
        );
        assert_eq!(chain.chosen(), None);
        assert_eq!(
            (fetch(&chain).await.unwrap(), fetch(&chain).await.unwrap()),
            ("1".to_owned(), "2".to_owned())
        );
        assert_eq!(chain.chosen(), Some("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_configured_source_that_fails_stops_the_chain_and_is_the_cause() {
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![absent("no file")]),
                source("b", vec![refused()]),
                source("c", vec![]),
            ],
        )
        .with_hint("log in");
        let error = fetch(&chain).await.unwrap_err();
        assert_eq!(error.to_string(), "the credential `b` failed");
        assert_eq!(
            error.source().unwrap().to_string(),
            "cannot get a token: status 429 `invalid_client`"
        );
        assert_eq!(
            error
                .reports()
                .iter()
                .map(|report| report.source)
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(error.is_transient());
        assert_eq!(
            (error.retry_after(), error.hint().as_deref()),
            (
                Some(Duration::from_secs(7)),
                Some("throttled: retry in 7 s")
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_source_at_all_is_an_error_with_every_reason_and_the_hint() {
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![absent("no file")]),
                source("b", vec![absent("no response")]),
            ],
        )
        .with_hint("log in");
        let error = fetch(&chain).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no credential found: a: no file; b: no response"
        );
        assert_eq!(
            (error.is_transient(), error.hint().as_deref()),
            (false, Some("log in"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_source_makes_the_error_transient_and_is_tried_in_each_call() {
        let unreachable = || Err(SourceOutcome::Unreachable("no service".to_owned()));
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![unreachable(), unreachable(), Ok("late")]),
                source("b", vec![absent("no program"), refused_for_good()]),
            ],
        )
        .with_hint("log in");
        let error = fetch(&chain).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no credential found: a: no service; b: no program"
        );
        assert_eq!(
            (error.is_transient(), error.hint().as_deref()),
            (true, Some("log in"))
        );
        // The next source failed for good, and the first may still turn up.
        assert!(fetch(&chain).await.unwrap_err().is_transient());
        assert_eq!(fetch(&chain).await.unwrap(), "late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_chosen_source_that_is_gone_makes_the_chain_look_afresh() {
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![absent("no file"), Ok("late")]),
                source("b", vec![Ok("1"), absent("gone")]),
            ],
        );
        assert_eq!(fetch(&chain).await.unwrap(), "1");
        assert_eq!(fetch(&chain).await.unwrap(), "late");
        assert_eq!(chain.chosen(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_chosen_source_that_fails_is_not_replaced_by_another() {
        let chain = Chain::new(
            "azure",
            vec![
                source("a", vec![Ok("1"), refused(), Ok("2")]),
                source("b", vec![]),
            ],
        );
        assert_eq!(fetch(&chain).await.unwrap(), "1");
        assert_eq!(
            fetch(&chain).await.unwrap_err().to_string(),
            "the credential `a` failed"
        );
        assert_eq!(fetch(&chain).await.unwrap(), "2");
    }
}
