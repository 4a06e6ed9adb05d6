//! The configured provider: [`Azure`].
//!
//! `builder.rs` makes one; `discover/` sends the requests, with the client of `arm/`, whose tokens
//! come from `credential/`.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::{Call, Discovery, Error, Provider, Result};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use futures::future::{Either, select};

use crate::arm::ArmClient;
use crate::cloud::Cloud;
use crate::credential::MetadataService;
use crate::discover::{self, Caches, Query};
use crate::instance_metadata::{resolve, self_key};
use crate::keys::{PROVIDER_NAME, SELF};
use crate::select::AzureConfig;

/// Azure, configured.
///
/// It keeps its token, its connections, the orchestration modes it has seen, and for ten minutes
/// the tags of a scale set, from one call to the next. Clones share all of these.
#[derive(Clone)]
pub struct Azure {
    config: AzureConfig,
    /// Whether join string or environment name the subscription, be it by `self`.
    names_subscription: bool,
    session: Arc<Session>,
}

/// What lives longer than a call.
pub(crate) struct Session {
    pub(crate) cloud: Cloud,
    pub(crate) metadata: MetadataService,
    /// The tenant that join string or environment names.
    pub(crate) tenant_id: Option<String>,
    pub(crate) authorizer: Arc<BearerAuthorizer>,
    pub(crate) arm: ArmClient,
    pub(crate) caches: Caches,
    /// What the words `self` meant the last time.
    pub(crate) resolved: Mutex<Option<AzureConfig>>,
}

impl Azure {
    pub(crate) fn new(config: AzureConfig, names_subscription: bool, session: Session) -> Self {
        Self {
            config,
            names_subscription,
            session: Arc::new(session),
        }
    }

    /// What is selected. Where the join string has `self`, that word is kept.
    pub fn config(&self) -> &AzureConfig {
        &self.config
    }

    /// The endpoints in use.
    pub fn cloud(&self) -> &Cloud {
        &self.session.cloud
    }

    /// The identity in use, once it is known: `managed identity`, never a secret.
    pub fn identity(&self) -> Option<String> {
        self.session.arm.api().identity()
    }
}

#[async_trait]
impl Provider for Azure {
    fn name(&self) -> &'static str {
        PROVIDER_NAME
    }

    fn subject(&self) -> String {
        self.config.selection.to_string()
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let (cloud, tenant_id) = (&self.session.cloud, &self.session.tenant_id);
        let mut scope = vec![
            ("environment", cloud.environment.word().to_owned()),
            ("authority_host", cloud.authority.to_string()),
            ("arm_endpoint", cloud.resource_manager.to_string()),
        ];
        let tenant = tenant_id.as_ref();
        scope.extend(tenant.map(|tenant| ("tenant_id", tenant.to_ascii_lowercase())));
        let resolved = self.session.resolved();
        let config = resolved.as_ref().unwrap_or(&self.config);
        if config.subscription_id != SELF {
            scope.push(("subscription_id", config.subscription_id.clone()));
        }
        if resolved.is_some() {
            scope.push(("selection", config.selection.to_string()));
        }
        scope
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        // The connection to ARM is opened while the token is fetched.
        self.session
            .arm
            .api()
            .connecting(call, self.sign_in_and_run(call))
            .await
    }
}

impl Azure {
    async fn sign_in_and_run(&self, call: &Call) -> Result<Discovery> {
        let session = &*self.session;
        let query = |config| Query {
            config,
            arm: &session.arm,
            caches: &session.caches,
            call,
        };
        // One token, and not one for each of the requests that follow side by side.
        let sign_in = session.authorizer.token(call);
        let is_complete = self.config.subscription_id != SELF
            && self_key(&self.config, self.names_subscription).is_none();
        if is_complete {
            sign_in.await?;
            return discover::run(query(&self.config)).await;
        }
        // Neither waits for the other. Without a metadata service both fail, and the missing
        // metadata are the more useful error than the missing token.
        let (names_subscription, metadata) = (self.names_subscription, &session.metadata);
        let resolve = resolve(&self.config, names_subscription, metadata, call);
        let (config, signed_in) = match select(pin!(resolve), pin!(sign_in)).await {
            Either::Left((config, signing_in)) => (config?, signing_in.await),
            Either::Right((signed_in, resolving)) => (resolving.await?, signed_in),
        };
        metadata.note_seen();
        match signed_in {
            // The service returned the metadata, slowly: it is there, and its token is waited for.
            Err(Error::Credential(error)) if error.has_unreachable_source() => {
                session.authorizer.token(call).await?
            }
            signed_in => signed_in?,
        };
        *session.resolved() = Some(config.clone());
        // The words `self` are replaced for this call only: a machine image that was captured and
        // started elsewhere must not remember.
        discover::run(query(&config)).await
    }
}

impl Session {
    fn resolved(&self) -> MutexGuard<'_, Option<AzureConfig>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure")
            .field("config", &self.config)
            .field("cloud", &self.session.cloud)
            .finish_non_exhaustive()
    }
}
