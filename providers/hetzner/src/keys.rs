//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "hetzner";

pub(crate) const API_TOKEN: KeySpec = KeySpec::new(
    "api_token",
    "the API token of the project, with the permission `Read`",
)
.env(&["HCLOUD_TOKEN"])
.secret()
.required();

pub(crate) const LABEL_SELECTOR: KeySpec = KeySpec::new(
    "label_selector",
    "the label selector that servers must match, such as `role=consul,env in (prod,stage)`",
)
.common_mistakes(&["tag_name", "label"])
.required();

pub(crate) const LOCATION: KeySpec = KeySpec::new(
    "location",
    "the locations to look in, such as `fsn1`; all by default",
)
.values(Values::List)
.common_mistakes(&["region", "zone"]);

pub(crate) const NETWORK: KeySpec = KeySpec::new(
    "network",
    "the name or id of the private network that servers must be attached to; private addresses are those in it",
);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE;
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT
    .default("https://api.hetzner.cloud")
    .env(&["HCLOUD_ENDPOINT"]);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    LABEL_SELECTOR,
    API_TOKEN,
    LOCATION,
    NETWORK,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
];
