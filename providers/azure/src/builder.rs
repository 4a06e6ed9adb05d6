//! From a join string and the environment to an [`Azure`] that can be asked.
//!
//! [`AzureBuilder::from_config`] reads every key and reports every problem at once; the setters are
//! for programs that know their values already. The keys are in `keys.rs`; how the selection and
//! the identity are put together from them in `builder/selection.rs` and `builder/identity.rs`.

mod endpoints;
mod identity;
mod selection;

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
use crate::keys::PROVIDER_NAME;
use crate::keys::{ADDRESS_TYPE, INTERFACES, KEYS, POWER_STATE, SELF, SUBSCRIPTION_ID};
use crate::provider::{Azure, Session};
use crate::select::{AddressType, AzureConfig, Interfaces, PowerState, Selection};

/// Puts an [`Azure`] together.
///
/// ```
/// use cloud_autojoin_azure::{AzureBuilder, select::{Selection, TagCondition, Tags}};
/// use cloud_autojoin_core::{Context, Env};
///
/// let context = Context::builder().env(Env::empty()).build()?;
/// let azure = AzureBuilder::new(&context)
///     .subscription_id("00000000-0000-0000-0000-000000000001")
///     .selection(Selection::tags(Tags::on_network_interface(vec![TagCondition::new("consul", "server")])))
///     .build()?;
/// assert_eq!(azure.config().subscription_id, "00000000-0000-0000-0000-000000000001");
/// # Ok::<(), cloud_autojoin_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AzureBuilder {
    context: Context,
    subscription_id: Option<String>,
    selection: Option<Selection>,
    address_type: AddressType,
    interfaces: Interfaces,
    power_state: PowerState,
    cloud: Cloud,
    identity: Identity,
    metadata_endpoint: Url,
    problems: Vec<ConfigProblem>,
}

impl AzureBuilder {
    /// A builder with nothing selected, for public Azure, with the default chain of identities.
    pub fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            subscription_id: None,
            selection: None,
            address_type: AddressType::default(),
            interfaces: Interfaces::default(),
            power_state: PowerState::default(),
            cloud: Cloud::default(),
            identity: Identity::default(),
            metadata_endpoint: instance_metadata::default_endpoint(),
            problems: Vec::new(),
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
        Self::from_options(
            &mut Options::new(PROVIDER_NAME, KEYS, config, context.env()),
            context,
        )
    }

    /// As [`AzureBuilder::from_config`], of options that were checked against the key table.
    pub(crate) fn from_options(options: &mut Options<'_>, context: &Context) -> Result<Self> {
        // It would mean the machine's own subscription, where go-discover fails.
        if options.config().get(SUBSCRIPTION_ID.name) == Some("") {
            options.add_missing(&SUBSCRIPTION_ID, None);
        }
        let builder = Self {
            subscription_id: options
                .guid(&SUBSCRIPTION_ID)
                .filter(|_| options.is_given(&SUBSCRIPTION_ID)),
            selection: selection::read(options),
            address_type: options
                .word(&ADDRESS_TYPE, AddressType::from_word)
                .unwrap_or_default(),
            interfaces: options
                .word(&INTERFACES, Interfaces::from_word)
                .unwrap_or_default(),
            power_state: options
                .word(&POWER_STATE, PowerState::from_word)
                .unwrap_or_default(),
            identity: identity::read(options),
            cloud: endpoints::cloud(options),
            metadata_endpoint: endpoints::metadata(options),
            ..Self::new(context)
        };
        options.check().map(|()| builder)
    }

    /// Sets the subscription: a GUID, or `self` for that of the machine this runs on, which is also
    /// the default.
    #[must_use]
    pub fn subscription_id(mut self, subscription_id: impl Into<String>) -> Self {
        match Value::from_key(
            &SUBSCRIPTION_ID,
            SUBSCRIPTION_ID.name,
            &subscription_id.into(),
        )
        .guid()
        {
            Ok(id) => self.subscription_id = Some(id),
            Err(error) => self.problems.push(ConfigProblem::of_key(
                SUBSCRIPTION_ID.name,
                error.to_string(),
            )),
        }
        self
    }

    /// Sets what is looked for. A resource group or scale set `self` is that of the machine this
    /// runs on.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.problems.extend(selection::incomplete(&selection));
        self.selection = Some(selection);
        self
    }

    /// Sets which addresses count.
    #[must_use]
    pub fn address_type(mut self, address_type: AddressType) -> Self {
        self.address_type = address_type;
        self
    }

    /// Sets which interfaces count.
    #[must_use]
    pub fn interfaces(mut self, interfaces: Interfaces) -> Self {
        self.interfaces = interfaces;
        self
    }

    /// Sets which power states count.
    #[must_use]
    pub fn power_state(mut self, power_state: PowerState) -> Self {
        self.power_state = power_state;
        self
    }

    /// Sets the cloud.
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Sets the identity to ask with.
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
    pub fn build(self) -> Result<Azure> {
        let mut problems = self.problems;
        if self.selection.is_none() {
            problems.push(selection::nothing_selected());
        }
        if let Some(error) = ConfigError::from_problems(Some(PROVIDER_NAME), problems) {
            return Err(error.into());
        }
        let Some(selection) = self.selection else {
            return Err(
                ConfigError::new(Some(PROVIDER_NAME), selection::nothing_selected()).into(),
            );
        };
        let names_subscription = self.subscription_id.is_some();
        let config = AzureConfig {
            subscription_id: self.subscription_id.unwrap_or_else(|| SELF.to_owned()),
            selection,
            address_type: self.address_type,
            interfaces: self.interfaces,
            power_state: self.power_state,
        };
        let (context, cloud) = (self.context, self.cloud);
        let tenant_id = match &self.identity {
            Identity::ClientSecret { tenant_id, .. } => Some(tenant_id.clone()),
            Identity::Chain(options) => options.tenant_id.clone(),
            _ => None,
        };
        let metadata = MetadataService::new(&context, self.metadata_endpoint);
        let authorizer = Arc::new(authorizer(
            self.identity,
            &cloud,
            metadata.clone(),
            &context,
        ));
        let session = Session {
            metadata,
            tenant_id: tenant_id.or_else(|| context.env().filled("AZURE_TENANT_ID")),
            arm: ArmClient::new(&context, &cloud, Arc::clone(&authorizer) as _),
            authorizer,
            caches: Caches::new(context.clock().clone()),
            resolved: Mutex::default(),
            cloud,
        };
        Ok(Azure::new(config, names_subscription, session))
    }
}
