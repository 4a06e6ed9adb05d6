#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Scaleway;

/// Scaleway as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Scaleway", KEYS, provider::build)
    .with_summary("finds instances by tag and gives their addresses in private networks")
    .with_notes(
        "The API key needs the permission sets `InstancesReadOnly` and, for private addresses, \
         `IPAMReadOnly`. A token in a join string can be seen by whoever lists processes: keep it in \
         SCW_SECRET_KEY or in a file (`@FILE`).",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
