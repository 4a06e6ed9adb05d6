#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Linode;

/// Linode as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Linode (Akamai)", KEYS, provider::build)
    .with_summary("finds Linodes by tag and region and gives their private addresses")
    .with_notes(
        "The token needs the scope `linodes:read_only`, and `ips:read_only` for `address_type=vpc_v4`. \
         A token in a join string can be seen by whoever lists processes: keep it in LINODE_TOKEN or \
         in a file (`@FILE`).",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
