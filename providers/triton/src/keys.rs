//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "triton";

/// The word of `address_type` that only Triton has.
pub(crate) const PRIMARY: &str = "primary";

/// The words of `address_type`.
const ADDRESS_TYPES: &[&str] = &[PRIMARY, "private_v4", "public_v4", "private", "public"];

pub(crate) const ACCOUNT: KeySpec = KeySpec::new("account", "the name of the account")
    .env(&["TRITON_ACCOUNT", "SDC_ACCOUNT"])
    .required();
pub(crate) const URL: KeySpec = KeySpec::new(
    "url",
    "the URL of CloudAPI, such as `https://us-central-1.api.mnx.io`",
)
.env(&["TRITON_URL", "SDC_URL"])
.values(Values::Endpoint)
.required();
pub(crate) const KEY_ID: KeySpec = KeySpec::new(
    "key_id",
    "the fingerprint of the SSH key, MD5 or SHA256 (with `key_file`: MD5)",
)
.env(&["TRITON_KEY_ID", "SDC_KEY_ID"])
.required();
pub(crate) const KEY_FILE: KeySpec = KeySpec::new(
    "key_file",
    "a file with the private key in PEM, without a passphrase; the SSH agent's key by default",
)
.env(&["TRITON_KEY_FILE"]);

pub(crate) const ADDRESS_TYPE: KeySpec =
    KeySpec::new("address_type", "which addresses of a machine are returned")
        .values(Values::OneOf(ADDRESS_TYPES))
        .default(PRIMARY);
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    ACCOUNT,
    URL,
    KEY_ID,
    KEY_FILE,
    keys::TAG_KEY,
    keys::TAG_VALUE,
    keys::TAG,
    ADDRESS_TYPE,
    POWER_STATE,
];
