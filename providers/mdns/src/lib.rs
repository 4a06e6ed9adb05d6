#![doc = include_str!("../README.md")]

mod answers;
mod keys;
mod provider;
mod select;
mod sockets;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Mdns;

/// Multicast DNS as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(
    keys::NAME,
    "Multicast DNS",
    KEYS,
    provider::build,
)
.with_summary("finds the instances of a service on the local network, with their ports")
.with_notes(
    "Questions go to 224.0.0.251 and ff02::fb, UDP port 5353, on the local network only. The \
         whole `timeout` is waited for, since there is no last answer.",
)
.with_go_discover(provider::compare_with_go_discover);
