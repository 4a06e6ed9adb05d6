//! The keys of an Azure join string: one table that parser, help, README and tests read.
//!
//! A new key is a new variant of [`AzureKey`]; it does not compile without its name and its documentation. What the values mean once read stands in `config.rs`, the reading in `builder.rs`.

use cloud_autojoin_core::config::{KeySpec, Values};

use crate::cloud::Environment;
use crate::config::{AddressType, Interfaces, Lookup, PowerState, TagPlace};

/// The word for "of the machine this runs on".
pub(crate) const SELF: &str = "self";

/// The words of `orchestration_mode`.
pub(crate) const ORCHESTRATION_MODES: &[&str] = &["auto", "uniform", "flexible"];

/// One key of an Azure join string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AzureKey {
    /// `subscription_id`
    SubscriptionId,
    /// `resource_group`
    ResourceGroup,
    /// `vm_scale_set`
    VmScaleSet,
    /// `orchestration_mode`
    OrchestrationMode,
    /// `tag_name`
    TagName,
    /// `tag_value`
    TagValue,
    /// `tag.NAME`
    Tag,
    /// `tag_on`
    TagOn,
    /// `lookup`
    Lookup,
    /// `address_type`
    AddressType,
    /// `interfaces`
    Interfaces,
    /// `power_state`
    PowerState,
    /// `tenant_id`
    TenantId,
    /// `client_id`
    ClientId,
    /// `secret_access_key`, `client_secret`
    ClientSecret,
    /// `identity_object_id`
    IdentityObjectId,
    /// `identity_resource_id`
    IdentityResourceId,
    /// `token_credentials`
    TokenCredentials,
    /// `environment`
    Environment,
    /// `arm_endpoint`
    ArmEndpoint,
    /// `authority_host`
    AuthorityHost,
    /// `audience`
    Audience,
    /// `metadata_endpoint`
    MetadataEndpoint,
    /// `msft_telemetry_opt_in`
    TelemetryOptIn,
}

impl AzureKey {
    /// Every key, in the order in which they are to be read: what is looked for, which addresses of it, the identity, the endpoints.
    pub const ALL: &'static [Self] = &[
        Self::SubscriptionId,
        Self::ResourceGroup,
        Self::VmScaleSet,
        Self::OrchestrationMode,
        Self::TagName,
        Self::TagValue,
        Self::Tag,
        Self::TagOn,
        Self::Lookup,
        Self::AddressType,
        Self::Interfaces,
        Self::PowerState,
        Self::TenantId,
        Self::ClientId,
        Self::ClientSecret,
        Self::IdentityObjectId,
        Self::IdentityResourceId,
        Self::TokenCredentials,
        Self::Environment,
        Self::ArmEndpoint,
        Self::AuthorityHost,
        Self::Audience,
        Self::MetadataEndpoint,
        Self::TelemetryOptIn,
    ];

    /// The name, aliases, variables and documentation of the key.
    pub const fn spec(self) -> KeySpec {
        match self {
            Self::SubscriptionId => KeySpec::new(
                "subscription_id",
                "the subscription to look in, a GUID; `self`, and no value at all, mean that of the machine this runs on",
            )
            .env(&["ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"])
            .default(SELF),
            Self::ResourceGroup => KeySpec::new(
                "resource_group",
                "the resource group of the scale set; with tags alone, the resource groups to look in instead of the whole subscription, between commas; \
                 `self` means that of the machine this runs on",
            )
            .values(Values::List),
            Self::VmScaleSet => KeySpec::new(
                "vm_scale_set",
                "the scale set whose instances are meant, Uniform or Flexible; needs `resource_group`; `self` means that of the machine this runs on",
            )
            .mistaken(&["vmss", "vmss_name", "scale_set_name"]),
            Self::OrchestrationMode => KeySpec::new(
                "orchestration_mode",
                "how the scale set orchestrates its instances; `auto` reads it off Azure's answers, so the others only save requests",
            )
            .values(Values::OneOf(ORCHESTRATION_MODES))
            .default("auto"),
            Self::TagName => KeySpec::new("tag_name", "the name of a tag, compared without case as Azure does; needs `tag_value`").mistaken(&["tag_key", "tag"]),
            Self::TagValue => KeySpec::new("tag_value", "the value that the tag `tag_name` must have, compared exactly"),
            Self::Tag => KeySpec::family("tag.", "NAME", "the value of a further tag `NAME`; all tags given must hold"),
            Self::TagOn => KeySpec::new(
                "tag_on",
                "where the tags may stand: on the network interface, on its virtual machine, on the scale set of that; a tag on any of the places given counts",
            )
            .values(Values::ListOf(TagPlace::WORDS))
            .default("nic"),
            Self::Lookup => KeySpec::new(
                "lookup",
                "how tags are looked up: `list` reads everything and is exact, `index` asks Azure's index of tags, which costs less in large subscriptions and may lag by seconds",
            )
            .values(Values::OneOf(Lookup::WORDS))
            .default("list"),
            Self::AddressType => KeySpec::new("address_type", "which addresses count")
                .values(Values::OneOf(AddressType::WORDS))
                .default("private"),
            Self::Interfaces => KeySpec::new("interfaces", "whether every network interface of an instance counts, or the primary one only")
                .values(Values::OneOf(Interfaces::WORDS))
                .default("all"),
            Self::PowerState => KeySpec::new("power_state", "whether instances count in any power state, or running ones only")
                .values(Values::OneOf(PowerState::WORDS))
                .default("any"),
            Self::TenantId => KeySpec::new("tenant_id", "the Microsoft Entra tenant of the identity: a GUID or a domain").env(&["ARM_TENANT_ID"]),
            Self::ClientId => KeySpec::new(
                "client_id",
                "the application to sign in as; without a client secret, the user-assigned managed identity or the workload identity to use",
            )
            .env(&["ARM_CLIENT_ID"]),
            Self::ClientSecret => KeySpec::new("secret_access_key", "the client secret of the application; needs `tenant_id` and `client_id`")
                .aliases(&["client_secret"])
                .env(&["ARM_CLIENT_SECRET"])
                .secret(),
            Self::IdentityObjectId => KeySpec::new("identity_object_id", "the managed identity to use, by the object id of its principal"),
            Self::IdentityResourceId => KeySpec::new("identity_resource_id", "the user-assigned managed identity to use, by its resource id"),
            Self::TokenCredentials => KeySpec::new(
                "token_credentials",
                "which sources of credentials are tried: `prod` (environment, workload identity, managed identity), `dev` (Azure CLI, Azure Developer CLI), or one by its name in the Azure SDKs",
            )
            .env(&["AZURE_TOKEN_CREDENTIALS"])
            .values(Values::OneOf(TOKEN_CREDENTIALS)),
            Self::Environment => KeySpec::new("environment", "the cloud: `public`, `usgovernment`, `china`, or a name other tools use for one of them")
                .env(&["ARM_ENVIRONMENT"])
                .values(Values::OneOf(Environment::WORDS))
                .default("public"),
            Self::ArmEndpoint => KeySpec::new("arm_endpoint", "another Azure Resource Manager than the cloud's own, for Azure Stack and simulators; needs `audience`")
                .values(Values::Endpoint),
            Self::AuthorityHost => KeySpec::new("authority_host", "another Microsoft Entra ID than the cloud's own; one of no known cloud needs `audience`")
                .env(&["AZURE_AUTHORITY_HOST"])
                .values(Values::Endpoint),
            Self::Audience => KeySpec::new("audience", "whom tokens are for; must be given where they go to a host that is not the cloud's own, by `arm_endpoint` or `authority_host`").values(Values::Url),
            Self::MetadataEndpoint => KeySpec::new(
                "metadata_endpoint",
                "another instance metadata service than http://169.254.169.254: https, or http to a loopback or link-local address",
            )
            .env(&["AZURE_POD_IDENTITY_AUTHORITY_HOST"])
            .values(Values::Url),
            Self::TelemetryOptIn => KeySpec::new("msft_telemetry_opt_in", "taken for the sake of go-discover's strings and without effect: no telemetry is sent")
                .env(&["OPT_IN_MSFT_TELEMETRY"]),
        }
    }
}

/// The words of `token_credentials`: those of `AZURE_TOKEN_CREDENTIALS` in the Azure SDKs, less the sources that do not exist here (PowerShell, Visual Studio Code, brokers).
pub(crate) const TOKEN_CREDENTIALS: &[&str] =
    &["dev", "prod", "EnvironmentCredential", "WorkloadIdentityCredential", "ManagedIdentityCredential", "AzureCLICredential", "AzureDeveloperCLICredential"];

/// The table of [`AzureKey::ALL`].
pub const KEYS: &[KeySpec] = &{
    let mut keys = [AzureKey::SubscriptionId.spec(); AzureKey::ALL.len()];
    let mut index = 0;
    while index < keys.len() {
        keys[index] = AzureKey::ALL[index].spec();
        index += 1;
    }
    keys
};

impl AzureKey {
    /// Whether an empty value counts as none, as go-discover reads it. An empty `subscription_id` fails
    /// there too; here it would silently mean the machine's own.
    pub(crate) fn may_be_empty(self) -> bool {
        matches!(
            self,
            Self::ResourceGroup
                | Self::VmScaleSet
                | Self::TagName
                | Self::TagValue
                | Self::TenantId
                | Self::ClientId
                | Self::ClientSecret
                | Self::TelemetryOptIn
        )
    }

    /// The entry of the table, for whoever needs it to live on.
    pub(crate) fn entry(self) -> &'static KeySpec {
        // The variants stand in the order of `ALL`, which a test holds.
        &KEYS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_every_key_once_in_the_order_of_the_variants() {
        for (index, key) in AzureKey::ALL.iter().enumerate() {
            assert_eq!(*key as usize, index, "{key:?}");
            assert_eq!(key.entry(), &key.spec());
        }
        // The last variant: whoever adds one behind it must name it here and in `ALL`.
        assert_eq!(AzureKey::TelemetryOptIn as usize + 1, AzureKey::ALL.len());
    }

    #[test]
    fn no_name_alias_or_variable_stands_for_two_keys() {
        let names: Vec<_> = KEYS.iter().flat_map(KeySpec::names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let variables: Vec<_> = KEYS.iter().flat_map(|spec| spec.env).collect();
        assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
    }

    #[test]
    fn every_key_of_go_discover_is_known_with_its_variable() {
        let table = [
            ("tenant_id", Some("ARM_TENANT_ID")),
            ("client_id", Some("ARM_CLIENT_ID")),
            ("secret_access_key", Some("ARM_CLIENT_SECRET")),
            ("subscription_id", Some("ARM_SUBSCRIPTION_ID")),
            ("tag_name", None),
            ("tag_value", None),
            ("resource_group", None),
            ("vm_scale_set", None),
            ("msft_telemetry_opt_in", Some("OPT_IN_MSFT_TELEMETRY")),
        ];
        for (name, variable) in table {
            let spec = KEYS.iter().find(|spec| spec.matches(name));
            assert_eq!(spec.map(|spec| spec.env.first().copied()), Some(variable), "{name}");
        }
    }

    #[test]
    fn documentation_is_one_line_without_a_full_stop_and_defaults_are_accepted() {
        for spec in KEYS {
            assert!(!spec.doc.is_empty() && !spec.doc.ends_with('.') && !spec.doc.contains('\n'), "{}", spec.name);
            if let Some(default) = spec.default.filter(|default| *default != SELF) {
                assert_eq!(cloud_autojoin_core::config::Value::from_key(spec, spec.name, default).check(), Ok(()), "{}", spec.name);
            }
        }
    }
}
