//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values};

/// The name after `provider=`.
pub(crate) const NAME: &str = "mdns";

pub(crate) const SERVICE: KeySpec =
    KeySpec::new("service", "the service to look for, such as `_consul._tcp`; it's used as it is, without underscores added").required();

pub(crate) const DOMAIN: KeySpec =
    KeySpec::new("domain", "the domain of the service").default("local");

pub(crate) const TIMEOUT: KeySpec = KeySpec::new(
    "timeout",
    "how long to wait for responses; always the whole time, 1s if it's zero",
)
.values(Values::Duration)
.default("5s");

pub(crate) const V6: KeySpec = KeySpec::new(
    "v6",
    "whether IPv6 addresses are returned; an instance that has both gives its IPv6 address",
)
.values(Values::Boolean)
.default("true");

pub(crate) const V4: KeySpec = KeySpec::new("v4", "whether IPv4 addresses are returned")
    .values(Values::Boolean)
    .default("true");

pub(crate) const INTERFACE: KeySpec = KeySpec::new(
    "interface",
    "the network interfaces to send queries on, such as `eth0`, separated by commas (Linux); by default the one the system chooses for multicast",
)
.values(Values::List);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[SERVICE, DOMAIN, TIMEOUT, V6, V4, INTERFACE];
