//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "vsphere";

pub(crate) const CATEGORY_NAME: KeySpec =
    KeySpec::new("category_name", "the category of the tag").required();

pub(crate) const TAG_NAME: KeySpec =
    KeySpec::new("tag_name", "the tag that virtual machines must have").required();

pub(crate) const TAG: KeySpec = KeySpec::family(
    "tag.",
    "CATEGORY",
    "a further tag, of this category; every tag that is given must be attached",
);

pub(crate) const HOST: KeySpec = KeySpec::new(
    "host",
    "the vCenter Server, `vcenter.example` or `vcenter.example:8443`",
)
.aliases(&["endpoint"])
.env(&["VSPHERE_SERVER"])
.env_if_empty()
.required();

pub(crate) const USER: KeySpec = KeySpec::new("user", "the user, `discover@vsphere.local`")
    .env(&["VSPHERE_USER"])
    .env_if_empty()
    .required();

pub(crate) const PASSWORD: KeySpec = KeySpec::new("password", "the user's password")
    .env(&["VSPHERE_PASSWORD"])
    .env_if_empty()
    .secret()
    .required();

pub(crate) const INSECURE_SSL: KeySpec = KeySpec::new(
    "insecure_ssl",
    "whether the server's certificate is accepted whatever it is, with a warning",
)
.env(&["VSPHERE_ALLOW_UNVERIFIED_SSL"])
.env_if_empty()
.values(Values::Boolean)
.default("false");

pub(crate) const CA_FILE: KeySpec = keys::CA_FILE;

pub(crate) const TIMEOUT: KeySpec = KeySpec::new(
    "timeout",
    "how long a discovery may take, at most as long as the caller allows",
)
.values(Values::Duration)
.default("10m");

pub(crate) const DATACENTER: KeySpec =
    KeySpec::new("datacenter", "the datacenters to look in; all by default").values(Values::List);

pub(crate) const FOLDER: KeySpec = KeySpec::new(
    "folder",
    "the folder to look in, with those below it, as `prod/consul`; all by default",
);

pub(crate) const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which addresses are returned; private ones are those of private ranges",
)
.values(Values::OneOf(&[
    "any",
    "any_v4",
    "any_v6",
    "private",
    "private_v4",
    "private_v6",
    "public",
    "public_v4",
    "public_v6",
]))
.default("any");

pub(crate) const POWER_STATE: KeySpec = keys::POWER_STATE;

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    CATEGORY_NAME,
    TAG_NAME,
    TAG,
    HOST,
    USER,
    PASSWORD,
    DATACENTER,
    FOLDER,
    ADDRESS_TYPE,
    POWER_STATE,
    CA_FILE,
    INSECURE_SSL,
    TIMEOUT,
];
