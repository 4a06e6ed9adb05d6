//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values};

use crate::provider::Family;

pub(crate) const NAME: KeySpec =
    KeySpec::new("name", "the names to resolve, separated by commas; without a final dot the system's search list applies").values(Values::List).required();

pub(crate) const FAMILY: KeySpec = KeySpec::new("family", "which addresses are returned")
    .values(Values::OneOf(Family::WORDS))
    .default("any");

pub(crate) const PORT: KeySpec = KeySpec::new(
    "port",
    "the port to return with each address; none by default",
)
.values(Values::Number { min: 1, max: 65535 });

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[NAME, FAMILY, PORT];
