//! IMDS, App Service and Azure Arc through the metadata endpoint.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::{Endpoint, Simulator};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use support::*;

const RESOURCE: &str = "https://management.azure.com/";

async fn get(client: &Client, simulator: &Simulator, query: &[(&str, &str)]) -> Response {
    let url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01",
        simulator.metadata_endpoint()
    );
    client
        .get(url)
        .query(&[("resource", RESOURCE)])
        .query(query)
        .header("Metadata", "true")
        .send()
        .await
        .unwrap()
}

async fn opens_arm(client: &Client, simulator: &Simulator, response: &Value) -> bool {
    let request = client
        .get(scale_sets(&simulator.arm_endpoint()))
        .bearer_auth(response["access_token"].as_str().unwrap());
    request.send().await.unwrap().status() == 200
}

#[tokio::test]
async fn the_machines_own_identity_is_the_default_and_numbers_are_strings() {
    let simulator = start().await;
    let client = client(&simulator);
    let response: Value = get(&client, &simulator, &[]).await.json().await.unwrap();
    assert_eq!(
        (
            &response["client_id"],
            &response["expires_in"],
            &response["resource"]
        ),
        (&json!(OWN_IDENTITY), &json!("86399"), &json!(RESOURCE))
    );
    let (on, before) = (
        response["expires_on"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap(),
        response["not_before"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap(),
    );
    assert_eq!(on - before, 86_399);
    assert!(opens_arm(&client, &simulator, &response).await);
    assert_eq!(
        simulator.requests()[0].principal.as_deref(),
        Some(OWN_IDENTITY)
    );
    assert_eq!(simulator.count(Operation::MetadataToken), 1);
    simulator.finish();
}

#[tokio::test]
async fn an_identity_is_chosen_by_any_of_its_ids() {
    let simulator = start().await;
    let client = client(&simulator);
    let resource_id = format!(
        "/subscriptions/{SUBSCRIPTION}/RESOURCEGROUPS/nomad/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lent"
    );
    for choice in [
        ("client_id", LENT_IDENTITY),
        ("object_id", "a1b2c3d4-1111-4000-8000-00000000000b"),
        ("msi_res_id", &resource_id),
        ("mi_res_id", &resource_id),
    ] {
        let response: Value = get(&client, &simulator, &[choice])
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(response["client_id"], LENT_IDENTITY, "{choice:?}");
    }
    // An identity of the world that is not the machine's is as good as none.
    let response = get(
        &client,
        &simulator,
        &[("client_id", "a1b2c3d4-0000-4000-8000-00000000000c")],
    )
    .await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({ "error": "invalid_request", "error_description": "Identity not found" })
    );
}

#[tokio::test]
async fn without_an_own_identity_only_a_single_lent_one_needs_no_choice() {
    let simulator = start().await;
    let client = client(&simulator);
    let identities = |names: &[&str]| {
        simulator.with_world(|world| {
            let mut machine = world.machine().unwrap().clone();
            machine.identities = names.iter().map(|name| (*name).to_owned()).collect();
            world.set_machine(Some(machine)).unwrap();
        });
    };
    identities(&["lent"]);
    assert_eq!(
        get(&client, &simulator, &[])
            .await
            .json::<Value>()
            .await
            .unwrap()["client_id"],
        LENT_IDENTITY
    );
    identities(&["lent", "lent-too"]);
    let response = get(&client, &simulator, &[]).await;
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("Multiple user assigned identities exist")
    );
    identities(&[]);
    assert!(
        get(&client, &simulator, &[])
            .await
            .text()
            .await
            .unwrap()
            .contains("Identity not found")
    );
}

#[tokio::test]
async fn a_request_without_header_version_or_resource_is_refused() {
    let simulator = start().await;
    let client = client(&simulator);
    let url = format!(
        "{}/metadata/identity/oauth2/token",
        simulator.metadata_endpoint()
    );
    let bare = client.get(&url).send().await.unwrap();
    assert_eq!(bare.status(), 400);
    assert_eq!(
        bare.json::<Value>().await.unwrap(),
        json!({ "error": "invalid_request", "error_description": "Required metadata header not specified" })
    );
    for (query, words) in [
        ("resource=x", "'api-version' is missing"),
        ("api-version=2018-02-01", "'resource' is missing"),
        (
            "api-version=2018-02-01&resource=https://vault.azure.net",
            "AADSTS500011",
        ),
    ] {
        let response = client
            .get(format!("{url}?{query}"))
            .header("metadata", "true")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400);
        assert!(response.text().await.unwrap().contains(words), "{words}");
    }
}

#[tokio::test]
async fn the_instance_knows_its_flexible_set_by_id_and_its_uniform_set_by_name() {
    let simulator = start().await;
    let client = client(&simulator);
    let get = async |below: &str, query: &str| {
        client
            .get(format!(
                "{}/metadata/instance{below}?{query}",
                simulator.metadata_endpoint()
            ))
            .header("Metadata", "true")
            .send()
            .await
            .unwrap()
    };
    let compute: Value = get("/compute", "api-version=2021-03-01")
        .await
        .json()
        .await
        .unwrap();
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/nomad/providers/Microsoft.Compute/virtualMachineScaleSets/servers"
    );
    assert_eq!(
        (
            &compute["virtualMachineScaleSet"]["id"],
            &compute["vmScaleSetName"]
        ),
        (&json!(id), &json!(""))
    );
    assert_eq!(
        (
            &compute["subscriptionId"],
            &compute["resourceGroupName"],
            &compute["azEnvironment"]
        ),
        (
            &json!(SUBSCRIPTION),
            &json!("nomad"),
            &json!("AzurePublicCloud")
        )
    );
    let whole: Value = get("", "api-version=2020-09-01")
        .await
        .json()
        .await
        .unwrap();
    assert!(whole["compute"]["virtualMachineScaleSet"].is_null());
    assert!(
        whole["network"]["interface"][0]["ipv4"]["ipAddress"][0]["privateIpAddress"]
            .as_str()
            .unwrap()
            .starts_with("10.")
    );
    assert_eq!(
        get(
            "/compute/resourceGroupName",
            "api-version=2021-03-01&format=text"
        )
        .await
        .text()
        .await
        .unwrap(),
        "nomad"
    );

    simulator.with_world(|world| {
        let mut machine = world.machine().unwrap().clone();
        machine.scale_set = Some("clients".to_owned());
        machine.instance = 1;
        world.set_machine(Some(machine)).unwrap();
    });
    let compute: Value = get("/compute", "api-version=2021-03-01")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (
            &compute["virtualMachineScaleSet"]["id"],
            &compute["vmScaleSetName"],
            &compute["name"]
        ),
        (&json!(""), &json!("clients"), &json!("clients_1"))
    );
    assert_eq!(get("", "").await.status(), 400);
    assert_eq!(simulator.count(Operation::MetadataInstance), 5);
    simulator.finish();
}

#[tokio::test]
async fn app_service_wants_its_header() {
    let simulator = start().await;
    let client = client(&simulator);
    let url = format!(
        "{}?api-version=2019-08-01&resource={RESOURCE}",
        simulator.app_service_endpoint()
    );
    let wrong = client
        .get(&url)
        .header("X-IDENTITY-HEADER", "wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
    let response: Value = client
        .get(&url)
        .header("X-IDENTITY-HEADER", simulator.app_service_header())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(
        response["expires_on"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .is_ok()
    );
    assert!(opens_arm(&client, &simulator, &response).await);
}

#[tokio::test]
async fn arc_wants_the_key_out_of_its_file_and_each_key_once() {
    let simulator = start().await;
    let client = client(&simulator);
    let url = format!(
        "{}?api-version=2020-06-01&resource={RESOURCE}",
        simulator.arc_endpoint()
    );
    let challenge = client
        .get(&url)
        .header("Metadata", "true")
        .send()
        .await
        .unwrap();
    assert_eq!(challenge.status(), 401);
    let file = challenge.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .strip_prefix("Basic realm=")
        .unwrap()
        .to_owned();
    assert!(
        file.ends_with(".key") && std::path::Path::new(&file).starts_with(simulator.arc_keys())
    );
    let key = std::fs::read_to_string(file).unwrap();
    let responded = async |key: &str| {
        client
            .get(&url)
            .header("Metadata", "true")
            .header("Authorization", format!("Basic {key}"))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(responded("guess").await.status(), 401);
    let response: Value = responded(&key).await.json().await.unwrap();
    assert!(opens_arm(&client, &simulator, &response).await);
    assert_eq!(responded(&key).await.status(), 401);
    assert!(
        simulator
            .requests()
            .iter()
            .filter(|request| request.endpoint == Endpoint::Metadata)
            .all(|request| request.operation == Operation::MetadataToken)
    );
}
