//! The identities that requests are sent as, the order in which they are tried, and the tokens they
//! give.
//!
//! One file for each source. Those that speak to Microsoft Entra ID go through `entra.rs`, which
//! uses `azure_identity`; the others are own code, each file says why. The order is that of the
//! Azure SDKs' default chain: environment, workload identity, managed identity, Azure CLI, Azure
//! Developer CLI. The chain itself (a source that is configured and fails is the error; one that is
//! absent gives its reason) and the token cache are core's.

mod app_service;
mod arc;
mod certificate;
mod client_secret;
mod developer_tools;
mod entra;
mod environment;
mod identity;
pub(crate) mod imds;
mod managed_identity;
pub(crate) mod token_answer;
mod workload_identity;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, Result};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use url::Url;

pub use cloud_autojoin_core::credential::AccessToken;

pub use self::identity::{ChainFilter, ChainOptions, Identity, ManagedIdentityId, SourceKind};

use self::client_secret::ClientSecret;
use self::developer_tools::{AzureCli, AzureDeveloperCli};
use self::entra::Entra;
use self::environment::Environment;
use self::managed_identity::ManagedIdentity;
use self::workload_identity::WorkloadIdentity;
use crate::cloud::Cloud;
use crate::keys::PROVIDER_NAME;

/// The tokens of the chosen identity for Azure Resource Manager.
pub struct Credentials {
    bearer: BearerAuthorizer,
    details: Vec<(&'static str, String)>,
    /// Whether the metadata service of this machine was there once.
    metadata_seen: Arc<AtomicBool>,
}

impl Credentials {
    /// Credentials for `cloud`. Sends nothing and reads no file.
    pub(crate) fn new(
        identity: Identity,
        cloud: &Cloud,
        metadata_endpoint: &Url,
        context: &Context,
    ) -> Self {
        let mut details = Vec::new();
        let metadata_seen = Arc::default();
        let sources: Vec<Box<dyn Source>> = match identity {
            Identity::ClientSecret {
                tenant_id,
                client_id,
                client_secret,
            } => {
                details.push((ClientSecret::NAME, format!("of application `{client_id}`")));
                let entra = Entra {
                    http: context.http().clone(),
                    authority: cloud.authority.clone(),
                    tenant_id,
                    client_id,
                };
                vec![Box::new(ClientSecret {
                    entra,
                    secret: client_secret,
                })]
            }
            Identity::Chain(options) => default_chain(
                &options,
                cloud,
                metadata_endpoint,
                context,
                &metadata_seen,
                &mut details,
            ),
            Identity::Custom(source) => vec![Box::new(Shared(source))],
        };
        let chain = Chain::new(PROVIDER_NAME, sources).with_hint(
            "give this machine a managed identity, or set `tenant_id`, `client_id` and `secret_access_key` (`ARM_TENANT_ID`, `ARM_CLIENT_ID`, `ARM_CLIENT_SECRET`), or sign in with `az login`",
        );
        Self {
            bearer: BearerAuthorizer::new(PROVIDER_NAME, chain, cloud.scope()),
            details,
            metadata_seen,
        }
    }

    /// A token for Azure Resource Manager: the one at hand while it is good, else a new one.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](cloud_autojoin_core::Error::Credential) with every source asked.
    pub async fn token(&self, call: &Call) -> Result<AccessToken> {
        self.bearer.token(call).await
    }

    /// Notes that the metadata service of this machine answered, so that a token is waited for
    /// there.
    pub(crate) fn note_metadata_service(&self) {
        self.metadata_seen.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Authorizer for Credentials {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        self.bearer.authorize(request, call).await
    }

    async fn refresh(&self, refused: &Request) -> bool {
        self.bearer.refresh(refused).await
    }

    /// The identity that gave the last token, in words: `client secret of application ...`.
    fn identity(&self) -> Option<String> {
        let chosen = self.bearer.identity()?;
        let detail = self.details.iter().find(|(source, _)| *source == chosen);
        Some(detail.map_or_else(
            || chosen.clone(),
            |(_, detail)| format!("{chosen} {detail}"),
        ))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}

/// The sources of the chain in order, as far as they are wanted; into `details` goes what is known
/// of each beforehand.
fn default_chain(
    options: &ChainOptions,
    cloud: &Cloud,
    metadata_endpoint: &Url,
    context: &Context,
    metadata_seen: &Arc<AtomicBool>,
    details: &mut Vec<(&'static str, String)>,
) -> Vec<Box<dyn Source>> {
    let client_id = || {
        options
            .client_id
            .clone()
            .or_else(|| context.env().filled("AZURE_CLIENT_ID"))
    };
    // Whoever names a managed identity by an id that nothing else has means that one.
    let filter = match &options.managed_identity {
        Some(_) => Some(ChainFilter::Only(SourceKind::ManagedIdentity)),
        None => options.filter,
    };
    let wanted: Vec<_> = SourceKind::CHAIN
        .into_iter()
        .filter(|kind| filter.is_none_or(|filter| filter.has(*kind)))
        .collect();
    let last = wanted.last().copied();
    let source = |kind| -> Box<dyn Source> {
        match kind {
            SourceKind::Environment => {
                details.extend(
                    context
                        .env()
                        .filled("AZURE_CLIENT_ID")
                        .map(|id| (Environment::NAME, format!("of application `{id}`"))),
                );
                Box::new(Environment::new(options.client_id.clone(), cloud, context))
            }
            SourceKind::WorkloadIdentity => {
                details.extend(
                    client_id().map(|id| (WorkloadIdentity::NAME, format!("of client id `{id}`"))),
                );
                Box::new(WorkloadIdentity::new(
                    options.tenant_id.clone(),
                    client_id(),
                    cloud,
                    context,
                ))
            }
            SourceKind::ManagedIdentity => {
                let id = options
                    .managed_identity
                    .clone()
                    .or_else(|| client_id().map(ManagedIdentityId::ClientId));
                details.push((
                    ManagedIdentity::NAME,
                    id.as_ref()
                        .map_or_else(|| "of this machine".to_owned(), |id| format!("of {id}")),
                ));
                Box::new(ManagedIdentity::new(
                    id,
                    cloud,
                    metadata_endpoint,
                    context,
                    last != Some(kind),
                    Arc::clone(metadata_seen),
                ))
            }
            SourceKind::AzureCli => {
                Box::new(AzureCli::new(options.tenant_id.clone(), cloud, context))
            }
            SourceKind::AzureDeveloperCli => {
                Box::new(AzureDeveloperCli::new(options.tenant_id.clone(), context))
            }
        }
    };
    wanted.into_iter().map(source).collect()
}

/// A source that others hold too.
#[derive(Debug)]
struct Shared(Arc<dyn Source>);

#[async_trait]
impl Source for Shared {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        self.0.token(scope, call).await
    }
}
