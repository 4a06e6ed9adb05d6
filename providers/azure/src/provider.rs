//! The configured provider: [`Azure`].
//!
//! `builder.rs` makes one; `discover/` sends the requests, with the client of `arm/`, whose tokens
//! come from `credential/`.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::{Call, Context, Discovery, Error, Provider, Result};
use futures::future::{Either, select};
use url::Url;

use crate::arm::ArmClient;
use crate::cloud::Cloud;
use crate::credential::Credentials;
use crate::discover::{self, Caches, Query};
use crate::instance_metadata::{self, SelfReferences};
use crate::keys::PROVIDER_NAME;
use crate::select::AzureConfig;

/// Azure, configured.
///
/// It keeps its token, its connections, the orchestration modes it has seen, and for ten minutes
/// the tags of a scale set, from one call to the next. Clones share all of these.
#[derive(Clone)]
pub struct Azure {
    config: AzureConfig,
    self_references: SelfReferences,
    session: Arc<Session>,
}

/// What lives longer than a call.
struct Session {
    context: Context,
    cloud: Cloud,
    metadata_endpoint: Url,
    /// The tenant that join string or environment names.
    tenant_id: Option<String>,
    /// What the words `self` meant the last time: subscription and selection.
    resolved: Mutex<Option<(String, String)>>,
    credentials: Arc<Credentials>,
    arm: ArmClient,
    caches: Caches,
}

impl Azure {
    pub(crate) fn new(
        config: AzureConfig,
        self_references: SelfReferences,
        context: Context,
        cloud: Cloud,
        credentials: Credentials,
        metadata_endpoint: Url,
        tenant_id: Option<String>,
    ) -> Self {
        let credentials = Arc::new(credentials);
        let arm = ArmClient::new(&context, &cloud, Arc::clone(&credentials) as _);
        let caches = Caches::new(context.clock().clone());
        let session = Session {
            context,
            cloud,
            metadata_endpoint,
            tenant_id,
            resolved: Mutex::default(),
            credentials,
            arm,
            caches,
        };
        Self {
            config,
            self_references,
            session: Arc::new(session),
        }
    }

    /// What is selected. Where the join string says `self`, that word is kept.
    pub fn config(&self) -> &AzureConfig {
        &self.config
    }

    /// The endpoints in use.
    pub fn cloud(&self) -> &Cloud {
        &self.session.cloud
    }

    /// The identity in use, once it is known: `managed identity`, never a secret.
    pub fn identity(&self) -> Option<String> {
        self.session.arm.identity()
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
        let Session {
            cloud,
            tenant_id,
            resolved,
            ..
        } = &*self.session;
        let mut scope = vec![
            ("environment", cloud.environment.word().to_owned()),
            ("authority_host", cloud.authority.to_string()),
            ("arm_endpoint", cloud.resource_manager.to_string()),
        ];
        scope.extend(
            tenant_id
                .clone()
                .map(|tenant| ("tenant_id", tenant.to_ascii_lowercase())),
        );
        if self.self_references.subscription.is_none() {
            scope.push(("subscription_id", self.config.subscription_id.clone()));
        }
        if let Some((subscription, selection)) = resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            if self.self_references.subscription.is_some() {
                scope.push(("subscription_id", subscription));
            }
            scope.push(("selection", selection));
        }
        scope
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        // The connection to ARM is opened while the token is fetched.
        self.session
            .arm
            .connecting(call, self.sign_in_and_run(call))
            .await
    }
}

impl Azure {
    async fn sign_in_and_run(&self, call: &Call) -> Result<Discovery> {
        let Session {
            context,
            metadata_endpoint,
            resolved,
            credentials,
            arm,
            caches,
            ..
        } = &*self.session;
        let query = |config| Query {
            config,
            arm,
            caches,
            call,
        };
        // One token, and not one for each of the requests that follow side by side.
        let sign_in = credentials.token(call);
        if self.self_references.is_empty() {
            sign_in.await?;
            return discover::run(query(&self.config)).await;
        }
        // Neither waits for the other. Without a metadata service both fail, and that it knows
        // nothing of this machine says more than that it has no token.
        let resolve = instance_metadata::resolve(
            &self.config,
            self.self_references,
            metadata_endpoint,
            context,
            call,
        );
        let (config, signed_in) = match select(pin!(resolve), pin!(sign_in)).await {
            Either::Left((config, signing_in)) => (config?, signing_in.await),
            Either::Right((signed_in, resolving)) => (resolving.await?, signed_in),
        };
        credentials.note_metadata_service();
        match signed_in {
            // The service returned the metadata, slowly: it is there, and its token is waited for.
            Err(Error::Credential(error)) if error.has_unreachable_source() => {
                credentials.token(call).await?
            }
            signed_in => signed_in?,
        };
        let now = (config.subscription_id.clone(), config.selection.to_string());
        *resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        // The words `self` are replaced for this call only: a machine image that was captured and
        // started elsewhere must not remember.
        discover::run(query(&config)).await
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
