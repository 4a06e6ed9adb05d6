//! The keys of a join string.

use cloud_autojoin_provider_kit::select::Interfaces;
use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "aws";

pub(crate) const TAG_KEY: KeySpec = KeySpec::new(
    "tag_key",
    "the name of the tag that instances or tasks must have",
)
.common_mistakes(&["tag_name"]);

pub(crate) const TAG_VALUE: KeySpec = KeySpec::new(
    "tag_value",
    "the value of the tag `tag_key`; empty by default. For EC2, `*` and `?` are wildcards, unless `\\` is before them, and `self` is the value that this instance has",
);

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in, such as `eu-west-1`; `self` is that of this machine. By default that of the shared profile, else that of this machine",
)
.values(Values::List)
.env(&["AWS_REGION", "AWS_DEFAULT_REGION"])
.machine_default(&[]);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE
    .aliases(&["addr_type"])
    .default("private_v4");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE.default("running");

pub(crate) const INTERFACES: KeySpec = KeySpec::new(
    "interfaces",
    "whether every network interface of an instance counts, or its primary one only; by default the primary one for IPv4 and every one for IPv6",
)
.values(Values::OneOf(Interfaces::WORDS));

pub(crate) const SERVICE: KeySpec = KeySpec::new(
    "service",
    "whether EC2 instances or ECS tasks are looked for",
)
.values(Values::OneOf(&["ec2", "ecs"]))
.default("ec2");

pub(crate) const ECS_CLUSTER: KeySpec = KeySpec::new(
    "ecs_cluster",
    "names or ARNs of the clusters whose tasks are looked for, with `service=ecs`; `self` is that of this task; all by default",
)
.values(Values::List);

pub(crate) const ECS_FAMILY: KeySpec = KeySpec::new(
    "ecs_family",
    "families of task definitions whose tasks are looked for, with `service=ecs`; `self` is that of this task; all by default",
)
.values(Values::List);

pub(crate) const ACCESS_KEY_ID: KeySpec = KeySpec::new(
    "access_key_id",
    "the id of an access key, beside `secret_access_key`",
)
.secret();
pub(crate) const SECRET_ACCESS_KEY: KeySpec =
    KeySpec::new("secret_access_key", "the secret of the access key").secret();
pub(crate) const SESSION_TOKEN: KeySpec = KeySpec::new(
    "session_token",
    "the session token of a temporary access key",
)
.secret();

pub(crate) const USE_FIPS: KeySpec =
    KeySpec::new("use_fips_endpoint", "whether the FIPS endpoints are used")
        .values(Values::Boolean)
        .env(&["AWS_USE_FIPS_ENDPOINT"]);

pub(crate) const USE_DUAL_STACK: KeySpec = KeySpec::new(
    "use_dualstack_endpoint",
    "whether the endpoints with IPv6 are used",
)
.values(Values::Boolean)
.env(&["AWS_USE_DUALSTACK_ENDPOINT"]);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    TAG_KEY,
    TAG_VALUE,
    keys::TAG,
    REGION,
    ADDRESS_TYPE,
    POWER_STATE,
    INTERFACES,
    SERVICE,
    ECS_CLUSTER,
    ECS_FAMILY,
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    USE_FIPS,
    USE_DUAL_STACK,
    keys::ENDPOINT,
];
