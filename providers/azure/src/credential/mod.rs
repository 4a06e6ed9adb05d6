//! The identities that requests are sent as, and the order in which they are tried.
//!
//! A source is a [`SourceKind`] and a function that requests its token. Those that use Microsoft
//! Entra ID are in `entra.rs`, which uses `azure_identity`; the others are own code, for the reason
//! in each file. The order is that of the Azure SDKs' default chain. The chain itself (a source
//! that is configured and fails is the error; one that is absent gives its reason) and the token
//! cache are shared with the other clouds.

mod certificate;
mod developer_tools;
mod entra;
mod identity;
pub(crate) mod imds;
mod managed_identity;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, CredentialSource};
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Context, Secret};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use url::Url;

pub use cloud_autojoin_core::credential::AccessToken;

pub use self::identity::{ChainOptions, Identity, ManagedIdentityId, SourceKind};
pub(crate) use self::imds::MetadataService;

use self::token::TokenResult;
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
    let (application, options) = match identity {
        Identity::Custom(source) => return bearer(vec![Box::new(source)], cloud),
        Identity::ClientSecret {
            tenant_id,
            client_id,
            client_secret,
        } => (
            Some((tenant_id, client_id, client_secret)),
            ChainOptions::default(),
        ),
        Identity::Chain(options) => (None, options),
    };
    let kinds = match &options.sources {
        _ if application.is_some() => vec![SourceKind::Environment],
        // An id that only managed identities have selects that source alone.
        _ if options.managed_identity.is_some() => vec![SourceKind::ManagedIdentity],
        Some(sources) => sources.clone(),
        None => SourceKind::CHAIN.to_vec(),
    };
    let setup = Arc::new(Setup {
        application,
        options,
        cloud: cloud.clone(),
        metadata,
        context: context.clone(),
    });
    let last = kinds.len().saturating_sub(1);
    let source = |(index, kind)| -> Box<dyn CredentialSource> {
        Box::new(AzureSource {
            kind,
            has_next: index < last,
            setup: Arc::clone(&setup),
        })
    };
    bearer(kinds.into_iter().enumerate().map(source).collect(), cloud)
}

fn bearer(sources: Vec<Box<dyn CredentialSource>>, cloud: &Cloud) -> BearerAuthorizer {
    let chain = Chain::new(PROVIDER_NAME, sources).with_hint(
        "give this machine a managed identity, or set `tenant_id`, `client_id` and `secret_access_key` (`ARM_TENANT_ID`, `ARM_CLIENT_ID`, `ARM_CLIENT_SECRET`), or sign in with `az login`",
    );
    BearerAuthorizer::new(PROVIDER_NAME, chain, cloud.scope())
}

/// What all sources read.
#[derive(Debug)]
struct Setup {
    /// The application of the join string: tenant, client id, client secret.
    application: Option<(String, String, Secret)>,
    options: ChainOptions,
    cloud: Cloud,
    metadata: MetadataService,
    context: Context,
}

impl Setup {
    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        self.context.env().filled(name)
    }

    /// The client id of the workload identity or the managed identity.
    fn client_id(&self) -> Option<String> {
        let given = self.options.client_id.clone();
        given.or_else(|| self.variable("AZURE_CLIENT_ID"))
    }

    /// The managed identity that is chosen; none: the system-assigned one.
    fn managed_identity(&self) -> Option<ManagedIdentityId> {
        let given = self.options.managed_identity.clone();
        given.or_else(|| self.client_id().map(ManagedIdentityId::ClientId))
    }

    /// A request for a token of the managed identity, in the form of the metadata service, App
    /// Service and Azure Arc.
    fn token_request(
        &self,
        operation: &str,
        mut url: Url,
        api_version: &str,
        id_names: [&'static str; 3],
    ) -> Request {
        let id = self.managed_identity();
        url.query_pairs_mut()
            .append_pair("api-version", api_version)
            .append_pair("resource", &self.cloud.audience)
            .extend_pairs(id.as_ref().map(|id| id.parameter(id_names)));
        Request::get(operation, url)
    }
}

/// One source of Azure.
#[derive(Debug)]
struct AzureSource {
    kind: SourceKind,
    /// Whether another source follows.
    has_next: bool,
    setup: Arc<Setup>,
}

#[async_trait]
impl CredentialSource for AzureSource {
    fn name(&self) -> &'static str {
        match self.kind {
            SourceKind::Environment if self.setup.application.is_some() => "client secret",
            SourceKind::Environment => "environment",
            SourceKind::WorkloadIdentity => "workload identity",
            SourceKind::ManagedIdentity => "managed identity",
            SourceKind::AzureCli => "Azure CLI",
            SourceKind::AzureDeveloperCli => "Azure Developer CLI",
        }
    }

    fn identity(&self) -> String {
        let (setup, name) = (&self.setup, self.name());
        let id = match self.kind {
            SourceKind::Environment => {
                let application = setup.application.as_ref().map(|(_, id, _)| id.clone());
                let id = application.or_else(|| setup.variable("AZURE_CLIENT_ID"));
                id.map(|id| format!("application `{id}`"))
            }
            SourceKind::WorkloadIdentity => setup.client_id().map(|id| format!("client id `{id}`")),
            SourceKind::ManagedIdentity => {
                let id = setup.managed_identity();
                Some(id.map_or_else(|| "this machine".to_owned(), |id| id.to_string()))
            }
            SourceKind::AzureCli | SourceKind::AzureDeveloperCli => None,
        };
        id.map_or_else(|| name.to_owned(), |id| format!("{name} of {id}"))
    }

    async fn token(&self, _: &str, call: &Call) -> TokenResult {
        let setup = &*self.setup;
        match self.kind {
            SourceKind::Environment => entra::application(setup, call).await,
            SourceKind::WorkloadIdentity => entra::workload_identity(setup, call).await,
            SourceKind::ManagedIdentity => {
                managed_identity::token(setup, self.has_next, call).await
            }
            SourceKind::AzureCli => developer_tools::az(setup, call).await,
            SourceKind::AzureDeveloperCli => developer_tools::azd(setup, call).await,
        }
    }
}
