//! From a join string and the environment to an [`Azure`] that can be asked.
//!
//! [`AzureBuilder::from_config`] reads every key and reports every problem at once; the setters are for programs that know their values already. What the keys are stands in
//! `key.rs`; how the selection and the identity are put together from them in `builder/selection.rs` and `builder/identity.rs`.

mod endpoints;
mod identity;
mod selection;

use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::{ConfigError, ConfigProblem, ConfigString, Context, Result};
use url::Url;

use crate::azure::{Azure, PROVIDER_NAME};
use crate::cloud::Cloud;
use crate::config::{AddressType, AzureConfig, Interfaces, PowerState, Selection};
use crate::credential::{Credentials, Identity};
use crate::instance_metadata::{self, Own, OwnSubscription};
use crate::key::{AzureKey, SELF};
use crate::reader::Reader;

/// Puts an [`Azure`] together.
///
/// ```
/// use cloud_autojoin_azure::{AzureBuilder, config::{Selection, TagCondition, Tags}};
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
        }
    }

    /// Reads a join string, and the environment where a key is absent. Unknown keys are left alone: the caller warns of them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](cloud_autojoin_core::Error::Config) with every problem of the string and the variables it falls back to.
    pub fn from_config(config: &ConfigString, context: &Context) -> Result<Self> {
        let mut reader = Reader::new(config, context.env());
        let subscription_id = reader.read(AzureKey::SubscriptionId, |value| if value.raw() == SELF { Ok(SELF.to_owned()) } else { value.guid() }).value();
        let selection = selection::read(&mut reader);
        let address_type = reader.word(AzureKey::AddressType, AddressType::WORDS, AddressType::from_word).value();
        let interfaces = reader.word(AzureKey::Interfaces, Interfaces::WORDS, Interfaces::from_word).value();
        let power_state = reader.word(AzureKey::PowerState, PowerState::WORDS, PowerState::from_word).value();
        let identity = identity::read(&mut reader);
        let cloud = endpoints::cloud(&mut reader, config);
        let metadata_endpoint = endpoints::metadata(&mut reader);
        if let Some(error) = ConfigError::from_problems(Some(PROVIDER_NAME), reader.into_problems()) {
            return Err(error.into());
        }
        Ok(Self {
            subscription_id,
            selection,
            address_type: address_type.unwrap_or_default(),
            interfaces: interfaces.unwrap_or_default(),
            power_state: power_state.unwrap_or_default(),
            identity,
            cloud,
            metadata_endpoint,
            ..Self::new(context)
        })
    }

    /// Sets the subscription: a GUID, or `self` for that of the machine this runs on, which is also the default.
    #[must_use]
    pub fn subscription_id(mut self, subscription_id: impl Into<String>) -> Self {
        self.subscription_id = Some(subscription_id.into());
        self
    }

    /// Sets what is looked for. A resource group or scale set `self` is that of the machine this runs on.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
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

    /// Sets where the instance metadata service is; its address in every Azure machine unless told.
    #[must_use]
    pub fn metadata_endpoint(mut self, metadata_endpoint: Url) -> Self {
        self.metadata_endpoint = metadata_endpoint;
        self
    }

    /// Makes the provider. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](cloud_autojoin_core::Error::Config) when nothing is selected, a name in the selection is empty, or the subscription is no GUID.
    pub fn build(self) -> Result<Azure> {
        let mut problems = Vec::new();
        if let Some(id) = self.subscription_id.as_deref().filter(|id| *id != SELF)
            && let Err(error) = Value::from_key(AzureKey::SubscriptionId.entry(), "subscription_id", id).guid()
        {
            problems.push(ConfigProblem::of_key("subscription_id", error.to_string()));
        }
        match &self.selection {
            Some(selection) => problems.extend(selection::incomplete(selection)),
            None => problems.push(selection::nothing_selected()),
        }
        if let Some(error) = ConfigError::from_problems(Some(PROVIDER_NAME), problems) {
            return Err(error.into());
        }
        let Some(selection) = self.selection else {
            return Err(ConfigError::new(Some(PROVIDER_NAME), selection::nothing_selected()).into());
        };
        let own = own(self.subscription_id.as_deref(), &selection);
        let config = AzureConfig {
            subscription_id: self.subscription_id.unwrap_or_else(|| SELF.to_owned()).to_ascii_lowercase(),
            selection,
            address_type: self.address_type,
            interfaces: self.interfaces,
            power_state: self.power_state,
        };
        let tenant_id = match &self.identity {
            Identity::ClientSecret { tenant_id, .. } => Some(tenant_id.clone()),
            Identity::Chain(options) => options.tenant_id.clone(),
            _ => None,
        };
        let tenant_id = tenant_id.or_else(|| self.context.env().filled("AZURE_TENANT_ID"));
        let credentials = Credentials::new(self.identity, &self.cloud, &self.metadata_endpoint, &self.context);
        Ok(Azure::new(config, own, self.context, self.cloud, credentials, self.metadata_endpoint, tenant_id))
    }
}

/// Which values are to be read from the metadata of the machine this runs on.
fn own(subscription_id: Option<&str>, selection: &Selection) -> Own {
    let (resource_group, scale_set) = match selection {
        Selection::Tag { resource_groups, .. } => (resource_groups.iter().any(|group| group == SELF), false),
        Selection::ScaleSet { resource_group, name, .. } => (resource_group == SELF, name == SELF),
    };
    let subscription = match subscription_id {
        None => Some(OwnSubscription::NotGiven),
        Some(SELF) => Some(OwnSubscription::AskedFor),
        Some(_) => None,
    };
    Own { subscription, resource_group, scale_set }
}
