//! The configured provider: [`Azure`].
//!
//! `builder.rs` makes one; `discover/` does the asking, with the client of `arm/`, whose tokens come from `credential/`.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cloud_autojoin_core::{Call, Context, Discovery, Error, Provider, Result};
use futures::future::{Either, select};
use url::Url;

use crate::arm::ArmClient;
use crate::cloud::Cloud;
use crate::config::{AzureConfig, OrchestrationMode};
use crate::credential::Credentials;
use crate::discover;
use crate::instance_metadata::{self, Own};
use crate::scale_set_tags::ScaleSetTags;

/// The name after `provider=`, and in errors.
pub const PROVIDER_NAME: &str = "azure";

/// Azure, ready to be asked.
///
/// It keeps its token, its connections, the orchestration modes it has seen, and for ten minutes the tags of a scale set, from one call to the next. Clones share all of these.
#[derive(Clone)]
pub struct Azure {
    config: AzureConfig,
    own: Own,
    session: Arc<Session>,
}

/// What lives longer than a call.
struct Session {
    context: Context,
    cloud: Cloud,
    metadata_endpoint: Url,
    /// The tenant that join string or environment names.
    tenant_id: Option<String>,
    /// What the words `self` stood for the last time: subscription and selection.
    resolved: Mutex<Option<(String, String)>>,
    credentials: Arc<Credentials>,
    arm: ArmClient,
    modes: Mutex<BTreeMap<String, OrchestrationMode>>,
    scale_set_tags: ScaleSetTags,
}

impl Azure {
    pub(crate) fn new(
        config: AzureConfig,
        own: Own,
        context: Context,
        cloud: Cloud,
        credentials: Credentials,
        metadata_endpoint: Url,
        tenant_id: Option<String>,
    ) -> Self {
        let credentials = Arc::new(credentials);
        let arm = ArmClient::new(context.http().clone(), cloud.clone(), Arc::clone(&credentials));
        let scale_set_tags = ScaleSetTags::new(context.clock().clone());
        let (resolved, modes) = (Mutex::default(), Mutex::default());
        let session = Session { context, cloud, metadata_endpoint, tenant_id, resolved, credentials, arm, modes, scale_set_tags };
        Self { config, own, session: Arc::new(session) }
    }

    /// What is looked for. Where the join string says `self`, that word stands here.
    pub fn config(&self) -> &AzureConfig {
        &self.config
    }

    /// Where it is looked for.
    pub fn cloud(&self) -> &Cloud {
        &self.session.cloud
    }

    /// The identity that is asked with, once it is known: `managed identity`, never a secret.
    pub fn identity(&self) -> Option<String> {
        self.session.credentials.description()
    }

    /// The client for Azure Resource Manager.
    pub(crate) fn arm(&self) -> &ArmClient {
        &self.session.arm
    }

    /// The tags of scale sets that were read lately.
    pub(crate) fn scale_set_tags(&self) -> &ScaleSetTags {
        &self.session.scale_set_tags
    }

    /// The mode that a scale set was last seen to have. `scale_set_id` is its resource id in any case.
    pub(crate) fn remembered_mode(&self, scale_set_id: &str) -> Option<OrchestrationMode> {
        self.modes(|modes| modes.get(&scale_set_id.to_ascii_lowercase()).copied())
    }

    /// Remembers the mode of a scale set, which never changes while the set exists; `None` forgets it, for a set that is gone.
    pub(crate) fn remember_mode(&self, scale_set_id: &str, mode: Option<OrchestrationMode>) {
        let id = scale_set_id.to_ascii_lowercase();
        self.modes(|modes| match mode {
            Some(mode) => modes.insert(id, mode),
            None => modes.remove(&id),
        });
    }

    fn modes<T>(&self, look: impl FnOnce(&mut BTreeMap<String, OrchestrationMode>) -> T) -> T {
        look(&mut self.session.modes.lock().unwrap_or_else(PoisonError::into_inner))
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
        let Session { cloud, tenant_id, resolved, .. } = &*self.session;
        let mut scope = vec![
            ("environment", cloud.environment.word().to_owned()),
            ("authority_host", cloud.authority.to_string()),
            ("arm_endpoint", cloud.resource_manager.to_string()),
        ];
        scope.extend(tenant_id.clone().map(|tenant| ("tenant_id", tenant.to_ascii_lowercase())));
        if self.own.subscription.is_none() {
            scope.push(("subscription_id", self.config.subscription_id.clone()));
        }
        if let Some((subscription, selection)) = resolved.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            if self.own.subscription.is_some() {
                scope.push(("subscription_id", subscription));
            }
            scope.push(("selection", selection));
        }
        scope
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        // The connection to ARM is opened while the token is fetched.
        match select(pin!(self.ask(call)), pin!(self.arm().connect(call))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), asking)) => asking.await,
        }
    }
}

impl Azure {
    async fn ask(&self, call: &Call) -> Result<Discovery> {
        // One token, and not one for each of the requests that follow side by side.
        let sign_in = self.arm().sign_in(call);
        if self.own.is_nothing() {
            sign_in.await?;
            return discover::run(self, call).await;
        }
        // Neither waits for the other. Where there is no metadata service both fail, and that it knows nothing of this machine says more than that it has no token.
        let resolve = instance_metadata::resolve(&self.config, self.own, &self.session.metadata_endpoint, &self.session.context, call);
        let (config, signed_in) = match select(pin!(resolve), pin!(sign_in)).await {
            Either::Left((config, signing_in)) => (config?, signing_in.await),
            Either::Right((signed_in, resolving)) => (resolving.await?, signed_in),
        };
        self.session.credentials.note_metadata_service();
        match signed_in {
            // The service answered the other question, slowly: it is there, and is waited for.
            Err(Error::Credential(error)) if error.has_unreachable_source() => self.arm().sign_in(call).await?,
            signed_in => signed_in?,
        }
        let resolved = (config.subscription_id.clone(), config.selection.to_string());
        *self.session.resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(resolved);
        // The words `self` are replaced for this call only: a machine image that was captured and started elsewhere must not remember.
        discover::run(&Self { config, own: Own::default(), session: Arc::clone(&self.session) }, call).await
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("config", &self.config).field("cloud", &self.session.cloud).finish_non_exhaustive()
    }
}
