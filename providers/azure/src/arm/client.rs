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

/// The client for Azure Resource Manager.
pub(crate) struct ArmClient {
    api: ApiClient,
    versions: ApiVersions,
}

impl ArmClient {
    /// A client for the ARM of `cloud`, whose requests `authorizer` authorises.
    pub(crate) fn new(context: &Context, cloud: &Cloud, authorizer: Arc<dyn Authorizer>) -> Self {
        let api = ApiClient::new(context, &ArmApi, cloud.resource_manager.clone());
        Self {
            api: api.with_authorizer(authorizer),
            versions: ApiVersions::default(),
        }
    }

    /// The client beneath.
    pub(crate) fn api(&self) -> &ApiClient {
        &self.api
    }

    /// The requests for resources of `subscription`.
    pub(crate) fn requests<'a>(&'a self, subscription: &'a str) -> ArmRequests<'a> {
        ArmRequests {
            resource_manager: self.api.endpoint(),
            subscription,
        }
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
        let mut response = self.api.answer(&request, call).await?;
        if let JsonResponse::Failure(failure) = &response
            && let Some(other) = self.versions.learn(&request, &failure.body)
        {
            response = self.api.answer(&other, call).await?;
        }
        self.api.value(&request, response)
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
    /// The next page, which may be empty, as it is after the last.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`], and a next link that leads to another host or in a circle. What was
    /// read must not be used then: it would be a short list.
    pub(crate) async fn next(&mut self) -> Result<Vec<T>> {
        let Some(request) = self.pages.next_request() else {
            return Ok(Vec::new());
        };
        let page = self.arm.read::<Page<T>>(request, self.call).await;
        let page = page.map_err(with_narrowing_hint)?;
        let followed = self.pages.follow_link(page.next_link.as_deref());
        followed.map_err(with_narrowing_hint)?;
        self.read += 1;
        Ok(page.value)
    }

    /// Whether there is another page.
    pub(crate) fn has_more(&self) -> bool {
        self.pages.has_more()
    }

    /// How many pages were read.
    pub(crate) fn pages_read(&self) -> usize {
        self.read
    }

    /// Reads everything that follows `items`.
    ///
    /// # Errors
    ///
    /// As [`Listing::next`].
    pub(crate) async fn read_on(mut self, mut items: Vec<T>) -> Result<Vec<T>> {
        while self.has_more() {
            items.extend(self.next().await?);
        }
        Ok(items)
    }
}

/// Adds which key makes a list shorter.
fn with_narrowing_hint(error: Error) -> Error {
    use TransportFailure::{PaginationLimit, TooLarge};
    let is_too_long = |failure| matches!(failure, TooLarge | PaginationLimit);
    match &error {
        Error::Transport(cause) if is_too_long(cause.failure()) => {
            error.with_hint("narrow the selection, for example with `resource_group`")
        }
        _ => error,
    }
}
