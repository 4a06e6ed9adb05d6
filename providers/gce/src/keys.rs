//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "gce";

/// The value of a list that stands for the place of this instance.
pub(crate) const SELF: &str = "self";

pub(crate) const PROJECT_NAME: KeySpec = KeySpec::new(
    "project_name",
    "the id of the project; by default the one of this instance, as its metadata server says",
)
.common_mistakes(&["project", "project_id"])
.machine_default(&[]);

pub(crate) const TAG_VALUE: KeySpec = KeySpec::new(
    "tag_value",
    "the network tag that instances must have; of several, separated by commas, all",
)
.values(Values::List)
.common_mistakes(&["tag_name", "tag"]);

pub(crate) const LABEL_KEY: KeySpec = KeySpec::new(
    "label_key",
    "the label that must have the value of `label_value`",
)
.common_mistakes(&["tag_key"]);

pub(crate) const LABEL_VALUE: KeySpec =
    KeySpec::new("label_value", "the value of the label `label_key`");

pub(crate) const LABEL: KeySpec = KeySpec::family(
    "tag.",
    "NAME",
    "the value of the label `NAME`; every label that is given must match",
);

pub(crate) const INSTANCE_GROUP: KeySpec = KeySpec::new(
    "instance_group",
    "the managed instance group that instances must be in, zonal or regional; `self` is the group of this instance",
);

pub(crate) const ZONE_PATTERN: KeySpec = KeySpec::new(
    "zone_pattern",
    "a regular expression (RE2) that the whole name of the zone must match, such as `us-(west|east).*`",
);

pub(crate) const ZONE: KeySpec = KeySpec::new(
    "zone",
    "the zones to look in; `self` is the zone of this instance; all by default",
)
.values(Values::List);

pub(crate) const REGION: KeySpec = KeySpec::new(
    "region",
    "the regions to look in; `self` is the region of this instance; all by default",
)
.values(Values::List);

pub(crate) const CREDENTIALS_FILE: KeySpec = KeySpec::new(
    "credentials_file",
    "the path of a credentials file: a service account key, or the configuration of workload identity federation, of an impersonated service account or of a user",
)
.env(&["GOOGLE_APPLICATION_CREDENTIALS"]);

pub(crate) const ADDRESS_TYPE: KeySpec = keys::ADDRESS_TYPE.default("private_v4");
pub(crate) const INTERFACES: KeySpec = keys::INTERFACES.default("primary");
pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;
pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT.default("https://compute.googleapis.com");

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    PROJECT_NAME,
    TAG_VALUE,
    LABEL_KEY,
    LABEL_VALUE,
    LABEL,
    INSTANCE_GROUP,
    ZONE_PATTERN,
    ZONE,
    REGION,
    ADDRESS_TYPE,
    INTERFACES,
    POWER_STATE,
    CREDENTIALS_FILE,
    ENDPOINT,
];
