//! The keys of a join string for credential, region and endpoints.

use cloud_autojoin_core::config::{KeySpec, Values};

use crate::keys;

/// `region`: where requests go.
pub const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in, such as `eu-frankfurt-1`; by default that of the profile, or of this instance",
)
.values(Values::List)
.env(&["OCI_REGION", "OCI_CLI_REGION"])
.machine_default(&[]);

/// `auth`: the source of the credential.
pub const AUTH: KeySpec = KeySpec::new(
    "auth",
    "what signs requests; by default an API key where one is configured, else the instance principal",
)
.values(Values::OneOf(&["api_key", "security_token", "instance_principal"]))
.env(&["OCI_CLI_AUTH"]);

/// `tenancy`: the tenancy of the API key.
pub const TENANCY: KeySpec =
    KeySpec::new("tenancy", "the OCID of the tenancy").env(&["OCI_CLI_TENANCY"]);

/// `user`: the user of the API key.
pub const USER: KeySpec =
    KeySpec::new("user", "the OCID of the user whose API key it is").env(&["OCI_CLI_USER"]);

/// `fingerprint`: which API key of the user.
pub const FINGERPRINT: KeySpec =
    KeySpec::new("fingerprint", "the fingerprint of the API key").env(&["OCI_CLI_FINGERPRINT"]);

/// `key_file`: the file of the private key.
pub const KEY_FILE: KeySpec = KeySpec::new(
    "key_file",
    "the path of the private key in PEM, without a passphrase",
)
.env(&["OCI_CLI_KEY_FILE"]);

/// `key_content`: the private key.
pub const KEY_CONTENT: KeySpec =
    KeySpec::new("key_content", "the private key itself, in place of a file")
        .env(&["OCI_CLI_KEY_CONTENT"])
        .secret();

/// `config_file`: the file with the profiles.
pub const CONFIG_FILE: KeySpec = KeySpec::new(
    "config_file",
    "the configuration file of Oracle's tools; `~/.oci/config` by default",
)
.env(&["OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"]);

/// `profile`: the profile in that file.
pub const PROFILE: KeySpec = KeySpec::new("profile", "the profile in that file")
    .env(&["OCI_CLI_PROFILE"])
    .default("DEFAULT");

/// `realm_domain`: the end of the host names of the services.
pub const REALM_DOMAIN: KeySpec = KeySpec::new(
    "realm_domain",
    "the domain of the realm, such as `oraclegovcloud.com`; by default that of this instance with an instance principal, else `oraclecloud.com`",
);

/// `endpoint`: the endpoint of every service in every region.
pub const ENDPOINT: KeySpec = KeySpec::new(
    "endpoint",
    "another API endpoint than `https://SERVICE.REGION.oraclecloud.com`, for every region and service",
)
.values(Values::Endpoint);

/// `auth_endpoint`: where instance principals get their tokens.
pub const AUTH_ENDPOINT: KeySpec = KeySpec::new(
    "auth_endpoint",
    "another endpoint for the tokens of instance principals than `https://auth.REGION.oraclecloud.com`",
)
.values(Values::Endpoint)
.env(&["OCI_SDK_AUTH_CLIENT_REGION_URL"]);

/// `metadata_endpoint`: the instance metadata service, version 2.
pub const METADATA_ENDPOINT: KeySpec = keys::METADATA_ENDPOINT
    .env(&["OCI_METADATA_BASE_URL"])
    .default("http://169.254.169.254/opc/v2");
