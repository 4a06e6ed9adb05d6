//! Errors that the cloud itself gave: a refusal, a failure, or an answer that makes no sense.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::http::{BoxError, Response, ResponseClass};

/// An answer with an error status, in the cloud's own words.
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
}

impl ApiError {
    /// The answer `status` to `operation` (`list network interfaces`).
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
        }
    }

    /// The error for `response`, classified as it is, with its waits and attempts.
    pub fn of_response(
        provider: &'static str,
        operation: impl Into<String>,
        response: &Response,
    ) -> Self {
        let mut error = Self::new(provider, operation, response.status.as_u16());
        error.class = Some(response.class);
        error
            .with_retry_after(response.retry_after)
            .after(response.attempts, response.elapsed)
    }

    /// The cloud's error code, as `AuthorizationFailed`.
    #[must_use]
    pub fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code.map(|code| one_line(&code));
        self
    }

    /// The cloud's own words, as one line of at most 1,000 characters.
    #[must_use]
    pub fn with_message(mut self, message: Option<String>) -> Self {
        self.message = message.map(|text| one_line(&text));
        self
    }

    /// The id under which the cloud's support finds the request.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }

    /// How long the cloud asks callers to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// After how many tries and how long this answer was taken as final.
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

    /// The same error as one that passes by itself although its status alone doesn't say so, as the
    /// 404 and 410 of a metadata service that is being updated.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// The provider that was asked.
    pub fn provider(&self) -> &str {
        self.provider
    }

    /// What was asked for.
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

    /// The cloud's own words.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The id under which the cloud's support finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How long the cloud asks callers to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The permission whose lack is the reason.
    pub fn missing_permission(&self) -> Option<&str> {
        self.missing_permission.as_deref()
    }

    /// Whether the same request may work later: throttling, failures of the server, and what the
    /// provider knows to pass.
    pub fn is_transient(&self) -> bool {
        self.transient
            || self.class.map_or(
                matches!(self.status, 408 | 429 | 500..),
                ResponseClass::is_transient,
            )
    }

    /// What the response means, where its service's classifier judged it.
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
                "grant the action `{permission}` to this identity; a new grant takes some minutes to count"
            )));
        }
        let status = if self.class == Some(ResponseClass::Throttled) {
            429
        } else {
            self.status
        };
        match (status, self.retry_after) {
            (429, Some(wait)) => Some(Cow::Owned(format!(
                "throttled: come back in {} s",
                wait.as_secs_f64().ceil()
            ))),
            (429, None) => Some(Cow::Borrowed(
                "throttled: ask less often, and spread the callers over time",
            )),
            (500.., Some(wait)) => Some(Cow::Owned(format!(
                "the service asks to come back in {} s",
                wait.as_secs_f64().ceil()
            ))),
            (500.., None) => Some(Cow::Borrowed(
                "the service itself failed: try again in a while",
            )),
            _ => None,
        }
    }
}

/// The text on one line, cut where a server says too much.
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
                " ({} tries in {:.1} s)",
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

/// An answer with a good status whose body is not what the cloud documents.
#[derive(Debug)]
pub struct DecodeError {
    provider: &'static str,
    operation: String,
    detail: Option<String>,
    hint: Option<String>,
    cause: Option<BoxError>,
}

impl DecodeError {
    /// A body that is not the JSON expected. The body itself is not kept: it may hold a token.
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

    /// A body that its decoder refused; `cause` must not show values of the body.
    pub fn of_body(provider: &'static str, operation: impl Into<String>, cause: BoxError) -> Self {
        Self {
            provider,
            operation: operation.into(),
            detail: None,
            hint: None,
            cause: Some(cause),
        }
    }

    /// A body that is well formed and still makes no sense, as `interface without id`.
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

    /// What to do next, where more is known than that the answer is not the cloud's.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The provider that was asked.
    pub fn provider(&self) -> &str {
        self.provider
    }

    /// What was asked for.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What to do next.
    pub fn hint(&self) -> Cow<'_, str> {
        if let Some(hint) = &self.hint {
            return Cow::Borrowed(hint);
        }
        Cow::Borrowed(
            "a proxy or a wrong endpoint may have answered instead of the cloud; if not, this is a bug worth reporting",
        )
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {}: the answer does not read as documented",
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
    fn a_server_that_says_too_much_is_cut_short() {
        let error = ApiError::new("azure", "list", 500)
            .with_code(Some("c".repeat(1 << 20)))
            .with_message(Some("é\n ".repeat(1 << 20)));
        let length = |text: Option<&str>| text.unwrap_or_default().chars().count();
        assert_eq!(
            (length(error.code()), length(error.message())),
            (1004, 1004)
        );
        assert_eq!(
            ApiError::new("azure", "list", 500)
                .with_message(Some(" a\r\n  b ".to_owned()))
                .message(),
            Some("a b")
        );
    }
}
