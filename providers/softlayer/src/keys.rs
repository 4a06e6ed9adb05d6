//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "softlayer";

pub(crate) const TAG_VALUE: KeySpec =
    KeySpec::new("tag_value", "the tag that virtual guests must have")
        .common_mistakes(&["tag_name", "tag"])
        .required();

pub(crate) const DATACENTER: KeySpec = KeySpec::new(
    "datacenter",
    "the datacenter to look in, such as `dal06`; all by default",
)
.common_mistakes(&["region", "zone"]);

pub(crate) const USERNAME: KeySpec = KeySpec::new(
    "username",
    "the user name; that of `~/.softlayer` by default",
)
.env(&["SL_USERNAME", "SOFTLAYER_USERNAME"])
.env_if_empty();
pub(crate) const API_KEY: KeySpec = KeySpec::new(
    "api_key",
    "the user's classic infrastructure API key; that of `~/.softlayer` by default",
)
.env(&["SL_API_KEY", "SOFTLAYER_API_KEY"])
.env_if_empty()
.secret();

pub(crate) const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which address of a virtual guest is returned",
)
.values(Values::OneOf(&["private_v4", "public_v4"]))
.default("private_v4");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec =
    KeySpec::new("endpoint", "another API endpoint than `https://api.softlayer.com/rest/v3`; that of `~/.softlayer` by default")
        .env(&["SL_ENDPOINT_URL", "SOFTLAYER_ENDPOINT_URL"])
        .values(Values::Endpoint);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TAG_VALUE,
    DATACENTER,
    USERNAME,
    API_KEY,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
];
