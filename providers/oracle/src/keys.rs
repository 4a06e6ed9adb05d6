//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

pub(crate) const TAG_KEY: KeySpec = KeySpec::new(
    "tag_key",
    "the key of the free-form tag that instances must have",
);
pub(crate) const TAG_VALUE: KeySpec =
    KeySpec::new("tag_value", "the value of the free-form tag `tag_key`");
pub(crate) const TAG: KeySpec = KeySpec::family(
    "tag.",
    "NAME",
    "the value of the free-form tag `NAME`; every tag that is given must match",
);
pub(crate) const DEFINED_TAG: KeySpec = KeySpec::family(
    "defined_tag.",
    "NAMESPACE.KEY",
    "the value of the defined tag `KEY` of a tag namespace",
);

pub(crate) const COMPARTMENT_ID: KeySpec = KeySpec::new(
    "compartment_id",
    "the OCIDs of the compartments to look in; the root compartment of the tenancy by default",
)
.values(Values::List);

pub(crate) const SUBCOMPARTMENTS: KeySpec = KeySpec::new(
    "subcompartments",
    "whether to look in the compartments below those as well",
)
.values(Values::Boolean)
.default("false");

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in, such as `eu-frankfurt-1`; by default that of the profile, or of this instance",
)
.values(Values::List)
.env(&["OCI_REGION", "OCI_CLI_REGION"]);

pub(crate) const AUTH: KeySpec = KeySpec::new(
    "auth",
    "what signs requests; by default an API key where one is configured, else the instance principal",
)
.values(Values::OneOf(&["api_key", "security_token", "instance_principal"]))
.env(&["OCI_CLI_AUTH"]);

pub(crate) const TENANCY: KeySpec =
    KeySpec::new("tenancy", "the OCID of the tenancy").env(&["OCI_CLI_TENANCY"]);
pub(crate) const USER: KeySpec =
    KeySpec::new("user", "the OCID of the user whose API key it is").env(&["OCI_CLI_USER"]);
pub(crate) const FINGERPRINT: KeySpec =
    KeySpec::new("fingerprint", "the fingerprint of the API key").env(&["OCI_CLI_FINGERPRINT"]);
pub(crate) const KEY_FILE: KeySpec = KeySpec::new(
    "key_file",
    "the path of the private key in PEM, without a passphrase",
)
.env(&["OCI_CLI_KEY_FILE"]);
pub(crate) const KEY_CONTENT: KeySpec =
    KeySpec::new("key_content", "the private key itself, in place of a file")
        .env(&["OCI_CLI_KEY_CONTENT"])
        .secret();

pub(crate) const CONFIG_FILE: KeySpec = KeySpec::new(
    "config_file",
    "the configuration file of Oracle's tools; `~/.oci/config` by default",
)
.env(&["OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"]);
pub(crate) const PROFILE: KeySpec = KeySpec::new("profile", "the profile in that file")
    .env(&["OCI_CLI_PROFILE"])
    .default("DEFAULT");

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE;
pub(crate) const INTERFACES: KeySpec = keys::INTERFACES;
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");

pub(crate) const REALM_DOMAIN: KeySpec = KeySpec::new(
    "realm_domain",
    "the domain of the realm, such as `oraclegovcloud.com`; by default that of this instance with an instance principal, else `oraclecloud.com`",
);
pub(crate) const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another API endpoint than `https://iaas.REGION.oraclecloud.com`, for every region and the compartments",
)
.values(Values::Endpoint);
pub(crate) const AUTH_ENDPOINT: KeySpec = KeySpec::new(
    "auth_endpoint",
    "another endpoint for the tokens of instance principals than `https://auth.REGION.oraclecloud.com`",
)
.values(Values::Endpoint)
.env(&["OCI_SDK_AUTH_CLIENT_REGION_URL"]);
pub(crate) const METADATA_ENDPOINT: KeySpec = keys::METADATA_ENDPOINT
    .env(&["OCI_METADATA_BASE_URL"])
    .default("http://169.254.169.254/opc/v2");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TAG_KEY,
    TAG_VALUE,
    TAG,
    DEFINED_TAG,
    COMPARTMENT_ID,
    SUBCOMPARTMENTS,
    REGION,
    AUTH,
    TENANCY,
    USER,
    FINGERPRINT,
    KEY_FILE,
    KEY_CONTENT,
    CONFIG_FILE,
    PROFILE,
    ADDRESS_TYPE,
    INTERFACES,
    POWER_STATE,
    REALM_DOMAIN,
    ENDPOINT,
    AUTH_ENDPOINT,
    METADATA_ENDPOINT,
];
