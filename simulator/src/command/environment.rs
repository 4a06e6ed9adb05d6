//! The environment variables that direct unchanged clients to the simulator.

use std::ffi::OsString;

use cloud_autojoin_simulator::azure;
use cloud_autojoin_simulator::azure::world::{Principal, PrincipalKind};
use cloud_autojoin_simulator::engine::{Service, Simulator};

use crate::CommandError;

/// Variables to remove, which could bypass the simulator or add trusted certificates.
pub(crate) const REMOVED: [&str; 5] = [
    "ALL_PROXY",
    "all_proxy",
    "SSL_CERT_DIR",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
];

/// Proxy and certificates, and where they are by name.
pub(crate) fn proxy<S: Service>(simulator: &Simulator<S>) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> = Vec::new();
    // Clients differ in which case they read; curl takes `http_proxy` in lower case only.
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        variables.push((name, simulator.proxy_endpoint().into()));
    }
    // The metadata address isn't among these: its requests must go through the proxy, or they would
    // reach a real service on this machine.
    for name in ["NO_PROXY", "no_proxy"] {
        variables.push((name, "localhost,127.0.0.1,::1".into()));
    }
    // Go, Rust and OpenSSL; Python; curl; Node.
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ] {
        variables.push((name, simulator.ca_file().into()));
    }
    variables.push(("DISCOVER_SIM_PROXY", simulator.proxy_endpoint().into()));
    variables.push(("DISCOVER_SIM_CA_FILE", simulator.ca_file().into()));
    variables
}

/// The endpoints of Azure by name.
pub(crate) fn azure_endpoints(simulator: &azure::Simulator) -> Vec<(&'static str, OsString)> {
    vec![
        // Clients that reach the metadata service past any proxy, as they should, find it here:
        // some Azure SDKs read this one.
        (
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            simulator.metadata_endpoint().into(),
        ),
        // The Azure CLI would report what it did to a host that isn't simulated.
        ("AZURE_CORE_COLLECT_TELEMETRY", "false".into()),
        ("DISCOVER_SIM_ARM_ENDPOINT", simulator.arm_endpoint().into()),
        (
            "DISCOVER_SIM_AUTHORITY_HOST",
            simulator.authority_host().into(),
        ),
        (
            "DISCOVER_SIM_METADATA_ENDPOINT",
            simulator.metadata_endpoint().into(),
        ),
    ]
}

/// The first application of the world that has a secret.
pub(crate) fn application(simulator: &azure::Simulator) -> Option<Principal> {
    simulator.with_world(|world| {
        world
            .principals()
            .iter()
            .find(|principal| {
                principal.kind == PrincipalKind::Application && principal.client_secret.is_some()
            })
            .cloned()
    })
}

/// That application's credentials, as Terraform and go-discover (`ARM_`) and as the Azure SDKs
/// (`AZURE_`) call them.
pub(crate) fn credentials(
    simulator: &azure::Simulator,
) -> Result<Vec<(String, OsString)>, CommandError> {
    let principal = application(simulator)
        .ok_or("`--credentials`: the world has no application with a secret")?;
    let subscription = simulator
        .with_world(|world| {
            world
                .subscriptions()
                .first()
                .map(|subscription| subscription.id.clone())
        })
        .unwrap_or_default();
    let values = [
        ("SUBSCRIPTION_ID", subscription),
        ("TENANT_ID", principal.tenant_id),
        ("CLIENT_ID", principal.client_id),
        ("CLIENT_SECRET", principal.client_secret.unwrap_or_default()),
    ];
    let named = values.into_iter().flat_map(|(name, value)| {
        ["ARM", "AZURE"].map(|prefix| (format!("{prefix}_{name}"), OsString::from(value.clone())))
    });
    Ok(named.collect())
}
