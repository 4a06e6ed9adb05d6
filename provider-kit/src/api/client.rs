//! Sends requests to one cloud's API and decodes the responses.

use std::pin::pin;
use std::sync::Arc;

use cloud_autojoin_core::error::ApiError;
use cloud_autojoin_core::http::{
    Authorizer, BodyError, HttpClient, JsonResponse, Request, Response, ResponseClass,
    ResponseClassifier, decode_body,
};
use cloud_autojoin_core::{Call, Context, Discovery, Error, Result};
use futures::future::{Either, select};
use http::HeaderMap;
use http::header::{ACCEPT, HeaderValue};
use serde::de::DeserializeOwned;
use url::Url;

use super::{ErrorBody, Pages};
use crate::tls::{Tls, TlsClient};

/// The specifics of one cloud's API. The defaults are those of a plain JSON API.
pub trait Api: ResponseClassifier + 'static {
    /// The provider's name, for errors.
    fn provider(&self) -> &'static str;

    /// Reads the cloud's error from an error response.
    fn error_body(&self, response: &Response) -> ErrorBody {
        ErrorBody::from_json(&response.body, &["/code"], &["/message"], &["/request_id"])
    }

    /// The query parameters that aren't secret, which logs and `explain` may show.
    fn shown_parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Adds details to an error that are specific to this cloud: the permission that `operation`
    /// needs, what to check next.
    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        _ = (request, response);
        error
    }
}

/// A client for one cloud's API. Clones share connections and credential.
#[derive(Clone)]
pub struct ApiClient {
    http: HttpClient,
    api: &'static dyn Api,
    endpoint: Url,
    authorizer: Option<Arc<dyn Authorizer>>,
}

impl ApiClient {
    /// A client for the API at `endpoint`, without a credential.
    pub fn new(context: &Context, api: &'static dyn Api, endpoint: Url) -> Self {
        Self {
            http: context.http().clone(),
            api,
            endpoint,
            authorizer: None,
        }
    }

    /// The same client over `http`: one with a CA or a client certificate of its own
    /// ([`Context::http_with`]).
    #[must_use]
    pub fn with_http(mut self, http: HttpClient) -> Self {
        self.http = http;
        self
    }

    /// The same client with these TLS settings; `clients` keeps it.
    ///
    /// # Errors
    ///
    /// As [`TlsClient::get`].
    pub fn with_tls(mut self, clients: &TlsClient, tls: &Tls) -> Result<Self> {
        self.http = clients.get(&self.http, tls)?;
        Ok(self)
    }

    /// The same client, whose requests `authorizer` authorises.
    #[must_use]
    pub fn with_authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// The same client, with a credential if there is one.
    #[must_use]
    pub fn with_optional_authorizer(mut self, authorizer: Option<Arc<dyn Authorizer>>) -> Self {
        self.authorizer = authorizer.or(self.authorizer);
        self
    }

    /// The provider's name, for errors.
    pub(crate) fn provider(&self) -> &'static str {
        self.api.provider()
    }

    /// The API's base URL.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The same client for what is below `path`.
    #[must_use]
    pub fn below(&self, path: &[&str]) -> Self {
        Self {
            endpoint: self.url(path, &[]),
            ..self.clone()
        }
    }

    /// The identity its requests are sent as, once it is known.
    pub fn identity(&self) -> Option<String> {
        self.authorizer.as_ref()?.identity()
    }

    /// A `GET` of `path` (segments below the endpoint, each encoded) with these query parameters.
    ///
    /// `operation` says what it is for and reads well after "cannot": `list servers`.
    pub fn get(&self, operation: &str, path: &[&str], query: &[(&str, &str)]) -> Request {
        Request::get(operation, self.url(path, query))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// The URL of `path` below the endpoint.
    pub fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends `request` and decodes the JSON of its response.
    ///
    /// # Errors
    ///
    /// No credential; no complete response; an error response, with the cloud's message; a body
    /// that isn't as documented.
    pub async fn json<T: DeserializeOwned>(&self, request: Request, call: &Call) -> Result<T> {
        Ok(self.decoded(request, call, decode_body).await?.0)
    }

    /// As [`ApiClient::json`], with the headers of the response.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`].
    pub async fn json_with_headers<T: DeserializeOwned>(
        &self,
        request: Request,
        call: &Call,
    ) -> Result<(T, HeaderMap)> {
        self.decoded(request, call, decode_body).await
    }

    /// As [`ApiClient::json_with_headers`], for bodies that `decode` decodes.
    pub(super) async fn decoded<T>(
        &self,
        request: Request,
        call: &Call,
        decode: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<(T, HeaderMap)> {
        let request = self.prepare(request);
        let answer = self
            .http
            .decode(self.api.provider(), &request, call, decode)
            .await?;
        self.value_and_headers(&request, answer)
    }

    /// Sends `request` and decodes the JSON of its response, or returns the error response: for an
    /// API whose errors name what to request instead. [`ApiClient::value`] converts it to an error.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`], except for error responses.
    pub async fn answer<T: DeserializeOwned>(
        &self,
        request: &Request,
        call: &Call,
    ) -> Result<JsonResponse<T>> {
        self.http
            .json(self.api.provider(), &self.prepare(request.clone()), call)
            .await
    }

    /// The value of the response to `request`.
    ///
    /// # Errors
    ///
    /// The error for an error response.
    pub fn value<T>(&self, request: &Request, answer: JsonResponse<T>) -> Result<T> {
        Ok(self.value_and_headers(request, answer)?.0)
    }

    /// Sends `request` and decodes the XML of its response.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`].
    #[cfg(feature = "xml")]
    pub async fn xml<T: DeserializeOwned>(&self, request: Request, call: &Call) -> Result<T> {
        Ok(self.decoded(request, call, super::xml::decode).await?.0)
    }

    /// Sends `request` and returns its successful response as it is.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`], except for decoding.
    pub async fn send(&self, request: Request, call: &Call) -> Result<Response> {
        let request = self.prepare(request);
        let response = self.http.send(&request, call).await;
        let response = response.map_err(|error| match error {
            Error::Transport(error) => error.of_provider(self.provider()).into(),
            other => other,
        })?;
        if response.class == ResponseClass::Success {
            Ok(response)
        } else {
            Err(self.error(&request, &response))
        }
    }

    /// The pages of the list whose first page `first` requests.
    pub fn pages<'a>(&'a self, first: Request, call: &'a Call) -> Pages<'a> {
        Pages::new(self, first, call)
    }

    /// Completes an answer: with the identity of its requests and, if there was nothing to examine,
    /// with what that means and what to check.
    #[must_use]
    pub fn conclude(&self, mut discovery: Discovery, nothing: &str, hint: &str) -> Discovery {
        discovery.explain_nothing(nothing, hint);
        if let Some(identity) = self.identity() {
            discovery.set_identity(identity);
        }
        discovery
    }

    /// Runs `work` while a connection to the API is opened: for a cloud whose requests need a token
    /// first. The connection attempt is cancelled if it hasn't succeeded when `work` ends.
    pub async fn connecting<T>(&self, call: &Call, work: impl Future<Output = T>) -> T {
        match select(pin!(work), pin!(self.http.connect(&self.endpoint, call))).await {
            Either::Left((result, _)) => result,
            Either::Right(((), work)) => work.await,
        }
    }

    fn prepare(&self, request: Request) -> Request {
        let request = request
            .classified_by(self.api)
            .showing(self.api.shown_parameters());
        match &self.authorizer {
            Some(authorizer) => request.authorized_by(Arc::clone(authorizer)),
            None => request,
        }
    }

    fn value_and_headers<T>(
        &self,
        request: &Request,
        answer: JsonResponse<T>,
    ) -> Result<(T, HeaderMap)> {
        match answer {
            JsonResponse::Success(value, response) if response.class == ResponseClass::Success => {
                Ok((value, response.headers))
            }
            JsonResponse::Success(_, response) | JsonResponse::Failure(response) => {
                Err(self.error(request, &response))
            }
        }
    }

    fn error(&self, request: &Request, response: &Response) -> Error {
        let body = self.api.error_body(response);
        let error = ApiError::of_response(self.api.provider(), request.operation(), response)
            .with_code(body.code)
            .with_message(body.message)
            .with_request_id(body.request_id);
        self.api.explain(error, request, response).into()
    }
}

impl std::fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiClient")
            .field("endpoint", &self.endpoint.as_str())
            .finish_non_exhaustive()
    }
}
