//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "digitalocean";

pub(crate) const API_TOKEN: KeySpec =
    KeySpec::new("api_token", "the API token, with the scope `droplet:read`")
        .env(&["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"])
        .secret()
        .required();

pub(crate) const TAG_NAME: KeySpec = KeySpec::new(
    "tag_name",
    "the tag that droplets must have; of several, separated by commas, all",
)
.values(Values::List)
.required();

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the slugs of the regions to look in, such as `fra1`; all by default",
)
.values(Values::List);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE;
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT.default("https://api.digitalocean.com");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    API_TOKEN,
    TAG_NAME,
    REGION,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
];
