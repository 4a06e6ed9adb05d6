//! What all sources read: the configuration, the environment, the services to ask.

use cloud_autojoin_core::Context;

use super::identity::{ChainOptions, ManagedIdentityId};
use super::metadata::MetadataService;
use crate::cloud::Cloud;

/// What the sources read.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) options: ChainOptions,
    pub(super) cloud: Cloud,
    pub(super) metadata: MetadataService,
    pub(super) context: Context,
}

impl Setup {
    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.context.env().filled(name)
    }

    /// The client id of the workload identity or the managed identity.
    pub(super) fn client_id(&self) -> Option<String> {
        let of_string = self.options.client_id.clone();
        of_string.or_else(|| self.variable("AZURE_CLIENT_ID"))
    }

    /// The managed identity that is chosen; none: the system-assigned one.
    pub(super) fn managed_identity(&self) -> Option<ManagedIdentityId> {
        let of_string = self.options.managed_identity.clone();
        of_string.or_else(|| self.client_id().map(ManagedIdentityId::ClientId))
    }
}
