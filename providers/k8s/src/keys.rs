//! The keys of a join string.

use cloud_autojoin_provider_kit::{KeySpec, Values, keys};

/// The name after `provider=`.
pub(crate) const NAME: &str = "k8s";

/// The value for the namespace of this pod.
pub(crate) const SELF: &str = "self";

pub(crate) const KUBECONFIG: KeySpec =
    KeySpec::new("kubeconfig", "the kubeconfig file, or several as `KUBECONFIG` lists them; by default `~/.kube/config`, then the pod's service account")
        .env(&["KUBECONFIG"]);

pub(crate) const CONTEXT: KeySpec = KeySpec::new(
    "context",
    "the kubeconfig's context; its current one by default",
);

pub(crate) const NAMESPACE: KeySpec = KeySpec::new(
    "namespace",
    "the namespace to look in; `self` is that of this pod, or of the kubeconfig's context",
)
.default("default");

pub(crate) const LABEL_SELECTOR: KeySpec = KeySpec::new(
    "label_selector",
    "labels that pods must have, as `\"app=consul,component=server\"`",
);

pub(crate) const FIELD_SELECTOR: KeySpec = KeySpec::new(
    "field_selector",
    "fields that pods must have, as `\"spec.nodeName=node-1\"`",
);

pub(crate) const SERVICE: KeySpec = KeySpec::new(
    "service",
    "the service whose endpoints are returned, in place of pods by selector",
);

pub(crate) const READY: KeySpec = KeySpec::new(
    "ready",
    "whether a pod must be ready; `false` for pods that wait for each other before they are",
)
.values(Values::Boolean)
.default("true");

pub(crate) const HOST_NETWORK: KeySpec = KeySpec::new(
    "host_network",
    "whether the addresses and ports of the nodes are returned",
)
.values(Values::Boolean)
.default("false");

pub(crate) const PORT: KeySpec = KeySpec::new(
    "port",
    "the name or number of the port to return; by default that of the annotation `consul.hashicorp.com/auto-join-port` of a pod",
);

pub(crate) const ADDRESS_TYPE: KeySpec = KeySpec::new(
    "address_type",
    "which addresses are returned: the primary one, or those of both or one family",
)
.values(Values::OneOf(&[
    "primary",
    "private",
    "private_v4",
    "private_v6",
]))
.default("primary");

pub(crate) const ENDPOINT: KeySpec = keys::ENDPOINT;

pub(crate) const TOKEN: KeySpec = KeySpec::new(
    "token",
    "the bearer token, in place of the kubeconfig's credential",
)
.secret();

/// Every key, in the order in which it is to be read.
pub const KEYS: &[KeySpec] = &[
    LABEL_SELECTOR,
    FIELD_SELECTOR,
    NAMESPACE,
    SERVICE,
    READY,
    HOST_NETWORK,
    PORT,
    ADDRESS_TYPE,
    KUBECONFIG,
    CONTEXT,
    ENDPOINT,
    TOKEN,
];
