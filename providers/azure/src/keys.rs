//! The keys of a join string: the one table that parser, help and README read.

pub(crate) use cloud_autojoin_provider_kit::keys::{ADDRESS_TYPE, INTERFACES, POWER_STATE, TAG};
use cloud_autojoin_provider_kit::{KeySpec, Values};

use crate::cloud::Environment;
use crate::select::{Lookup, TagPlace};

/// The name after `provider=`, and in errors.
pub const PROVIDER_NAME: &str = "azure";

/// The word for "of the machine this runs on".
pub(crate) const SELF: &str = "self";

pub(crate) const SUBSCRIPTION_ID: KeySpec = KeySpec::new(
    "subscription_id",
    "the subscription to look in; `self`, the default, is that of the machine this runs on",
)
.env(&["ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"])
.values(Values::GuidOr(SELF))
.default(SELF)
.machine_default(&[]);

pub(crate) const RESOURCE_GROUP: KeySpec = KeySpec::new(
    "resource_group",
    "the resource group of the scale set; with tags alone, the resource groups to look in instead of the whole subscription; `self` is that of the machine this \
     runs on",
)
.values(Values::List);

pub(crate) const VM_SCALE_SET: KeySpec = KeySpec::new(
    "vm_scale_set",
    "the scale set whose instances are returned, Uniform or Flexible; needs `resource_group`; `self` is that of the machine this runs on",
)
.common_mistakes(&["vmss", "vmss_name", "scale_set_name"]);

pub(crate) const ORCHESTRATION_MODE: KeySpec = KeySpec::new(
    "orchestration_mode",
    "how the scale set orchestrates its instances; `auto` reads it from Azure's responses, so the others only save requests",
)
.values(Values::OneOf(&["auto", "uniform", "flexible"]))
.default("auto");

pub(crate) const TAG_NAME: KeySpec = KeySpec::new(
    "tag_name",
    "the name of a tag, compared without case as Azure does; needs `tag_value`",
)
.common_mistakes(&["tag_key", "tag"]);

pub(crate) const TAG_VALUE: KeySpec = KeySpec::new(
    "tag_value",
    "the value that the tag `tag_name` must have, compared exactly",
);

pub(crate) const TAG_ON: KeySpec = KeySpec::new(
    "tag_on",
    "where the tags are looked for: on the network interface, its virtual machine, its scale set; a tag on any of the places given counts",
)
.values(Values::ListOf(TagPlace::WORDS))
.default("nic");

pub(crate) const LOOKUP: KeySpec = KeySpec::new(
    "lookup",
    "how tags are looked up: `list` reads everything and is exact, `index` uses Azure's index of tags, which costs less in large subscriptions and may lag by \
     seconds",
)
.values(Values::OneOf(Lookup::WORDS))
.default("list");

pub(crate) const TENANT_ID: KeySpec = KeySpec::new(
    "tenant_id",
    "the Microsoft Entra tenant of the identity: a GUID or a domain",
)
.env(&["ARM_TENANT_ID"]);

pub(crate) const CLIENT_ID: KeySpec =
    KeySpec::new("client_id", "the application to sign in as; without a client secret, the user-assigned managed identity or the workload identity to use")
        .env(&["ARM_CLIENT_ID"]);

pub(crate) const CLIENT_SECRET: KeySpec = KeySpec::new(
    "secret_access_key",
    "the client secret of the application; needs `tenant_id` and `client_id`",
)
.aliases(&["client_secret"])
.env(&["ARM_CLIENT_SECRET"])
.secret();

pub(crate) const IDENTITY_OBJECT_ID: KeySpec = KeySpec::new(
    "identity_object_id",
    "the managed identity to use, by the object id of its principal",
);

pub(crate) const IDENTITY_RESOURCE_ID: KeySpec = KeySpec::new(
    "identity_resource_id",
    "the user-assigned managed identity to use, by its resource id",
);

/// The words are those of `AZURE_TOKEN_CREDENTIALS` in the Azure SDKs, without the sources that
/// don't exist here (PowerShell, Visual Studio Code, brokers).
pub(crate) const TOKEN_CREDENTIALS: KeySpec = KeySpec::new(
    "token_credentials",
    "which sources of credentials are tried: `prod` (environment, workload identity, managed identity), `dev` (Azure CLI, Azure Developer CLI), or one by its \
     name in the Azure SDKs",
)
.env(&["AZURE_TOKEN_CREDENTIALS"])
.values(Values::OneOf(&[
    "dev",
    "prod",
    "EnvironmentCredential",
    "WorkloadIdentityCredential",
    "ManagedIdentityCredential",
    "AzureCLICredential",
    "AzureDeveloperCLICredential",
]));

pub(crate) const ENVIRONMENT: KeySpec = KeySpec::new(
    "environment",
    "the cloud: `public`, `usgovernment`, `china`, or a name other tools use for one of them",
)
.env(&["ARM_ENVIRONMENT"])
.values(Values::OneOf(Environment::WORDS))
.default("public");

pub(crate) const ARM_ENDPOINT: KeySpec =
    KeySpec::new("arm_endpoint", "another Azure Resource Manager than the cloud's own, for Azure Stack and simulators; needs `audience`")
        .values(Values::Endpoint);

pub(crate) const AUTHORITY_HOST: KeySpec = KeySpec::new(
    "authority_host",
    "another Microsoft Entra ID than the cloud's own; one of no known cloud needs `audience`",
)
.env(&["AZURE_AUTHORITY_HOST"])
.values(Values::Endpoint);

pub(crate) const AUDIENCE: KeySpec = KeySpec::new(
    "audience",
    "the audience of tokens; required where they are sent to a host that isn't the cloud's own, by `arm_endpoint` or `authority_host`",
)
.values(Values::Url);

pub(crate) const METADATA_ENDPOINT: KeySpec =
    KeySpec::new("metadata_endpoint", "another instance metadata service than http://169.254.169.254: https, or http to a loopback or link-local address")
        .env(&["AZURE_POD_IDENTITY_AUTHORITY_HOST"])
        .values(Values::Url);

pub(crate) const TELEMETRY_OPT_IN: KeySpec = KeySpec::new(
    "msft_telemetry_opt_in",
    "accepted for go-discover's strings and without effect: no telemetry is sent",
)
.env(&["OPT_IN_MSFT_TELEMETRY"]);

/// Every key: what is selected, which addresses of it, the identity, the endpoints.
pub const KEYS: &[KeySpec] = &[
    SUBSCRIPTION_ID,
    RESOURCE_GROUP,
    VM_SCALE_SET,
    ORCHESTRATION_MODE,
    TAG_NAME,
    TAG_VALUE,
    TAG,
    TAG_ON,
    LOOKUP,
    ADDRESS_TYPE,
    INTERFACES,
    POWER_STATE,
    TENANT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    IDENTITY_OBJECT_ID,
    IDENTITY_RESOURCE_ID,
    TOKEN_CREDENTIALS,
    ENVIRONMENT,
    ARM_ENDPOINT,
    AUTHORITY_HOST,
    AUDIENCE,
    METADATA_ENDPOINT,
    TELEMETRY_OPT_IN,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_alias_or_variable_belongs_to_two_keys() {
        let names: Vec<_> = KEYS.iter().flat_map(KeySpec::names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let variables: Vec<_> = KEYS.iter().flat_map(|spec| spec.env).collect();
        assert_eq!(
            variables.iter().collect::<BTreeSet<_>>().len(),
            variables.len()
        );
    }

    #[test]
    fn every_key_of_go_discover_is_known_with_its_variable() {
        for (name, variable) in crate::go_discover::KEYS {
            let spec = KEYS.iter().find(|spec| spec.matches(name));
            assert_eq!(
                spec.map(|spec| spec.env.first().copied()),
                Some(variable),
                "{name}"
            );
        }
    }

    #[test]
    fn documentation_is_one_line_without_a_full_stop_and_defaults_are_accepted() {
        for spec in KEYS {
            assert!(
                !spec.doc.is_empty() && !spec.doc.ends_with('.') && !spec.doc.contains('\n'),
                "{}",
                spec.name
            );
            if let Some(default) = spec.default {
                assert_eq!(
                    cloud_autojoin_core::config::Value::from_key(spec, spec.name, default).check(),
                    Ok(()),
                    "{}",
                    spec.name
                );
            }
        }
    }
}
