#![doc = include_str!("../README.md")]

mod api;
mod authorizer;
mod keys;
mod provider;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Triton;

/// Triton as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Triton DataCenter", KEYS, provider::build)
    .with_summary("finds machines by tag and gives their primary addresses")
    .with_notes(
        "Requests are signed with an RSA or ECDSA key of the SSH agent (SSH_AUTH_SOCK) or with the file \
         of `key_file`. A user of an account with roles needs one that can `listmachines`.",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
