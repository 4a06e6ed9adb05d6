//! A small world, a client that trusts the simulator, and the requests that real clients send.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; these are tests"
)]

use std::time::Duration;

use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{Simulator, SimulatorBuilder};
use reqwest::{Client, ClientBuilder, Response};
use serde_json::Value;

pub(crate) const TENANT: &str = "7e4a1b52-9f0c-4d3e-8a61-0c5d2b7f9e13";
pub(crate) const SUBSCRIPTION: &str = "3f1c9a70-52d4-4b8e-9c1d-6a7e08b4f215";
pub(crate) const CLIENT: &str = "c0a8e1f2-4b5d-4c6e-8f70-91a2b3c4d5e6";
pub(crate) const SECRET: &str = "example+secret/with=signs&more";
pub(crate) const OWN_IDENTITY: &str = "a1b2c3d4-0000-4000-8000-00000000000a";
pub(crate) const LENT_IDENTITY: &str = "a1b2c3d4-0000-4000-8000-00000000000b";
pub(crate) const SCOPE: &str = "https://management.azure.com/.default";

/// Two groups; a Flexible and a Uniform set; a machine with both kinds of identities; pages of two.
pub(crate) const WORLD: &str = r#"
tenant_id = "7e4a1b52-9f0c-4d3e-8a61-0c5d2b7f9e13"
subscription_id = "3f1c9a70-52d4-4b8e-9c1d-6a7e08b4f215"

[settings]
page_size = 2

[[principal]]
name = "app"
client_id = "c0a8e1f2-4b5d-4c6e-8f70-91a2b3c4d5e6"
object_id = "0b9c8d7e-6f5a-4b3c-8d2e-1f0a9b8c7d6e"
client_secret = "example+secret/with=signs&more"
federated_subject = "system:serviceaccount:nomad:server"

[[principal]]
name = "own"
kind = "system-identity"
client_id = "a1b2c3d4-0000-4000-8000-00000000000a"
object_id = "a1b2c3d4-1111-4000-8000-00000000000a"

[[principal]]
name = "lent"
kind = "user-assigned-identity"
client_id = "a1b2c3d4-0000-4000-8000-00000000000b"
object_id = "a1b2c3d4-1111-4000-8000-00000000000b"
resource_id = "/subscriptions/3f1c9a70-52d4-4b8e-9c1d-6a7e08b4f215/resourceGroups/nomad/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lent"

[[principal]]
name = "lent-too"
kind = "user-assigned-identity"
client_id = "a1b2c3d4-0000-4000-8000-00000000000c"
object_id = "a1b2c3d4-1111-4000-8000-00000000000c"

[machine]
resource_group = "nomad"
scale_set = "servers"
instance = 0
identities = ["own", "lent"]

[[resource_group]]
name = "nomad"

[[resource_group.scale_set]]
name = "servers"
instances = 3

[[resource_group.scale_set]]
name = "clients"
orchestration_mode = "uniform"
instances = 3
"#;

pub(crate) fn world() -> World {
    World::from_toml(WORLD).unwrap()
}

pub(crate) async fn start() -> Simulator {
    Simulator::start(world()).await.unwrap()
}

pub(crate) fn builder() -> SimulatorBuilder {
    Simulator::builder(world())
}

/// A client that trusts the simulator's authority and knows no proxy.
pub(crate) fn client(simulator: &Simulator) -> Client {
    trusting(simulator).no_proxy().build().unwrap()
}

pub(crate) fn trusting(simulator: &Simulator) -> ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap();
    Client::builder()
        .tls_certs_only([authority])
        .timeout(Duration::from_secs(3600))
}

/// Requests a token with these fields in addition to the usual ones.
pub(crate) async fn request_token(
    client: &Client,
    authority: &str,
    tenant: &str,
    fields: &[(&str, &str)],
) -> Response {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", SCOPE),
    ];
    for field in fields {
        form.retain(|(name, _)| *name != field.0);
        form.push(*field);
    }
    client
        .post(format!("{authority}/{tenant}/oauth2/v2.0/token"))
        .form(&form)
        .send()
        .await
        .unwrap()
}

/// A good token for the application.
pub(crate) async fn token(client: &Client, simulator: &Simulator) -> String {
    let response: Value = request_token(
        client,
        &simulator.authority_host(),
        TENANT,
        &[("client_secret", SECRET)],
    )
    .await
    .json()
    .await
    .unwrap();
    response["access_token"].as_str().unwrap().to_owned()
}

/// The list of the subscription's interfaces, first page.
pub(crate) fn interfaces(origin: &str) -> String {
    format!(
        "{origin}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01"
    )
}

/// The list of the subscription's scale sets.
pub(crate) fn scale_sets(origin: &str) -> String {
    format!(
        "{origin}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01"
    )
}
