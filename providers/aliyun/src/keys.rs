//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "aliyun";

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the ids of the regions to look in, such as `cn-hangzhou`",
)
.env(&["ALIBABA_CLOUD_REGION_ID", "ALICLOUD_REGION"])
.values(Values::List)
.required();

pub(crate) const ACCESS_KEY_ID: KeySpec = KeySpec::new(
    "access_key_id",
    "the id of the access key; that of the instance's RAM role by default",
)
.env(&["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY"]);
pub(crate) const ACCESS_KEY_SECRET: KeySpec =
    KeySpec::new("access_key_secret", "the secret of the access key")
        .env(&["ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALICLOUD_SECRET_KEY"])
        .secret();
pub(crate) const SECURITY_TOKEN: KeySpec =
    KeySpec::new("security_token", "the STS token of a temporary access key")
        .env(&["ALIBABA_CLOUD_SECURITY_TOKEN", "ALICLOUD_SECURITY_TOKEN"])
        .secret();

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE.default("private_v4");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");
pub(crate) const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another API endpoint than `https://ecs.REGION.aliyuncs.com`",
)
.env(&["ECS_ENDPOINT"])
.values(Values::Endpoint);
pub(crate) const METADATA_ENDPOINT: KeySpec =
    keys::METADATA_ENDPOINT.default("http://100.100.100.200");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    REGION,
    keys::TAG_KEY,
    keys::TAG_VALUE,
    keys::TAG,
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    SECURITY_TOKEN,
    ADDRESS_TYPE,
    POWER_STATE,
    ENDPOINT,
    METADATA_ENDPOINT,
];
