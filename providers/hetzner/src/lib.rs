#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Hetzner;

/// Hetzner Cloud as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(
    keys::NAME,
    "Hetzner Cloud",
    KEYS,
    provider::build,
)
.with_summary("finds servers by label selector and gives their private addresses")
.with_notes(
    "A token belongs to one project and needs the permission `Read`. A token in a join string \
         can be seen by whoever lists processes: keep it in HCLOUD_TOKEN or in a file (`@FILE`).",
);
