#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::OpenStack;

/// OpenStack as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "OpenStack", KEYS, provider::build)
    .with_summary("finds servers by metadata and gives their fixed addresses")
    .with_notes(
        "The credentials are those of an openrc file (OS_AUTH_URL and the others), of the join \
             string, or of a cloud in clouds.yaml (`cloud` or OS_CLOUD). The user needs a role \
             on the project that may list servers, as `reader`.",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
