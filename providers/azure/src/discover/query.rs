//! What every step of a call needs: what is selected, the client, what is kept between calls.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::de::DeserializeOwned;

use super::caches::Caches;
use crate::arm::{ArmClient, ArmRequests, Listing, Properties, Resource, ResourceId};
use crate::select::AzureConfig;

/// How many lists are read side by side.
const LISTS: usize = 4;

/// One call about one selection.
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

    /// Reads the resources of one type in several groups, or the whole subscription where none is
    /// given: page by page, several lists side by side.
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
        let mut lists = whole
            .into_iter()
            .chain(groups)
            .map(|group| self.list_in::<P>(group));
        let next = |mut list: Listing<'a, Resource<P>>| async move {
            let page = list.next().await;
            (list, page)
        };
        let mut running: FuturesUnordered<_> = lists.by_ref().take(LISTS).map(next).collect();
        while let Some((list, page)) = running.next().await {
            page?.into_iter().for_each(&mut visit);
            running.extend(
                Some(list)
                    .filter(Listing::has_more)
                    .or_else(|| lists.next())
                    .map(next),
            );
        }
        Ok(())
    }

    /// Reads what `request` asks for.
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
