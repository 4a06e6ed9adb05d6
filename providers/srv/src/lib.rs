#![doc = include_str!("../README.md")]

mod keys;
mod provider;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Srv;

/// DNS SRV as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(
    keys::NAME,
    "DNS SRV records",
    KEYS,
    provider::build,
)
.with_summary("resolves the SRV records of a service and gives their hosts and ports")
.with_notes(
    "Queries go to the name servers of the system's configuration. A record's host is returned \
         as a name with its final dot; `resolve=true` returns its addresses instead.",
)
.with_go_discover(provider::compare_with_go_discover);
