#![doc = include_str!("../README.md")]

mod keys;
mod provider;
mod rest;
mod select;
mod soap;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::VSphere;

/// vSphere as the registry knows it.
pub const SPEC: ProviderSpec =
    ProviderSpec::new(keys::NAME, "VMware vSphere", KEYS, provider::build)
        .with_summary(
            "finds virtual machines by tag and gives the addresses that VMware Tools reports",
        )
        .with_notes(
            "The user needs the role Read-only on the vCenter Server, propagated to its children. \
             Keep the password in VSPHERE_PASSWORD or in a file (`@FILE`).",
        )
        .with_role(provider::role)
        .with_go_discover(provider::compare_with_go_discover);
