#![doc = include_str!("../README.md")]

mod api;
mod credential;
mod keys;
mod provider;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::SoftLayer;

/// SoftLayer as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "IBM Cloud classic infrastructure (SoftLayer)", KEYS, provider::build)
    .with_summary("finds virtual guests by tag and datacenter and gives their private addresses")
    .with_notes(
        "User name and API key come from the join string, the environment or ~/.softlayer. The user \
         needs the permission `View Virtual Server Details`. An API key in a join string can be seen by \
         whoever lists processes: keep it in SL_API_KEY or in a file (`@FILE`).",
    )
    .with_go_discover(provider::compare_with_go_discover);
