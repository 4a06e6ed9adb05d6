//! The keys of a join string for the location and the credential of a cloud. Each has a variable,
//! whose name in lower case and without `OS_` is that of the same value in `clouds.yaml`.

use cloud_autojoin_core::config::{KeySpec, Values};

/// `auth_url`.
pub const AUTH_URL: KeySpec = KeySpec::new(
    "auth_url",
    "the URL of Keystone, as `https://keystone.example:5000/v3`; required without `cloud`",
)
.values(Values::Url)
.env(&["OS_AUTH_URL"]);

/// `cloud`.
pub const CLOUD: KeySpec = KeySpec::new(
    "cloud",
    "the cloud of `clouds.yaml` that has what is neither here nor in the environment",
)
.env(&["OS_CLOUD"]);

/// `user_name`.
pub const USER_NAME: KeySpec = KeySpec::new("user_name", "the name of the user")
    .aliases(&["username"])
    .env(&["OS_USERNAME"]);

/// `password`.
pub const PASSWORD: KeySpec = KeySpec::new("password", "the password of the user")
    .env(&["OS_PASSWORD"])
    .secret();

/// `token`.
pub const TOKEN: KeySpec = KeySpec::new("token", "a token of Keystone in place of a password")
    .env(&["OS_AUTH_TOKEN", "OS_TOKEN"])
    .secret();

/// `application_credential_id`.
pub const APP_ID: KeySpec = KeySpec::new(
    "application_credential_id",
    "the id of an application credential, which needs neither user nor project",
)
.env(&["OS_APPLICATION_CREDENTIAL_ID"]);

/// `application_credential_name`.
pub const APP_NAME: KeySpec = KeySpec::new(
    "application_credential_name",
    "the name of an application credential of the user",
)
.env(&["OS_APPLICATION_CREDENTIAL_NAME"]);

/// `application_credential_secret`.
pub const APP_SECRET: KeySpec = KeySpec::new(
    "application_credential_secret",
    "the secret of the application credential",
)
.env(&["OS_APPLICATION_CREDENTIAL_SECRET"])
.secret();

/// `project_id`.
pub const PROJECT_ID: KeySpec = KeySpec::new(
    "project_id",
    "the id of the project; by default the one of this server, read from its metadata service",
)
.env(&["OS_PROJECT_ID", "OS_TENANT_ID"])
.machine_default(&[PROJECT_NAME.name, CLOUD.name, APP_ID.name, APP_NAME.name]);

/// `project_name`.
pub const PROJECT_NAME: KeySpec = KeySpec::new("project_name", "the name of the project")
    .env(&["OS_PROJECT_NAME", "OS_TENANT_NAME"]);

/// `domain_id`.
pub const DOMAIN_ID: KeySpec =
    KeySpec::new("domain_id", "the id of the domain of user and project").env(&["OS_DOMAIN_ID"]);

/// `domain_name`.
pub const DOMAIN_NAME: KeySpec =
    KeySpec::new("domain_name", "the name of the domain of user and project")
        .env(&["OS_DOMAIN_NAME"]);

/// `user_domain_id`.
pub const USER_DOMAIN_ID: KeySpec =
    KeySpec::new("user_domain_id", "the id of the domain of the user").env(&["OS_USER_DOMAIN_ID"]);

/// `user_domain_name`.
pub const USER_DOMAIN_NAME: KeySpec =
    KeySpec::new("user_domain_name", "the name of the domain of the user")
        .env(&["OS_USER_DOMAIN_NAME"]);

/// `project_domain_id`.
pub const PROJECT_DOMAIN_ID: KeySpec =
    KeySpec::new("project_domain_id", "the id of the domain of the project")
        .env(&["OS_PROJECT_DOMAIN_ID"]);

/// `project_domain_name`.
pub const PROJECT_DOMAIN_NAME: KeySpec = KeySpec::new(
    "project_domain_name",
    "the name of the domain of the project",
)
.env(&["OS_PROJECT_DOMAIN_NAME"]);

/// `region`.
pub const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in; `RegionOne` unless `clouds.yaml` names one",
)
.values(Values::List)
.env(&["OS_REGION_NAME"]);

/// `interface`.
pub const INTERFACE: KeySpec = KeySpec::new(
    "interface",
    "the interface of the compute service in the catalog; `public` unless `clouds.yaml` names one",
)
.values(Values::OneOf(&["public", "internal", "admin"]))
.env(&["OS_INTERFACE"]);

/// `cacert`.
pub const CACERT: KeySpec = KeySpec::new(
    "cacert",
    "the path of a PEM file with the certificate authorities of the cloud",
)
.env(&["OS_CACERT"]);

/// `insecure`.
pub const INSECURE: KeySpec =
    KeySpec::new("insecure", "whether certificates of the cloud are not verified: anyone on the network path can read the password")
        .values(Values::Boolean)
        .env(&["OS_INSECURE"]);

/// `metadata_endpoint`, which has no variable.
pub const METADATA_ENDPOINT: KeySpec =
    crate::keys::METADATA_ENDPOINT.default("http://169.254.169.254");

/// Those with a variable, in the order in which they are to be read.
pub const KEYS: &[KeySpec] = &[
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
    CACERT,
    INSECURE,
];
