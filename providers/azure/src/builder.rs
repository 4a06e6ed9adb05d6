//! From a join string and the environment to an [`Azure`].
//!
//! [`AzureBuilder::from_config`] reads every key and reports every problem at once;
//! [`AzureBuilder::new`] is for programs that know what they want already. The keys are in
//! `keys.rs`; how the selection, the identity and the endpoints are put together from them in
//! `builder/`.

mod selection;
mod sign_in;

use std::sync::{Arc, Mutex};

use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::{ConfigError, ConfigProblem, ConfigString, Context, Result};
use cloud_autojoin_provider_kit::Options;
use url::Url;

use crate::arm::ArmClient;
use crate::cloud::Cloud;
use crate::credential::{Identity, MetadataService, authorizer};
use crate::discover::Caches;
use crate::instance_metadata;
use crate::keys::{ADDRESS_TYPE, INTERFACES, KEYS, POWER_STATE, PROVIDER_NAME, SUBSCRIPTION_ID};
use crate::provider::{Azure, Session};
use crate::select::{AddressType, AzureConfig, Interfaces, PowerState};

/// Puts an [`Azure`] together.
///
/// ```
/// use cloud_autojoin_azure::select::{Selection, TagCondition, Tags};
/// use cloud_autojoin_azure::{AzureBuilder, AzureConfig};
/// use cloud_autojoin_core::{Context, Env};
///
/// let context = Context::builder().env(Env::empty()).build()?;
/// let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
/// let config = AzureConfig::new("00000000-0000-0000-0000-000000000001", Selection::tags(tags));
/// let azure = AzureBuilder::new(&context, config).build()?;
/// assert_eq!(azure.config().subscription_id, "00000000-0000-0000-0000-000000000001");
/// # Ok::<(), cloud_autojoin_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AzureBuilder {
    context: Context,
    config: AzureConfig,
    names_subscription: bool,
    cloud: Cloud,
    identity: Identity,
    metadata_endpoint: Url,
}

impl AzureBuilder {
    /// A builder for public Azure, with the default chain of identities. The subscription, a
    /// resource group or a scale set `self` is that of the machine this runs on.
    pub fn new(context: &Context, config: AzureConfig) -> Self {
        Self {
            context: context.clone(),
            config,
            names_subscription: true,
            cloud: Cloud::default(),
            identity: Identity::default(),
            metadata_endpoint: instance_metadata::default_endpoint(),
        }
    }

    /// Reads a join string, and the environment where a key is absent. Unknown keys are ignored:
    /// the caller warns of them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](cloud_autojoin_core::Error::Config) with every problem of the string and
    /// the variables it falls back to.
    pub fn from_config(config: &ConfigString, context: &Context) -> Result<Self> {
        let mut options = Options::new(PROVIDER_NAME, KEYS, config, context.env());
        Self::from_options(&mut options, context)
    }

    /// As [`AzureBuilder::from_config`], of options that were checked against the key table.
    pub(crate) fn from_options(options: &mut Options<'_>, context: &Context) -> Result<Self> {
        // It would mean the machine's own subscription, where go-discover fails.
        if options.config().get(SUBSCRIPTION_ID.name) == Some("") {
            options.add_missing(&SUBSCRIPTION_ID, None);
        }
        let selection = selection::read(options);
        let identity = sign_in::identity(options);
        let cloud = sign_in::cloud(options);
        let metadata_endpoint = sign_in::metadata(options);
        let subscription_id = options.guid(&SUBSCRIPTION_ID);
        let names_subscription = options.is_given(&SUBSCRIPTION_ID);
        let address_type = options.word(&ADDRESS_TYPE, AddressType::from_word);
        let interfaces = options.word(&INTERFACES, Interfaces::from_word);
        let power_state = options.word(&POWER_STATE, PowerState::from_word);
        options.finish(|| {
            Some(Self {
                context: context.clone(),
                config: AzureConfig {
                    subscription_id: subscription_id?,
                    selection: selection?,
                    address_type: address_type?,
                    interfaces: interfaces?,
                    power_state: power_state?,
                },
                names_subscription,
                cloud,
                identity,
                metadata_endpoint,
            })
        })
    }

    /// Sets the cloud.
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Sets the identity that requests are sent as.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets where the instance metadata service is; by default its address in every Azure machine.
    #[must_use]
    pub fn metadata_endpoint(mut self, metadata_endpoint: Url) -> Self {
        self.metadata_endpoint = metadata_endpoint;
        self
    }

    /// Makes the provider. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](cloud_autojoin_core::Error::Config) when nothing is selected, a name in
    /// the selection is empty, or the subscription is no GUID.
    pub fn build(mut self) -> Result<Azure> {
        let mut problems = selection::incomplete(&mut self.config);
        let key = SUBSCRIPTION_ID.name;
        match Value::from_key(&SUBSCRIPTION_ID, key, &self.config.subscription_id).guid() {
            Ok(id) => self.config.subscription_id = id,
            Err(error) => problems.insert(0, ConfigProblem::of_key(key, error.to_string())),
        }
        if let Some(error) = ConfigError::from_problems(Some(PROVIDER_NAME), problems) {
            return Err(error.into());
        }
        let tenant_id = match &self.identity {
            Identity::ClientSecret { tenant_id, .. } => Some(tenant_id.clone()),
            Identity::Chain(options) => options.tenant_id.clone(),
            Identity::Custom(_) => None,
        };
        let (context, cloud) = (&self.context, self.cloud);
        let metadata = MetadataService::new(context, self.metadata_endpoint);
        let authorizer = authorizer(self.identity, &cloud, metadata.clone(), context);
        let authorizer = Arc::new(authorizer);
        let session = Session {
            metadata,
            tenant_id: tenant_id.or_else(|| context.env().filled("AZURE_TENANT_ID")),
            arm: ArmClient::new(context, &cloud, Arc::clone(&authorizer) as _),
            authorizer,
            caches: Caches::new(context.clock().clone()),
            resolved: Mutex::default(),
            cloud,
        };
        Ok(Azure::new(self.config, self.names_subscription, session))
    }
}
