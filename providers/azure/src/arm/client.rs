//! The client for Azure Resource Manager: GET with a bearer token, one page after the other.
//!
//! Deadlines, retries and the record of requests are core's; what stands here is what is ARM's own: the token, a 401 answered with a fresh one once, the page's shape, the error's.

use std::marker::PhantomData;
use std::sync::Arc;

use cloud_autojoin_core::http::{Answer, HttpClient, PageLimits, Pages, Request};
use cloud_autojoin_core::{Call, Result};
use serde::de::DeserializeOwned;
use url::Url;

use super::api_version::ApiVersions;
use super::failure::api_error;
use super::models::Page;
use super::urls::{Ask, Asks};
use crate::azure::PROVIDER_NAME;
use crate::cloud::Cloud;
use crate::credential::{AccessToken, Credentials};

/// The client for Azure Resource Manager. Cheap to clone; clones share the token and the api-versions
/// learned.
#[derive(Clone)]
pub(crate) struct ArmClient {
    http: HttpClient,
    resource_manager: Url,
    credentials: Arc<Credentials>,
    versions: Arc<ApiVersions>,
}

impl ArmClient {
    /// A client for the ARM of `cloud`, as the identity of `credentials`.
    pub(crate) fn new(http: HttpClient, cloud: Cloud, credentials: Arc<Credentials>) -> Self {
        Self { http, resource_manager: cloud.resource_manager, credentials, versions: Arc::default() }
    }

    /// The questions that `subscription` can be asked.
    pub(crate) fn asks(&self, subscription: &str) -> Asks {
        Asks::new(&self.resource_manager, subscription)
    }

    /// Opens the connection, unless there was one before.
    pub(crate) async fn connect(&self, call: &Call) {
        self.http.connect(&self.resource_manager, call).await;
    }

    /// Gets a token, so that the requests that follow side by side find one.
    ///
    /// # Errors
    ///
    /// As the credentials: [`Error::Credential`](cloud_autojoin_core::Error::Credential) above all.
    pub(crate) async fn sign_in(&self, call: &Call) -> Result<()> {
        self.credentials.token(call).await.map(|_| ())
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// No token; no whole answer; an answer with an error status, with what to do about it; a body that is not what ARM documents.
    pub(crate) async fn read<T: DeserializeOwned>(&self, ask: &Ask, call: &Call) -> Result<T> {
        self.get(ask, &ask.url, call).await
    }

    /// The list that `ask` starts, not yet asked for.
    pub(crate) fn list<T>(&self, ask: Ask) -> Listing<T> {
        let pages = Pages::new(ask.operation.clone(), ask.url.clone(), PageLimits::default());
        Listing { arm: self.clone(), ask, pages, read: 0, items: PhantomData }
    }

    async fn get<T: DeserializeOwned>(&self, ask: &Ask, url: &Url, call: &Call) -> Result<T> {
        let url = self.versions.apply(ask.action, url);
        let mut answer = self.get_as_is(ask, &url, call).await?;
        if let Answer::Other(response) = &answer
            && let Some(url) = self.versions.learn(ask.action, &url, &response.body)
        {
            answer = self.get_as_is(ask, &url, call).await?;
        }
        answer.value_or(|response| api_error(ask, &response).into())
    }

    async fn get_as_is<T: DeserializeOwned>(&self, ask: &Ask, url: &Url, call: &Call) -> Result<Answer<T>> {
        let token = self.credentials.token(call).await?;
        let request = |token: &AccessToken| Request::get(ask.operation.clone(), url.clone()).bearer(token.secret());
        let mut answer = self.http.json(PROVIDER_NAME, &request(&token), call).await?;
        if matches!(&answer, Answer::Other(response) if response.status.as_u16() == 401) {
            // A token can be revoked before its time; that a fresh one is refused too is final.
            self.credentials.invalidate(&token);
            let token = self.credentials.token(call).await?;
            answer = self.http.json(PROVIDER_NAME, &request(&token), call).await?;
        }
        Ok(answer)
    }
}

/// A list of ARM, read page by page: memory holds one page.
pub(crate) struct Listing<T> {
    arm: ArmClient,
    ask: Ask,
    pages: Pages,
    read: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Listing<T> {
    /// The next page, which may be empty; `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`], and a next link that leads to another host or in a circle. The list must not be used as it is then: it would be short.
    pub(crate) async fn next(&mut self, call: &Call) -> Result<Option<Vec<T>>> {
        let Some(url) = self.pages.next_url().cloned() else { return Ok(None) };
        let page: Page<T> = self.arm.get(&self.ask, &url, call).await?;
        self.pages.advance(page.next_link.as_deref())?;
        self.read += 1;
        Ok(Some(page.value))
    }

    /// Whether there is a page to be asked for.
    pub(crate) fn has_more(&self) -> bool {
        self.pages.next_url().is_some()
    }

    /// How many pages were read.
    pub(crate) fn pages_read(&self) -> usize {
        self.read
    }

    /// Reads on to the first page that has something on it, or to the end.
    ///
    /// # Errors
    ///
    /// As [`Listing::next`].
    pub(crate) async fn open(mut self, call: &Call) -> Result<(Vec<T>, Self)> {
        while let Some(page) = self.next(call).await? {
            if !page.is_empty() {
                return Ok((page, self));
            }
        }
        Ok((Vec::new(), self))
    }

    /// Reads everything that is left behind `items`.
    ///
    /// # Errors
    ///
    /// As [`Listing::next`].
    pub(crate) async fn read_on(mut self, mut items: Vec<T>, call: &Call) -> Result<Vec<T>> {
        while let Some(page) = self.next(call).await? {
            items.extend(page);
        }
        Ok(items)
    }
}
