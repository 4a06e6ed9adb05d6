#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Consul;

/// Consul as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Consul", KEYS, provider::build)
    .with_summary(
        "finds the instances of a service in a Consul catalogue and gives their addresses",
    )
    .with_notes(
        "The token needs `service:read` for the service and `node:read` for its nodes. Keep it in \
         CONSUL_HTTP_TOKEN or in a file (`@FILE`); whoever lists processes sees a join string.",
    )
    .with_role(provider::role);
