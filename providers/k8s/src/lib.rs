#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod role;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Kubernetes;

/// Kubernetes as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Kubernetes", KEYS, provider::build)
    .with_summary("finds pods by label or field selector, or the endpoints of a service")
    .with_notes(
        "The credential is the kubeconfig's (token, client certificate, exec plugin), else that of \
             the pod's service account. It needs `list` on pods, or on endpointslices with \
             `service`; `discover check --role` writes the Role.",
    )
    .with_role(role::role)
    .with_go_discover(provider::compare_with_go_discover);
