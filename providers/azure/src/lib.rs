#![doc = include_str!("../README.md")]

mod arm;
mod builder;
pub mod cloud;
pub mod credential;
mod discover;
mod go_discover;
mod instance_metadata;
mod keys;
mod provider;
mod role;
pub mod select;

use cloud_autojoin_core::config::Options;
use cloud_autojoin_core::{Context, Provider, ProviderSpec, Result};

pub use builder::AzureBuilder;
pub use cloud::{Cloud, Environment};
pub use keys::{KEYS, PROVIDER_NAME};
pub use provider::Azure;
pub use select::{AzureConfig, OrchestrationMode, Selection};

/// Azure as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(PROVIDER_NAME, "Microsoft Azure", KEYS, build)
    .with_summary("finds network interfaces by tag, or the instances of a Uniform or Flexible scale set, and gives their addresses")
    .with_notes(NOTES)
    .with_secret_env(&["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "IDENTITY_HEADER"])
    .with_role(role::write)
    .with_go_discover(go_discover::compare);

/// What the keys alone do not tell.
const NOTES: &str = "\
Say what to look for by `tag_name` and `tag_value`, by `resource_group` and `vm_scale_set`, or by both: then both must hold.

Without a client secret the first of these identities that is there is used: the environment (AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or \
AZURE_CLIENT_CERTIFICATE_PATH), workload identity (AZURE_FEDERATED_TOKEN_FILE), managed identity, Azure CLI, Azure Developer CLI. One that is there and fails is the error.

The identity needs, on the subscription or the resource groups it looks in: Microsoft.Network/networkInterfaces/read for tags on interfaces; for a Flexible scale set that and \
Microsoft.Compute/virtualMachines/read; for a Uniform one Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read and \
Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read; Microsoft.Compute/virtualMachineScaleSets/read to tell an empty set from one that is not there. The role Reader has them all.

A client secret in a join string can be seen by whoever lists processes or reads logs: keep it in ARM_CLIENT_SECRET or in a file (`@FILE`), or use a managed identity.";

fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    Ok(Box::new(
        AzureBuilder::from_options(options, context)?.build()?,
    ))
}
