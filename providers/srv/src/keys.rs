//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values};

/// The name after `provider=`.
pub(crate) const NAME: &str = "srv";

pub(crate) const SERVICE: KeySpec = KeySpec::new(
    "service",
    "the name of the service, such as `consul`, without the underscore",
)
.required();

pub(crate) const DOMAIN: KeySpec = KeySpec::new(
    "domain",
    "the domain of the records; without a final dot the system's search list applies",
)
.required();

pub(crate) const PROTO: KeySpec = KeySpec::new(
    "proto",
    "the protocol of the service, without the underscore",
)
.default("tcp");

pub(crate) const RESOLVE: KeySpec = KeySpec::new(
    "resolve",
    "whether the hosts are resolved to their addresses",
)
.values(Values::Boolean)
.default("false");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[SERVICE, DOMAIN, PROTO, RESOLVE];
