//! Requests each page while the one before it is decoded.

use cloud_autojoin_core::http::{BodyError, Request, decode_body};
use cloud_autojoin_core::{DecodeError, Result};
use futures::future::FutureExt;
use futures::poll;
use serde::de::DeserializeOwned;

use super::{Pages, with_parameter};
use crate::api::page_token;
#[cfg(feature = "xml")]
use crate::api::xml;

/// How often the runtime gets a turn to send the request for the next page before the current one
/// is decoded: the pool, the connection and, for HTTP/2, its streams are tasks of their own.
const TURNS: usize = 8;

/// The token of the next page: where it is in the body of a page, and the request that it makes of
/// the current one.
pub(super) struct Token<'a> {
    path: &'static [&'static str],
    request: Box<MakeRequest<'a>>,
}

type MakeRequest<'a> = dyn Fn(&Request, &str) -> Request + Send + 'a;

impl<'a> Pages<'a> {
    /// The same list, of which the next page is requested before the current one is decoded, so
    /// that the service prepares it meanwhile. Its token is at `path` of the JSON or XML, and
    /// `parameter` takes it: what the caller gives to [`Pages::follow_query`]. Any other next page
    /// costs a request that is cancelled.
    #[must_use]
    pub fn ahead(self, parameter: &'static str, path: &'static [&'static str]) -> Self {
        self.ahead_by(path, move |current, token| {
            let url = with_parameter(current.url(), parameter, token);
            current.clone().with_url(url)
        })
    }

    /// As [`Pages::ahead`], for a token that isn't in the query: `request` makes the request for
    /// the next page of the one for the current page and the token, as the caller gives it to
    /// [`Pages::follow_request`].
    #[must_use]
    pub fn ahead_by(
        mut self,
        path: &'static [&'static str],
        request: impl Fn(&Request, &str) -> Request + Send + 'a,
    ) -> Self {
        let request = Box::new(request);
        self.token = Some(Token { path, request });
        self
    }

    /// The same list of XML pages, of which only the root and the elements of these names, which
    /// spaces separate, are decoded. Leaving out the others first takes a fraction of decoding
    /// them.
    #[cfg(feature = "xml")]
    #[must_use]
    pub fn with_elements(mut self, names: &'static str) -> Self {
        self.elements = names;
        self
    }

    /// Requests and decodes the next page; `None` when the list has ended.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`](crate::ApiClient::json). If a page fails, the list fails; it is never
    /// partial.
    pub async fn next_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        self.next_by(page_token::find, decode_body).await
    }

    /// As [`Pages::next_json`], for XML.
    ///
    /// # Errors
    ///
    /// As [`Pages::next_json`].
    #[cfg(feature = "xml")]
    pub async fn next_xml<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let elements = self.elements;
        let decode = move |body: &[u8]| xml::decode_elements(body, elements);
        self.next_by(xml::find, decode).await
    }

    /// Requests the next page and decodes it by `decode`; `find` finds the token in its body.
    async fn next_by<T>(
        &mut self,
        find: impl Fn(&[u8], &[&str]) -> Option<String>,
        decode: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<Option<T>> {
        let Some(request) = self.next_request() else {
            return Ok(None);
        };
        if self.token.is_some() {
            let response = match self.ahead.take() {
                Some((hash, ahead)) if hash == self.hash(&request) => ahead.await?,
                _ => self.client.send(request.clone(), self.call).await?,
            };
            let next = self.token.as_ref().and_then(|token| {
                let found = find(&response.body, token.path)?;
                Some((token.request)(&request, &found))
            });
            if let Some(next) = next {
                self.request_ahead(next).await;
            }
            match decode(&response.body) {
                Ok(page) => {
                    self.headers = response.headers;
                    return Ok(Some(page));
                }
                Err(BodyError::Invalid(cause)) => {
                    let provider = self.client.provider();
                    return Err(DecodeError::of_body(provider, request.operation(), cause).into());
                }
                // Requested again below, as often as for any other reason.
                Err(BodyError::Truncated(_) | BodyError::TooManyValues) => self.ahead = None,
            }
        }
        let (page, headers) = self.client.decoded(request, self.call, decode).await?;
        self.headers = headers;
        Ok(Some(page))
    }

    /// Sends `request` without waiting for its response, unless it would be refused.
    async fn request_ahead(&mut self, request: Request) {
        let hash = self.hash(&request);
        if self.seen.len() >= self.limits.max_pages || self.seen.contains(&hash) {
            return;
        }
        let (client, call) = (self.client, self.call);
        let mut ahead = async move { client.send(request, call).await }.boxed();
        for _ in 0..TURNS {
            if let std::task::Poll::Ready(result) = poll!(&mut ahead) {
                ahead = std::future::ready(result).boxed();
                break;
            }
            tokio::task::yield_now().await;
        }
        self.ahead = Some((hash, ahead));
    }
}
