//! What every step of a call needs: the query, the client, what is kept between calls.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Result};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::caches::Caches;
use crate::arm::{ArmClient, ArmRequests, Listing, Properties, Resource, ResourceId};
use crate::select::{AzureConfig, TagPlace};

/// How many lists are read concurrently.
const LISTS: usize = 4;

/// One call with one configuration.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    /// What is selected, and which of its addresses count.
    pub config: &'a AzureConfig,
    /// The client.
    pub arm: &'a ArmClient,
    /// What is kept between calls.
    pub caches: &'a Caches,
    /// The deadline, and the record of requests.
    pub call: &'a Call,
}

impl<'a> Query<'a> {
    /// Whether the query has tags that may be set there.
    pub(super) fn tags_may_be_on(self, place: TagPlace) -> bool {
        let tags = self.config.selection.tag_filter();
        tags.is_some_and(|tags| tags.may_be_on(place))
    }

    /// The requests for resources of the subscription.
    pub(super) fn requests(self) -> ArmRequests<'a> {
        self.arm.requests(&self.config.subscription_id)
    }

    /// The list that `first` begins, not requested yet.
    pub(super) fn list<T>(self, first: Request) -> Listing<'a, T> {
        self.arm.list(first, self.call)
    }

    /// The resources of one type in a resource group or the whole subscription, not requested yet.
    pub(super) fn list_in<P: Properties>(self, group: Option<&str>) -> Listing<'a, Resource<P>> {
        self.list(self.requests().list(&P::KIND, group))
    }

    /// Reads the resources of one type in several groups, or the whole subscription if none is
    /// given: page by page, several lists concurrently.
    ///
    /// # Errors
    ///
    /// As the first list that fails.
    pub(super) async fn each<P: Properties>(
        self,
        groups: &[String],
        mut visit: impl FnMut(Resource<P>),
    ) -> Result<()> {
        let whole = groups.is_empty().then_some(None);
        let groups = groups.iter().map(|group| Some(group.as_str()));
        let lists = whole.into_iter().chain(groups);
        let lists: Vec<_> = lists.map(|group| pages(self.list_in(group))).collect();
        let mut pages = stream::iter(lists).flatten_unordered(LISTS);
        while let Some(page) = pages.try_next().await? {
            page.into_iter().for_each(&mut visit);
        }
        Ok(())
    }

    /// Reads what `request` requests.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`].
    pub(super) async fn read<T: DeserializeOwned>(self, request: Request) -> Result<T> {
        self.arm.read(request, self.call).await
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`].
    pub(super) async fn one<P: Properties>(self, id: &ResourceId) -> Result<Resource<P>> {
        self.read(self.requests().one(&P::KIND, id)).await
    }
}

/// The pages of a list.
fn pages<P: Properties>(list: Listing<'_, Resource<P>>) -> BoxStream<'_, Result<Vec<Resource<P>>>> {
    stream::try_unfold(list, |mut list| async {
        let has_more = list.has_more();
        let page = list.next().await?;
        Ok(has_more.then_some((page, list)))
    })
    .boxed()
}
