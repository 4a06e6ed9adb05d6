//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "tencentcloud";

pub(crate) const REGION: KeySpec =
    KeySpec::new("region", "the regions to look in, such as `ap-guangzhou`")
        .env(&["TENCENTCLOUD_REGION"])
        .values(Values::List)
        .required();

pub(crate) const ACCESS_KEY_ID: KeySpec = KeySpec::new(
    "access_key_id",
    "the `SecretId` of the access key; that of the instance's CAM role by default",
)
.env(&["TENCENTCLOUD_SECRET_ID"]);
pub(crate) const ACCESS_KEY_SECRET: KeySpec =
    KeySpec::new("access_key_secret", "the `SecretKey` of the access key")
        .env(&["TENCENTCLOUD_SECRET_KEY"])
        .secret();
pub(crate) const SECURITY_TOKEN: KeySpec =
    KeySpec::new("security_token", "the token of a temporary access key")
        .env(&["TENCENTCLOUD_SECURITY_TOKEN", "TENCENTCLOUD_TOKEN"])
        .secret();

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE.default("private_v4");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT.default("https://cvm.tencentcloudapi.com");
pub(crate) const METADATA_ENDPOINT: KeySpec =
    keys::METADATA_ENDPOINT.default("http://metadata.tencentyun.com");

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
