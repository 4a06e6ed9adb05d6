#![doc = include_str!("../README.md")]

mod keys;
mod provider;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Dns;

/// The addresses of DNS names as the registry knows them.
pub const SPEC: ProviderSpec =
    ProviderSpec::new(provider::NAME, "DNS names", KEYS, provider::build)
        .with_summary("resolves DNS names and gives their addresses")
        .with_notes(
            "Queries for A and AAAA records go to the name servers of the system's configuration; \
         /etc/hosts counts.",
        );
