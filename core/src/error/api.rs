//! Errors from the cloud's API: a rejected or failed request, or an undocumented response.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::http::{BoxError, Response, ResponseClass, SentSecrets};

/// A response with an error status.
#[derive(Debug)]
pub struct ApiError {
    provider: &'static str,
    operation: String,
    status: u16,
    class: Option<ResponseClass>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: u32,
    elapsed: Duration,
    hint: Option<String>,
    missing_permission: Option<String>,
    transient: bool,
    sent_secrets: SentSecrets,
}

impl ApiError {
    /// The error for a response with `status` to `operation` (`list network interfaces`).
    pub fn new(provider: &'static str, operation: impl Into<String>, status: u16) -> Self {
        Self {
            provider,
            operation: operation.into(),
            status,
            class: None,
            code: None,
            message: None,
            request_id: None,
            retry_after: None,
            attempts: 1,
            elapsed: Duration::ZERO,
            hint: None,
            missing_permission: None,
            transient: false,
            sent_secrets: SentSecrets::default(),
        }
    }

    /// The error for `response`, with its class, wait and attempts. Code, message and request id
    /// don't show the secrets of the request.
    pub fn of_response(
        provider: &'static str,
        operation: impl Into<String>,
        response: &Response,
    ) -> Self {
        let mut error = Self::new(provider, operation, response.status.as_u16());
        error.class = Some(response.class);
        error.sent_secrets = response.sent_secrets.clone();
        error
            .with_retry_after(response.retry_after)
            .after(response.attempts, response.elapsed)
    }

    /// The cloud's error code, as `AuthorizationFailed`.
    #[must_use]
    pub fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code.and_then(|code| self.shown(&code));
        self
    }

    /// The cloud's error message, as one line of at most 1,000 characters.
    #[must_use]
    pub fn with_message(mut self, message: Option<String>) -> Self {
        self.message = message.and_then(|text| self.shown(&text));
        self
    }

    /// The request id, for the cloud's support.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id.and_then(|id| self.shown(&id));
        self
    }

    /// A text of the cloud as one line, without the secrets of the request; `None` if it is blank.
    fn shown(&self, text: &str) -> Option<String> {
        let line = one_line(&self.sent_secrets.mask(text));
        (!line.is_empty()).then_some(line)
    }

    /// The wait that the cloud requests.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The number of attempts and the time that they took.
    #[must_use]
    pub fn after(mut self, attempts: u32, elapsed: Duration) -> Self {
        (self.attempts, self.elapsed) = (attempts, elapsed);
        self
    }

    /// What to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The missing permission that caused the error (`compute.instances.list`).
    #[must_use]
    pub fn with_missing_permission(mut self, permission: impl Into<String>) -> Self {
        self.missing_permission = Some(permission.into());
        self
    }

    /// The same error, marked as transient although its status isn't, as 404 and 410 of a metadata
    /// service that is being updated.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// The provider.
    pub fn provider(&self) -> &str {
        self.provider
    }

    /// The operation that failed.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The cloud's error code.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The cloud's error message.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The request id, for the cloud's support.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The wait that the cloud requests.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The missing permission that caused the error.
    pub fn missing_permission(&self) -> Option<&str> {
        self.missing_permission.as_deref()
    }

    /// Whether the same request may succeed later: throttling, server errors, and errors that the
    /// provider marked as transient.
    pub fn is_transient(&self) -> bool {
        self.transient
            || self.class.map_or(
                matches!(self.status, 408 | 429 | 500..),
                ResponseClass::is_transient,
            )
    }

    /// The class of the response by its service's classifier, if any.
    pub fn class(&self) -> Option<ResponseClass> {
        self.class
    }

    /// What to do next.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        if let Some(hint) = &self.hint {
            return Some(Cow::Borrowed(hint));
        }
        if let Some(permission) = &self.missing_permission {
            return Some(Cow::Owned(format!(
                "grant the action `{permission}` to this identity; a new grant takes effect after some minutes"
            )));
        }
        let status = if self.class == Some(ResponseClass::Throttled) {
            429
        } else {
            self.status
        };
        match (status, self.retry_after) {
            (429, Some(wait)) => Some(Cow::Owned(format!(
                "throttled: retry in {} s",
                wait.as_secs_f64().ceil()
            ))),
            (429, None) => Some(Cow::Borrowed(
                "throttled: poll less often, and spread callers over time",
            )),
            (500.., Some(wait)) => Some(Cow::Owned(format!(
                "the service requests a retry in {} s",
                wait.as_secs_f64().ceil()
            ))),
            (500.., None) => Some(Cow::Borrowed("the service failed: retry later")),
            (401, _) => Some(Cow::Borrowed(
                "check the credential: the service rejected it",
            )),
            (403, _) => Some(Cow::Borrowed(
                "check the permissions of this identity, and any proxy: one of them refused",
            )),
            (407, _) => Some(Cow::Borrowed(
                "give the user and password of the proxy in its URL, as http://USER:PASSWORD@HOST:PORT",
            )),
            (..=399 | 404 | 405 | 410, _) if self.code.is_none() => Some(Cow::Borrowed(
                "this may not be the cloud's API: check the endpoint and any proxy",
            )),
            _ if self.code.is_none() && self.message.is_none() => Some(Cow::Borrowed(
                "the response gives no reason: `discover explain` shows the request",
            )),
            _ => None,
        }
    }
}

/// The text on one line, truncated.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 1000;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some((end, _)) = line.char_indices().nth(LONGEST) {
            line.truncate(end);
            line.push_str(" ...");
            break;
        }
    }
    line
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: status {}", self.operation, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " `{code}`")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if self.attempts > 1 {
            write!(
                f,
                " ({} attempts in {:.1} s)",
                self.attempts,
                self.elapsed.as_secs_f64()
            )?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, " [request id {request_id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// A successful response whose body isn't as documented.
#[derive(Debug)]
pub struct DecodeError {
    provider: &'static str,
    operation: String,
    detail: Option<String>,
    hint: Option<String>,
    cause: Option<BoxError>,
}

impl DecodeError {
    /// A body that isn't the expected JSON. The body itself isn't kept: it may contain a token.
    pub fn json(
        provider: &'static str,
        operation: impl Into<String>,
        cause: serde_json::Error,
    ) -> Self {
        Self {
            provider,
            operation: operation.into(),
            detail: None,
            hint: None,
            cause: Some(cause.into()),
        }
    }

    /// A body that its decoder rejected; `cause` must not show values of the body.
    pub fn of_body(provider: &'static str, operation: impl Into<String>, cause: BoxError) -> Self {
        Self {
            provider,
            operation: operation.into(),
            detail: None,
            hint: None,
            cause: Some(cause),
        }
    }

    /// A well-formed body with invalid content, as `interface without id`.
    pub fn new(
        provider: &'static str,
        operation: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            provider,
            operation: operation.into(),
            detail: Some(detail.into()),
            hint: None,
            cause: None,
        }
    }

    /// What to do next, instead of the general hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The provider.
    pub fn provider(&self) -> &str {
        self.provider
    }

    /// The operation that failed.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What to do next.
    pub fn hint(&self) -> Cow<'_, str> {
        if let Some(hint) = &self.hint {
            return Cow::Borrowed(hint);
        }
        Cow::Borrowed(
            "a proxy or a wrong endpoint may have responded instead of the cloud; if not, report this as a bug",
        )
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {}: the response isn't as documented",
            self.operation
        )?;
        self.detail
            .as_ref()
            .map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_the_clouds_words_has_a_hint() {
        for status in [
            204, 400, 401, 403, 404, 405, 407, 410, 418, 429, 451, 500, 503,
        ] {
            assert!(
                ApiError::new("example", "list", status).hint().is_some(),
                "{status}"
            );
        }
        let error = ApiError::new("example", "list", 404).with_code(Some("NoProject".to_owned()));
        assert_eq!(error.hint(), None);
        let empty = error
            .with_code(Some(String::new()))
            .with_message(Some(" ".to_owned()));
        assert_eq!(empty.to_string(), "cannot list: status 404");
    }

    #[test]
    fn a_long_error_message_is_truncated() {
        let error = ApiError::new("azure", "list", 500)
            .with_code(Some("c".repeat(1 << 20)))
            .with_message(Some("é\n ".repeat(1 << 20)))
            .with_request_id(Some("r".repeat(1 << 20)));
        let length = |text: Option<&str>| text.unwrap_or_default().chars().count();
        assert_eq!(length(error.code()), 1004);
        assert_eq!(length(error.message()), 1004);
        assert_eq!(length(error.request_id()), 1004);
        assert_eq!(
            ApiError::new("azure", "list", 500)
                .with_message(Some(" a\r\n  b ".to_owned()))
                .message(),
            Some("a b")
        );
    }
}
