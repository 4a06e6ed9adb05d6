//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

pub(crate) const AUTH_URL: KeySpec = KeySpec::new(
    "auth_url",
    "the URL of Keystone, as `https://keystone.example:5000/v3`; required without `cloud`",
)
.values(Values::Url)
.env(&["OS_AUTH_URL"]);

pub(crate) const CLOUD: KeySpec = KeySpec::new(
    "cloud",
    "the cloud of `clouds.yaml` that has what is neither here nor in the environment",
)
.env(&["OS_CLOUD"]);

pub(crate) const USER_NAME: KeySpec = KeySpec::new("user_name", "the name of the user")
    .aliases(&["username"])
    .env(&["OS_USERNAME"]);

pub(crate) const PASSWORD: KeySpec = KeySpec::new("password", "the password of the user")
    .env(&["OS_PASSWORD"])
    .secret();

pub(crate) const TOKEN: KeySpec =
    KeySpec::new("token", "a token of Keystone in place of a password")
        .env(&["OS_AUTH_TOKEN", "OS_TOKEN"])
        .secret();

pub(crate) const APP_ID: KeySpec = KeySpec::new(
    "application_credential_id",
    "the id of an application credential, which needs neither user nor project",
)
.env(&["OS_APPLICATION_CREDENTIAL_ID"]);

pub(crate) const APP_NAME: KeySpec = KeySpec::new(
    "application_credential_name",
    "the name of an application credential of the user",
)
.env(&["OS_APPLICATION_CREDENTIAL_NAME"]);

pub(crate) const APP_SECRET: KeySpec = KeySpec::new(
    "application_credential_secret",
    "the secret of the application credential",
)
.env(&["OS_APPLICATION_CREDENTIAL_SECRET"])
.secret();

pub(crate) const PROJECT_ID: KeySpec = KeySpec::new(
    "project_id",
    "the id of the project; by default the one of this server, as its metadata service says",
)
.env(&["OS_PROJECT_ID", "OS_TENANT_ID"]);

pub(crate) const PROJECT_NAME: KeySpec = KeySpec::new("project_name", "the name of the project")
    .env(&["OS_PROJECT_NAME", "OS_TENANT_NAME"]);

pub(crate) const DOMAIN_ID: KeySpec =
    KeySpec::new("domain_id", "the id of the domain of user and project").env(&["OS_DOMAIN_ID"]);

pub(crate) const DOMAIN_NAME: KeySpec =
    KeySpec::new("domain_name", "the name of the domain of user and project")
        .env(&["OS_DOMAIN_NAME"]);

pub(crate) const USER_DOMAIN_ID: KeySpec =
    KeySpec::new("user_domain_id", "the id of the domain of the user").env(&["OS_USER_DOMAIN_ID"]);

pub(crate) const USER_DOMAIN_NAME: KeySpec =
    KeySpec::new("user_domain_name", "the name of the domain of the user")
        .env(&["OS_USER_DOMAIN_NAME"]);

pub(crate) const PROJECT_DOMAIN_ID: KeySpec =
    KeySpec::new("project_domain_id", "the id of the domain of the project")
        .env(&["OS_PROJECT_DOMAIN_ID"]);

pub(crate) const PROJECT_DOMAIN_NAME: KeySpec = KeySpec::new(
    "project_domain_name",
    "the name of the domain of the project",
)
.env(&["OS_PROJECT_DOMAIN_NAME"]);

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in; `RegionOne` unless `clouds.yaml` names one",
)
.values(Values::List)
.env(&["OS_REGION_NAME"]);

pub(crate) const INTERFACE: KeySpec =
    KeySpec::new("interface", "the interface of the catalog that the compute service is asked at; `public` unless `clouds.yaml` names one")
        .values(Values::OneOf(&["public", "internal", "admin"]))
        .env(&["OS_INTERFACE"]);

pub(crate) const CACERT: KeySpec = KeySpec::new(
    "cacert",
    "the path of a PEM file with the certificate authorities of the cloud",
)
.env(&["OS_CACERT"]);

pub(crate) const INSECURE: KeySpec =
    KeySpec::new("insecure", "whether certificates of the cloud are not verified: anyone on the network path can read the password")
        .values(Values::Boolean)
        .env(&["OS_INSECURE"]);

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

pub(crate) const METADATA_ENDPOINT: KeySpec = KeySpec::new(
    "metadata_endpoint",
    "another address of the metadata service",
)
.values(Values::Url)
.default("http://169.254.169.254");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TAG_KEY,
    TAG_VALUE,
    TAG,
    SERVER_TAGS,
    AUTH_URL,
    CLOUD,
    USER_NAME,
    PASSWORD,
    TOKEN,
    APP_ID,
    APP_NAME,
    APP_SECRET,
    PROJECT_ID,
    PROJECT_NAME,
    DOMAIN_ID,
    DOMAIN_NAME,
    USER_DOMAIN_ID,
    USER_DOMAIN_NAME,
    PROJECT_DOMAIN_ID,
    PROJECT_DOMAIN_NAME,
    REGION,
    INTERFACE,
    NETWORK,
    ADDRESS_TYPE,
    POWER_STATE,
    CACERT,
    INSECURE,
    ENDPOINT,
    METADATA_ENDPOINT,
];

/// The keys that `clouds.yaml` may have: each with its name there, which is below `auth` unless it
/// is one of the last four.
pub(crate) const CLOUD_KEYS: [(&KeySpec, &str); 19] = [
    (&AUTH_URL, "auth_url"),
    (&USER_NAME, "username"),
    (&PASSWORD, "password"),
    (&TOKEN, "token"),
    (&APP_ID, "application_credential_id"),
    (&APP_NAME, "application_credential_name"),
    (&APP_SECRET, "application_credential_secret"),
    (&PROJECT_ID, "project_id"),
    (&PROJECT_NAME, "project_name"),
    (&DOMAIN_ID, "domain_id"),
    (&DOMAIN_NAME, "domain_name"),
    (&USER_DOMAIN_ID, "user_domain_id"),
    (&USER_DOMAIN_NAME, "user_domain_name"),
    (&PROJECT_DOMAIN_ID, "project_domain_id"),
    (&PROJECT_DOMAIN_NAME, "project_domain_name"),
    (&REGION, "region_name"),
    (&INTERFACE, "interface"),
    (&CACERT, "cacert"),
    (&INSECURE, "insecure"),
];
