#![doc = include_str!("../README.md")]

mod keys;
mod output;
mod provider;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Exec;

/// Programs as the registry knows them.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Programs", KEYS, provider::build)
    .with_summary("runs a program and gives the addresses that it prints")
    .with_notes(
        "The program prints IP addresses separated by white space and exits with status 0, as for \
         `exec=` of Nomad and Consul Dataplane (go-netaddrs). There is no shell. The program gets \
         the environment without the variables that hold secrets; `pass_env` names those it needs.",
    );
