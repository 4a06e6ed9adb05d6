//! What every step of a call needs: the configuration, the client, what is kept between calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Clock, Instant, Result};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use crate::arm::{self, ArmClient, ArmRequests, Listing, Properties, Resource, ResourceId};
use crate::select::{AzureConfig, OrchestrationMode, Tags};

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
    /// The tags that are searched for; none where a scale set is selected as a whole.
    pub(super) fn tags(self) -> &'a Tags {
        self.config.selection.tag_filter()
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

/// How long the tags of a scale set are used before they are read again.
///
/// Azure allows 12 reads a minute of one set, 36 at once, for everyone together. With this, 120
/// sidecars can watch one set.
const TAGS_LIFETIME: Duration = Duration::from_secs(600);

/// The caches of one provider.
#[derive(Debug)]
pub(crate) struct Caches {
    clock: Clock,
    sets: Mutex<HashMap<ResourceId, KnownSet>>,
}

#[derive(Debug, Default)]
struct KnownSet {
    mode: Option<OrchestrationMode>,
    tags: Option<(Instant, Arc<arm::Tags>)>,
}

impl Caches {
    /// Empty caches.
    pub(crate) fn new(clock: Clock) -> Self {
        let sets = Mutex::default();
        Self { clock, sets }
    }

    fn with<R>(&self, set: &ResourceId, change: impl FnOnce(&mut KnownSet) -> R) -> R {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        change(sets.entry(set.clone()).or_default())
    }

    /// The mode that a scale set had the last time.
    pub(super) fn mode(&self, set: &ResourceId) -> Option<OrchestrationMode> {
        self.with(set, |known| known.mode)
    }

    /// Keeps the mode of a scale set, which never changes while the set exists; `None` for a set
    /// that is gone.
    pub(super) fn keep_mode(&self, set: &ResourceId, mode: Option<OrchestrationMode>) {
        self.with(set, |known| known.mode = mode);
    }

    /// The tags of the set, if they were read recently.
    pub(super) fn tags(&self, set: &ResourceId) -> Option<Arc<arm::Tags>> {
        let (read_at, tags) = self.with(set, |known| known.tags.clone())?;
        (self.clock.now().saturating_duration_since(read_at) < TAGS_LIFETIME).then_some(tags)
    }

    /// Keeps the tags that were just read; `None` for a set that may be gone.
    pub(super) fn keep_tags(&self, set: &ResourceId, tags: Option<Arc<arm::Tags>>) {
        let tags = tags.map(|tags| (self.clock.now(), tags));
        self.with(set, |known| known.tags = tags);
    }
}
