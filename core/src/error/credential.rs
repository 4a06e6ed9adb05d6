//! Credential errors: no source has a credential, or the configured one failed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Error;

/// The result of one credential source. Clones share the cause, because callers that waited for the
/// same token request share its error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SourceOutcome {
    /// The source isn't configured, for the given reason (`API_TOKEN is not set`); the next one was
    /// tried.
    NotConfigured(String),
    /// The source was unreachable, for the given reason; the next one was tried. It may be
    /// available later, as the metadata service of a machine that is starting.
    Unreachable(String),
    /// The source is configured and failed: the chain stops here.
    Failed(Arc<dyn std::error::Error + Send + Sync + 'static>),
}

impl SourceOutcome {
    /// The source is configured and failed.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> Self {
        Self::Failed(cause.into().into())
    }
}

impl From<Error> for SourceOutcome {
    fn from(cause: Error) -> Self {
        Self::failed(cause)
    }
}

/// One credential source and its result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SourceReport {
    /// The name of the source in the cloud's terms: `managed identity`.
    pub source: &'static str,
    /// The result.
    pub outcome: SourceOutcome,
}

impl SourceReport {
    /// A source that isn't configured, with the reason.
    pub fn not_configured(source: &'static str, reason: impl Into<String>) -> Self {
        Self {
            source,
            outcome: SourceOutcome::NotConfigured(reason.into()),
        }
    }

    /// A source that is configured and failed.
    pub fn failed(
        source: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Self {
            source,
            outcome: SourceOutcome::failed(cause),
        }
    }
}

/// No credential: every source that was tried, in order, with its outcome.
///
/// When a configured source failed it is the last of the list and the `source()` of this error;
/// when all were absent the message lists each with its reason.
#[derive(Debug, Clone)]
pub struct CredentialError {
    provider: &'static str,
    reports: Vec<SourceReport>,
    hint: Option<String>,
}

impl CredentialError {
    /// The error for the sources that were tried, in order.
    pub fn new(provider: &'static str, reports: Vec<SourceReport>) -> Self {
        Self {
            provider,
            reports,
            hint: None,
        }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The provider.
    pub fn provider(&self) -> &str {
        self.provider
    }

    /// The sources that were tried, in order.
    pub fn reports(&self) -> &[SourceReport] {
        &self.reports
    }

    fn failed(
        &self,
    ) -> Option<(
        &'static str,
        &(dyn std::error::Error + Send + Sync + 'static),
    )> {
        self.reports
            .iter()
            .find_map(|report| match &report.outcome {
                SourceOutcome::Failed(cause) => Some((report.source, cause.as_ref())),
                SourceOutcome::NotConfigured(_) | SourceOutcome::Unreachable(_) => None,
            })
    }

    fn cause(&self) -> Option<&Error> {
        self.failed()
            .and_then(|(_, cause)| cause.downcast_ref::<Error>())
    }

    /// Whether a retry may succeed: the failed source had a transient error, or a source was
    /// unreachable. If no source is configured, a retry doesn't help.
    pub fn is_transient(&self) -> bool {
        self.has_unreachable_source() || self.cause().is_some_and(Error::is_transient)
    }

    /// Whether a source was unreachable.
    pub fn has_unreachable_source(&self) -> bool {
        self.reports
            .iter()
            .any(|report| matches!(report.outcome, SourceOutcome::Unreachable(_)))
    }

    /// The wait that the identity service requests.
    pub fn retry_after(&self) -> Option<Duration> {
        self.cause().and_then(Error::retry_after)
    }

    /// What to do next.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        self.hint
            .as_deref()
            .map(Cow::Borrowed)
            .or_else(|| self.cause().and_then(Error::hint))
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((source, _)) = self.failed() {
            return write!(f, "the credential `{source}` failed");
        }
        f.write_str("no credential found: ")?;
        for (index, report) in self.reports.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            if let SourceOutcome::NotConfigured(reason) | SourceOutcome::Unreachable(reason) =
                &report.outcome
            {
                write!(f, "{}: {reason}", report.source)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for CredentialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failed()
            .map(|(_, cause)| cause as &(dyn std::error::Error + 'static))
    }
}
