//! The managed identity of the place this runs in: a machine's (`imds.rs`), App Service's
//! (`app_service.rs`), Azure Arc's (`arc.rs`).
//!
//! Own code, not `azure_identity`'s: that one has the metadata address built in, tries for 100 s on
//! a machine that is not in Azure whatever the retry settings, and knows no Arc.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context};
use url::Url;

use super::app_service::AppService;
use super::arc::AzureArc;
use super::identity::ManagedIdentityId;
use super::imds::Imds;
use crate::cloud::Cloud;

/// The source `managed identity`.
#[derive(Debug)]
pub(super) struct ManagedIdentity {
    id: Option<ManagedIdentityId>,
    audience: String,
    context: Context,
    imds: Imds,
}

impl ManagedIdentity {
    pub(super) const NAME: &'static str = "managed identity";

    /// The identity `id`, or the system-assigned one (or the only user-assigned one) of the
    /// machine. With `has_next` another source follows when this machine has none; `seen` is set
    /// once the metadata service is there.
    pub(super) fn new(
        id: Option<ManagedIdentityId>,
        cloud: &Cloud,
        metadata_endpoint: &Url,
        context: &Context,
        has_next: bool,
        seen: Arc<AtomicBool>,
    ) -> Self {
        let imds = Imds::new(
            id.clone(),
            cloud.audience.clone(),
            metadata_endpoint.clone(),
            context.http().clone(),
            has_next,
            seen,
        );
        Self {
            id,
            audience: cloud.audience.clone(),
            context: context.clone(),
            imds,
        }
    }
}

#[async_trait]
impl Source for ManagedIdentity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// The environment is recognised by its variables, in the order of the Azure SDKs.
    async fn token(&self, _scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let variable = |name| self.context.env().filled(name);
        let http = self.context.http();
        match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"), variable("IMDS_ENDPOINT")) {
            (Some(_), Some(_), _) if variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
                Err(SourceOutcome::NotConfigured("the managed identity of Service Fabric (`IDENTITY_SERVER_THUMBPRINT`) is not supported".to_owned()))
            }
            (Some(endpoint), Some(header), _) => AppService { endpoint, header: header.into(), http }.token(&self.audience, self.id.as_ref(), call).await,
            (Some(endpoint), None, Some(_)) => AzureArc::new(endpoint, self.context.env(), http).token(&self.audience, self.id.as_ref(), call).await,
            _ => self.imds.token(call).await,
        }
    }
}
