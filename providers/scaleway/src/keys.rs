//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "scaleway";

pub(crate) const TOKEN: KeySpec = KeySpec::new("token", "the secret key of an API key")
    .env(&["SCW_SECRET_KEY"])
    .secret()
    .required();

pub(crate) const TAG_NAME: KeySpec = KeySpec::new(
    "tag_name",
    "the tag that instances must have; of several, separated by commas, all",
)
.values(Values::List)
.required();

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the zones to look in, such as `nl-ams-1`; `par1` and `ams1` are `fr-par-1` and `nl-ams-1`",
)
.common_mistakes(&["zone"])
.env(&["SCW_DEFAULT_ZONE"])
.env_if_empty()
.values(Values::List)
.default("fr-par-1");

pub(crate) const ORGANIZATION: KeySpec = KeySpec::new(
    "organization",
    "accepted for go-discover's sake and not used: the token belongs to an organization",
);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE.default("private_v4");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT
    .default("https://api.scaleway.com")
    .env(&["SCW_API_URL", "SCW_COMPUTE_API"]);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TOKEN,
    TAG_NAME,
    REGION,
    ORGANIZATION,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
];
