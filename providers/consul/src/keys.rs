//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "consul";

pub(crate) const SERVICE: KeySpec = KeySpec::new("service", "the name of the service").required();

pub(crate) const ENDPOINT: KeySpec =
    KeySpec::new("endpoint", "the HTTP API of a Consul agent, as `host:port` or a URL; https if a token goes to another machine")
        .aliases(&["address"])
        .env(&["CONSUL_HTTP_ADDR"])
        .default("http://127.0.0.1:8500");

pub(crate) const TOKEN: KeySpec = KeySpec::new("token", "the ACL token")
    .env(&["CONSUL_HTTP_TOKEN"])
    .secret();

pub(crate) const TOKEN_FILE: KeySpec = keys::TOKEN_FILE.env(&["CONSUL_HTTP_TOKEN_FILE"]);

pub(crate) const TAG: KeySpec =
    KeySpec::new("tag", "the service tags that instances must have; of several, separated by commas, all; case doesn't count").values(Values::List);

pub(crate) const PASSING: KeySpec = KeySpec::new("passing", "whether all checks must pass")
    .values(Values::Boolean)
    .default("false");

pub(crate) const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which address of an instance is returned: `service` is the service's, or the node's where it has none; `lan` and `wan` are tagged addresses",
)
.values(Values::OneOf(&["service", "node", "lan", "wan"]))
.default("service");

pub(crate) const PORT: KeySpec = KeySpec::new(
    "port",
    "the port to return with each address: a number, or `service` for the service's own; none by default",
);

pub(crate) const DATACENTER: KeySpec = KeySpec::new(
    "datacenter",
    "the datacenters to look in, separated by commas; the agent's own by default",
)
.values(Values::List)
.machine_default(&[]);

pub(crate) const NAMESPACE: KeySpec =
    KeySpec::new("namespace", "the namespace (Enterprise)").env(&["CONSUL_NAMESPACE"]);

pub(crate) const PARTITION: KeySpec =
    KeySpec::new("partition", "the admin partition (Enterprise)").env(&["CONSUL_PARTITION"]);

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    SERVICE,
    ENDPOINT,
    TOKEN,
    TOKEN_FILE,
    TAG,
    PASSING,
    ADDRESS_TYPE,
    PORT,
    DATACENTER,
    NAMESPACE,
    PARTITION,
    keys::CA_FILE.env(&["CONSUL_CACERT"]),
    keys::CA_DIRECTORY.env(&["CONSUL_CAPATH"]),
    keys::CERTIFICATE_FILE.env(&["CONSUL_CLIENT_CERT"]),
    keys::KEY_FILE.env(&["CONSUL_CLIENT_KEY"]),
    keys::SERVER_NAME.env(&["CONSUL_TLS_SERVER_NAME"]),
    keys::INSECURE,
];
