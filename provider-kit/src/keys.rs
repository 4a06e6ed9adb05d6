//! Keys with the same meaning for every provider that has them.

use crate::select::{AddressType, Interfaces, PowerState};
use cloud_autojoin_core::config::{KeySpec, Values};

/// `address_type`: which addresses of an instance are returned. Private addresses of both families
/// by default.
pub const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which addresses of an instance are returned",
)
.values(Values::OneOf(AddressType::WORDS))
.default("private");

/// `power_state`: whether instances that aren't running are returned. All by default, as
/// go-discover returns them.
pub const POWER_STATE: KeySpec = KeySpec::new(
    "power_state",
    "whether only running instances are returned, or those in any state",
)
.values(Values::OneOf(PowerState::WORDS))
.default("any");

/// `interfaces`: whether the addresses of every interface are returned, or those of the primary
/// one.
pub const INTERFACES: KeySpec = KeySpec::new(
    "interfaces",
    "whether every interface of an instance counts, or its primary one only",
)
.values(Values::OneOf(Interfaces::WORDS))
.default("all");

/// `tag.NAME=VALUE`: a further tag; all must hold.
pub const TAG: KeySpec = KeySpec::family(
    "tag.",
    "NAME",
    "the value of the tag `NAME`; every tag that is given must match",
);

/// `endpoint`: another API endpoint than the cloud's own.
pub const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another API endpoint than the cloud's own, for tests and private installations",
)
.values(Values::Endpoint);
