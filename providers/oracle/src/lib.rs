#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Oracle;

/// Oracle Cloud as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(
    keys::NAME,
    "Oracle Cloud Infrastructure",
    KEYS,
    provider::build,
)
.with_summary("finds instances by tag and gives the private addresses of their VNICs")
.with_notes(
    "Requests are signed with the API key of the join string, the environment or ~/.oci/config, \
     else as the instance itself (instance principal). `discover check --role` prints the policy.",
)
.with_role(provider::role);
