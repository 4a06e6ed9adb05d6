#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::DigitalOcean;

/// DigitalOcean as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "DigitalOcean", KEYS, provider::build)
    .with_summary("finds droplets by tag and gives their private addresses")
    .with_notes(
        "The token needs the scope `droplet:read`. A token in a join string can be seen by \
             whoever lists processes: keep it in DIGITALOCEAN_TOKEN or in a file (`@FILE`).",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
