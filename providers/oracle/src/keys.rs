//! The keys of a join string.

use cloud_autojoin_provider_kit::auth::oracle::keys as oracle;
use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "oracle";

pub(crate) const DEFINED_TAG: KeySpec = KeySpec::family(
    "defined_tag.",
    "NAMESPACE.KEY",
    "the value of the defined tag `KEY` of a tag namespace",
);
pub(crate) const COMPARTMENT_ID: KeySpec = KeySpec::new(
    "compartment_id",
    "the OCIDs of the compartments to look in; the root compartment of the tenancy by default",
)
.values(Values::List)
.machine_default(&[]);
pub(crate) const SUBCOMPARTMENTS: KeySpec = KeySpec::new(
    "subcompartments",
    "whether to look in the compartments below those as well",
)
.values(Values::Boolean)
.default("false");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    keys::TAG_KEY,
    keys::TAG_VALUE,
    keys::TAG,
    DEFINED_TAG,
    COMPARTMENT_ID,
    SUBCOMPARTMENTS,
    oracle::REGION,
    oracle::AUTH,
    oracle::TENANCY,
    oracle::USER,
    oracle::FINGERPRINT,
    oracle::KEY_FILE,
    oracle::KEY_CONTENT,
    oracle::CONFIG_FILE,
    oracle::PROFILE,
    keys::ADDRESS_TYPE,
    keys::INTERFACES,
    POWER_STATE,
    oracle::REALM_DOMAIN,
    oracle::ENDPOINT,
    oracle::AUTH_ENDPOINT,
    oracle::METADATA_ENDPOINT,
];
