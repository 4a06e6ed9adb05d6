//! A request, and the final response to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::redact::SentSecrets;
use super::{Authorizer, ResponseClass, ResponseClassifier};
use crate::secret::Secret;

/// A request with its operation, authorisation, classification and retry policy.
///
/// `Debug` shows neither headers nor body nor the query.
#[derive(Clone)]
pub struct Request {
    operation: String,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    retry: Option<super::RetryPolicy>,
    classifier: Option<&'static dyn ResponseClassifier>,
    authorizer: Option<Arc<dyn Authorizer>>,
    shown_parameters: &'static [&'static str],
    no_proxy: bool,
    secrets: Vec<Secret>,
}

impl Request {
    /// A `GET` of `url`; `operation` describes it, as `list network interfaces`, so that it reads
    /// well after "cannot".
    pub fn get(operation: impl Into<String>, url: Url) -> Self {
        Self {
            operation: operation.into(),
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            retry: None,
            classifier: None,
            authorizer: None,
            shown_parameters: &[],
            no_proxy: false,
            secrets: Vec::new(),
        }
    }

    /// A `POST` of `body` to `url`.
    pub fn post(operation: impl Into<String>, url: Url, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: Some(body.into()),
            ..Self::get(operation, url)
        }
    }

    /// A `POST` request of a JSON body.
    pub fn post_json(operation: impl Into<String>, url: Url, body: &serde_json::Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self::post(operation, url, body.to_string()).header(CONTENT_TYPE, json)
    }

    /// The same request with another method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same request with `Authorization: Bearer ...`. A token that isn't valid in a header is
    /// sent as an empty one, which the server rejects.
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        self.header(AUTHORIZATION, value)
    }

    /// The same request, which has `secret` in its body or query: if the service repeats it in an
    /// error, it is masked there. Sensitive headers need no such call.
    #[must_use]
    pub fn with_secret(mut self, secret: &str) -> Self {
        self.add_secret(secret);
        self
    }

    /// The same request, whose responses are classified by `classifier` instead of
    /// [`ByStatus`](super::ByStatus).
    #[must_use]
    pub fn classified_by(mut self, classifier: &'static dyn ResponseClassifier) -> Self {
        self.classifier = Some(classifier);
        self
    }

    /// The same request, which `authorizer` authorises before every attempt.
    #[must_use]
    pub fn authorized_by(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// The same request, of which logs and the record of requests show the values of these query
    /// parameters, because they aren't secret.
    #[must_use]
    pub fn showing(mut self, parameters: &'static [&'static str]) -> Self {
        self.shown_parameters = parameters;
        self
    }

    /// The same request, which bypasses the proxies of the environment: for metadata services,
    /// which only this machine can reach. Loopback and link-local addresses always bypass them.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.no_proxy = true;
        self
    }

    /// The same request to another URL: the next page of a list.
    #[must_use]
    pub fn with_url(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// The same request with another body: the next page of a list.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The same request with this retry policy instead of the client's.
    #[must_use]
    pub fn retry(mut self, policy: super::RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// The operation.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the request bypasses the proxies of the environment.
    pub fn has_no_proxy(&self) -> bool {
        self.no_proxy
    }

    /// The URL as logs and the record of requests show it.
    pub fn shown_url(&self) -> String {
        super::shown_url(&self.url, self.shown_parameters)
    }

    /// The headers, including secret ones.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// The classifier of its responses.
    pub fn classifier(&self) -> &'static dyn ResponseClassifier {
        self.classifier.unwrap_or(&super::ByStatus)
    }

    /// Its authoriser.
    pub fn authorizer(&self) -> Option<&Arc<dyn Authorizer>> {
        self.authorizer.as_ref()
    }

    /// As [`Request::with_secret`], in place: for authorisers.
    pub fn add_secret(&mut self, secret: &str) {
        self.secrets.push(Secret::new(secret));
    }

    /// Sets a header, secret ones included, in place.
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Adds a value to a header that may have several, in place.
    pub fn append_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.append(name, value);
    }

    /// Changes the URL in place: for authorisers that sign in the query.
    pub fn set_url(&mut self, url: Url) {
        self.url = url;
    }

    /// The secrets in its body and query.
    pub(super) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Its own retry policy.
    pub fn own_retry(&self) -> Option<&super::RetryPolicy> {
        self.retry.as_ref()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("url", &self.shown_url())
            .finish_non_exhaustive()
    }
}

/// The final response to a request, whatever its status.
///
/// `Debug` does not show the body, which may hold a token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
    /// The number of attempts.
    pub attempts: u32,
    /// The time of all attempts and waits.
    pub elapsed: Duration,
    /// The wait that the server requests, from the time of the response; at most
    /// [`MAX_OUTAGE_WAIT`](super::MAX_OUTAGE_WAIT) unless it throttles.
    pub retry_after: Option<Duration>,
    /// Its class by the request's classifier.
    pub class: ResponseClass,
    /// What an error of this response must not show.
    pub(crate) sent_secrets: SentSecrets,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
