//! What every step of a call needs: what is selected, the client, what is kept between calls.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Result};
use serde::de::DeserializeOwned;

use super::caches::Caches;
use crate::arm::{ArmClient, ArmRequests, Listing};
use crate::select::AzureConfig;

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
    pub(super) fn requests(self) -> ArmRequests {
        self.arm.requests(&self.config.subscription_id)
    }

    /// The list that `first` begins, not requested yet.
    pub(super) fn list<T>(self, first: Request) -> Listing<'a, T> {
        self.arm.list(first, self.call)
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// As [`ArmClient::read`].
    pub(super) async fn read<T: DeserializeOwned>(self, request: Request) -> Result<T> {
        self.arm.read(request, self.call).await
    }
}
