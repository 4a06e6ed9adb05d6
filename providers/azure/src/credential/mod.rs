//! The identities that requests are sent as, and the order in which they are tried.
//!
//! A source is a variant of `Kind` and a function that requests its token, with what all of them
//! read in `setup.rs`. Those that speak to Microsoft Entra ID go through `entra.rs`, which uses
//! `azure_identity`; the others are own code, each file says why. The order is that of the Azure
//! SDKs' default chain. The chain itself (a source that is configured and fails is the error; one
//! that is absent gives its reason) and the token cache are shared with the other clouds.

mod arc;
mod certificate;
mod developer_tools;
mod entra;
mod environment;
mod identity;
mod imds;
mod managed_identity;
pub(crate) mod metadata;
mod setup;
mod token_response;

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Context, Secret};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;

pub use cloud_autojoin_core::credential::AccessToken;

pub use self::identity::{ChainOptions, Identity, ManagedIdentityId, SourceKind};
pub(crate) use self::metadata::MetadataService;

use self::entra::ClientAuth;
use self::setup::Setup;
use crate::cloud::Cloud;
use crate::keys::PROVIDER_NAME;

/// Authorises requests to the Azure Resource Manager of `cloud` as `identity`. Sends nothing and
/// reads no file until a token is needed.
pub(crate) fn authorizer(
    identity: Identity,
    cloud: &Cloud,
    metadata: MetadataService,
    context: &Context,
) -> BearerAuthorizer {
    let setup = |options| {
        Arc::new(Setup {
            options,
            cloud: cloud.clone(),
            metadata,
            context: context.clone(),
        })
    };
    let sources: Vec<Box<dyn CredentialSource>> = match identity {
        Identity::Custom(source) => vec![Box::new(source)],
        Identity::ClientSecret {
            tenant_id,
            client_id,
            client_secret,
        } => vec![Box::new(AzureSource {
            kind: Kind::ClientSecret(tenant_id, client_id, client_secret),
            setup: setup(ChainOptions::default()),
        })],
        Identity::Chain(options) => {
            // An id that only managed identities have selects that source alone.
            let kinds = match (&options.managed_identity, &options.sources) {
                (Some(_), _) => vec![SourceKind::ManagedIdentity],
                (None, Some(sources)) => sources.clone(),
                (None, None) => SourceKind::CHAIN.to_vec(),
            };
            let setup = setup(options);
            let last = kinds.len().saturating_sub(1);
            let source = |(index, kind)| -> Box<dyn CredentialSource> {
                Box::new(AzureSource {
                    kind: Kind::Chain(kind, index < last),
                    setup: Arc::clone(&setup),
                })
            };
            kinds.into_iter().enumerate().map(source).collect()
        }
    };
    let chain = Chain::new(PROVIDER_NAME, sources).with_hint(
        "give this machine a managed identity, or set `tenant_id`, `client_id` and `secret_access_key` (`ARM_TENANT_ID`, `ARM_CLIENT_ID`, `ARM_CLIENT_SECRET`), or sign in with `az login`",
    );
    BearerAuthorizer::new(PROVIDER_NAME, chain, cloud.scope())
}

/// One source of Azure.
#[derive(Debug)]
struct AzureSource {
    kind: Kind,
    setup: Arc<Setup>,
}

#[derive(Debug)]
enum Kind {
    /// An application of the join string: tenant, client id, client secret.
    ClientSecret(String, String, Secret),
    /// A source of the chain, and whether another one follows.
    Chain(SourceKind, bool),
}

#[async_trait]
impl CredentialSource for AzureSource {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::ClientSecret(..) => "client secret",
            Kind::Chain(SourceKind::Environment, _) => "environment",
            Kind::Chain(SourceKind::WorkloadIdentity, _) => "workload identity",
            Kind::Chain(SourceKind::ManagedIdentity, _) => "managed identity",
            Kind::Chain(SourceKind::AzureCli, _) => "Azure CLI",
            Kind::Chain(SourceKind::AzureDeveloperCli, _) => "Azure Developer CLI",
        }
    }

    fn identity(&self) -> String {
        let (setup, name) = (&self.setup, self.name());
        let application = |id| Some(format!("application `{id}`"));
        let of = match &self.kind {
            Kind::ClientSecret(_, client_id, _) => application(client_id.clone()),
            Kind::Chain(SourceKind::Environment, _) => {
                setup.variable("AZURE_CLIENT_ID").and_then(application)
            }
            Kind::Chain(SourceKind::WorkloadIdentity, _) => {
                setup.client_id().map(|id| format!("client id `{id}`"))
            }
            Kind::Chain(SourceKind::ManagedIdentity, _) => {
                let id = setup.managed_identity().map(|id| id.to_string());
                id.or_else(|| Some("this machine".to_owned()))
            }
            Kind::Chain(SourceKind::AzureCli | SourceKind::AzureDeveloperCli, _) => None,
        };
        of.map_or_else(|| name.to_owned(), |of| format!("{name} of {of}"))
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let setup = &self.setup;
        match &self.kind {
            Kind::ClientSecret(tenant_id, client_id, secret) => {
                let auth = ClientAuth::Secret(secret.clone());
                entra::sign_in(setup, tenant_id, client_id, auth, scope, call).await
            }
            Kind::Chain(SourceKind::Environment, _) => {
                environment::application(setup, scope, call).await
            }
            Kind::Chain(SourceKind::WorkloadIdentity, _) => {
                environment::workload_identity(setup, scope, call).await
            }
            Kind::Chain(SourceKind::ManagedIdentity, has_next) => {
                managed_identity::token(setup, *has_next, call).await
            }
            Kind::Chain(SourceKind::AzureCli, _) => developer_tools::az(setup, call).await,
            Kind::Chain(SourceKind::AzureDeveloperCli, _) => {
                developer_tools::azd(setup, scope, call).await
            }
        }
    }
}
