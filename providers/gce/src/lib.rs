#![doc = include_str!("../README.md")]

mod api;
mod group;
mod keys;
mod provider;
mod role;
mod select;

use cloud_autojoin_core::ProviderSpec;
use cloud_autojoin_provider_kit::auth::aws::SECRET_VARIABLES;

pub use keys::KEYS;
pub use provider::Gce;

/// Google Compute Engine as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Google Compute Engine", KEYS, provider::build)
    .with_summary("finds instances by network tag, label or instance group and gives their internal addresses")
    .with_notes(
        "The credentials are the application default credentials: `credentials_file` or \
             GOOGLE_APPLICATION_CREDENTIALS, then those of `gcloud auth application-default login`, \
             then the service account of the instance. They need the permission \
             `compute.instances.list` (`discover check --role` writes a role).",
    )
    .with_role(role::write)
    .with_secret_env(SECRET_VARIABLES)
    .with_go_discover(provider::compare_with_go_discover);
