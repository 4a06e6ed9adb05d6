//! The client for Azure Resource Manager: the provider kit's, with api-versions that are learned.

use std::marker::PhantomData;
use std::sync::Arc;

use cloud_autojoin_core::http::{Authorizer, JsonResponse, Request};
use cloud_autojoin_core::{Call, Context, Error, Result, TransportFailure};
use cloud_autojoin_provider_kit::{ApiClient, Pages};
use serde::de::DeserializeOwned;

use super::api::ArmApi;
use super::api_version::ApiVersions;
use super::models::Page;
use super::requests::ArmRequests;
use crate::cloud::Cloud;

/// The client for Azure Resource Manager. Clones share the credential and the api-versions learned.
#[derive(Clone)]
pub(crate) struct ArmClient {
    api: ApiClient,
    versions: Arc<ApiVersions>,
}

impl ArmClient {
    /// A client for the ARM of `cloud`, whose requests `credentials` authorises.
    pub(crate) fn new(context: &Context, cloud: &Cloud, credentials: Arc<dyn Authorizer>) -> Self {
        let api = ApiClient::new(context, &ArmApi, cloud.resource_manager.clone())
            .with_authorizer(credentials);
        Self {
            api,
            versions: Arc::default(),
        }
    }

    /// The requests for resources of `subscription`.
    pub(crate) fn requests(&self, subscription: &str) -> ArmRequests {
        ArmRequests::new(self.api.endpoint(), subscription)
    }

    /// Runs `work` while a connection to ARM is opened.
    pub(crate) async fn connecting<T>(&self, call: &Call, work: impl Future<Output = T>) -> T {
        self.api.connecting(call, work).await
    }

    /// The identity that requests are sent as, once it is known.
    pub(crate) fn identity(&self) -> Option<String> {
        self.api.identity()
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// As [`ApiClient::json`].
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        request: Request,
        call: &Call,
    ) -> Result<T> {
        let request = self.versions.apply(request);
        let mut answer = self.api.answer(&request, call).await?;
        if let JsonResponse::Failure(response) = &answer
            && let Some(other) = self.versions.learn(&request, &response.body)
        {
            answer = self.api.answer(&other, call).await?;
        }
        self.api.value(&request, answer)
    }

    /// The list that `first` begins, not requested yet.
    pub(crate) fn list<'a, T>(&'a self, first: Request, call: &'a Call) -> Listing<'a, T> {
        Listing {
            arm: self,
            call,
            pages: self.api.pages(first, call),
            read: 0,
            items: PhantomData,
        }
    }
}

/// A list of ARM, read page by page: memory holds one page.
pub(crate) struct Listing<'a, T> {
    arm: &'a ArmClient,
    call: &'a Call,
    pages: Pages<'a>,
    read: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Listing<'_, T> {
    /// The next page, which may be empty; `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`], and a next link that leads to another host or in a circle. What was
    /// read must not be used then: it would be a short list.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<T>>> {
        let Some(request) = self.pages.next_request() else {
            return Ok(None);
        };
        let page: Page<T> = self
            .arm
            .read(request, self.call)
            .await
            .map_err(with_narrowing_hint)?;
        self.pages
            .follow_link(page.next_link.as_deref())
            .map_err(with_narrowing_hint)?;
        self.read += 1;
        Ok(Some(page.value))
    }

    /// Whether there is another page.
    pub(crate) fn has_more(&self) -> bool {
        self.pages.has_more()
    }

    /// How many pages were read.
    pub(crate) fn pages_read(&self) -> usize {
        self.read
    }

    /// Reads to the first page that has something on it, or to the end.
    ///
    /// # Errors
    ///
    /// As [`Listing::next`].
    pub(crate) async fn open(mut self) -> Result<(Vec<T>, Self)> {
        while let Some(page) = self.next().await? {
            if !page.is_empty() {
                return Ok((page, self));
            }
        }
        Ok((Vec::new(), self))
    }

    /// Reads everything that follows `items`.
    ///
    /// # Errors
    ///
    /// As [`Listing::next`].
    pub(crate) async fn read_on(mut self, mut items: Vec<T>) -> Result<Vec<T>> {
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(items)
    }
}

/// Says which key makes a list shorter.
fn with_narrowing_hint(error: Error) -> Error {
    match error {
        Error::Transport(error)
            if matches!(
                error.failure(),
                TransportFailure::TooLarge | TransportFailure::PaginationLimit
            ) =>
        {
            error
                .with_hint("narrow the selection, for example with `resource_group`")
                .into()
        }
        error => error,
    }
}
