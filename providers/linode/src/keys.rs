//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "linode";

/// The word of `address_type` that only Linode has.
pub(crate) const VPC_V4: &str = "vpc_v4";

/// The words of `address_type`.
const ADDRESS_TYPES: &[&str] = &[
    "private_v4",
    "public_v4",
    "private_v6",
    "public_v6",
    VPC_V4,
    "private",
    "public",
];

pub(crate) const API_TOKEN: KeySpec = KeySpec::new(
    "api_token",
    "the personal access token, with the scope `linodes:read_only`",
)
.env(&["LINODE_TOKEN"])
.env_if_empty()
.secret()
.required();

pub(crate) const TAG_NAME: KeySpec = KeySpec::new(
    "tag_name",
    "the tag that Linodes must have; of several, separated by commas, all; every Linode by default",
)
.values(Values::List);

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in, such as `us-ord`; all by default",
)
.values(Values::List);

pub(crate) const ADDRESS_TYPE: KeySpec =
    KeySpec::new("address_type", "which addresses of a Linode are returned")
        .values(Values::OneOf(ADDRESS_TYPES))
        .default("private_v4");

pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT
    .default("https://api.linode.com")
    .env(&["LINODE_URL"]);
pub(crate) const API_VERSION: KeySpec = KeySpec::new("api_version", "the version of the API")
    .env(&["LINODE_API_VERSION"])
    .default("v4");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    API_TOKEN,
    TAG_NAME,
    REGION,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
    API_VERSION,
];
