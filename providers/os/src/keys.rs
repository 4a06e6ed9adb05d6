//! The keys of a join string.

use cloud_autojoin_provider_kit::auth::openstack::keys as openstack;
use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "os";

pub(crate) const TAG_KEY: KeySpec = KeySpec::new(
    "tag_key",
    "the key of the server metadata that must have the value of `tag_value`",
)
.common_mistakes(&["tag_name"]);

pub(crate) const TAG_VALUE: KeySpec = KeySpec::new(
    "tag_value",
    "the value of the server metadata `tag_key`; `self` for the one of this server",
);

pub(crate) const TAG: KeySpec = KeySpec::family(
    "tag.",
    "NAME",
    "the value of the server metadata `NAME`; all that are given must match",
);

pub(crate) const SERVER_TAGS: KeySpec = KeySpec::new(
    "server_tags",
    "the tags, which have no values, that servers must all have",
)
.values(Values::List);

pub(crate) const NETWORK: KeySpec = KeySpec::new(
    "network",
    "the networks whose addresses are returned; all by default",
)
.values(Values::List);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE;
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");

pub(crate) const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another URL of the compute service than the catalog's, as `https://nova.example:8774/v2.1`",
)
.values(Values::Url);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TAG_KEY,
    TAG_VALUE,
    TAG,
    SERVER_TAGS,
    openstack::AUTH_URL,
    openstack::CLOUD,
    openstack::USER_NAME,
    openstack::PASSWORD,
    openstack::TOKEN,
    openstack::APP_ID,
    openstack::APP_NAME,
    openstack::APP_SECRET,
    openstack::PROJECT_ID,
    openstack::PROJECT_NAME,
    openstack::DOMAIN_ID,
    openstack::DOMAIN_NAME,
    openstack::USER_DOMAIN_ID,
    openstack::USER_DOMAIN_NAME,
    openstack::PROJECT_DOMAIN_ID,
    openstack::PROJECT_DOMAIN_NAME,
    openstack::REGION,
    openstack::INTERFACE,
    NETWORK,
    ADDRESS_TYPE,
    POWER_STATE,
    openstack::CACERT,
    openstack::INSECURE,
    ENDPOINT,
    openstack::METADATA_ENDPOINT,
];
