//! The forward proxy: unchanged clients find the clouds under their own names, and nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::{Endpoint, Fault, Simulator};
use reqwest::{Client, Proxy, Version};
use serde_json::Value;
use support::*;

fn proxied(simulator: &Simulator) -> Client {
    trusting(simulator)
        .proxy(Proxy::all(simulator.proxy_endpoint()).unwrap())
        .build()
        .unwrap()
}

async fn cloud_token(client: &Client, login: &str, scope: &str) -> Result<String, Value> {
    let response: Value = request_token(
        client,
        login,
        TENANT,
        &[("client_secret", SECRET), ("scope", scope)],
    )
    .await
    .json()
    .await
    .unwrap();
    response["access_token"]
        .as_str()
        .map(str::to_owned)
        .ok_or(response)
}

#[tokio::test]
async fn each_cloud_is_found_under_its_names_and_takes_its_own_tokens() {
    let simulator = start().await;
    let client = proxied(&simulator);
    let clouds = [
        (
            "https://login.microsoftonline.com",
            "https://management.azure.com",
            "https://management.core.windows.net//.default",
        ),
        (
            "https://login.microsoftonline.us",
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        ),
        (
            "https://login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "https://management.core.chinacloudapi.cn/.default",
        ),
    ];
    for (login, arm, scope) in clouds {
        let token = cloud_token(&client, login, scope).await.unwrap();
        for (_, other, _) in clouds {
            let response = client
                .get(interfaces(other))
                .bearer_auth(&token)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status() == 200, other == arm, "{login} {other}");
            let body: Value = response.json().await.unwrap();
            if other == arm {
                assert!(
                    body["nextLink"]
                        .as_str()
                        .unwrap()
                        .starts_with(&format!("{arm}/subscriptions/")),
                    "{}",
                    body["nextLink"]
                );
            } else {
                assert_eq!(body["error"]["code"], "InvalidAuthenticationTokenAudience");
            }
        }
    }
    let refused = cloud_token(&client, "https://login.microsoftonline.us", SCOPE)
        .await
        .unwrap_err();
    assert_eq!(refused["error_codes"][0], 500_011);
    assert!(
        simulator
            .requests()
            .iter()
            .all(|request| request.proxied && request.version == Version::HTTP_2)
    );
    assert_eq!(simulator.arm_requests().len(), 9);
    simulator.finish();
}

#[tokio::test]
async fn requests_to_one_host_share_a_tunnel() {
    let simulator = start().await;
    let client = proxied(&simulator);
    let token = cloud_token(&client, "https://login.microsoftonline.com", SCOPE)
        .await
        .unwrap();
    for _ in 0..3 {
        client
            .get(scale_sets("https://management.azure.com"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
    }
    let connections: Vec<u64> = simulator
        .arm_requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [connections[0]; 3]);
}

#[tokio::test]
async fn a_client_without_http_2_is_served_over_http_1() {
    let simulator = start().await;
    let client = trusting(&simulator)
        .proxy(Proxy::all(simulator.proxy_endpoint()).unwrap())
        .http1_only()
        .build()
        .unwrap();
    cloud_token(&client, "https://login.microsoftonline.com", SCOPE)
        .await
        .unwrap();
    assert_eq!(simulator.requests()[0].version, Version::HTTP_11);
}

#[tokio::test]
async fn metadata_is_found_at_its_address() {
    let simulator = start().await;
    let response = proxied(&simulator)
        .get("http://169.254.169.254/metadata/instance/compute?api-version=2021-03-01")
        .header("Metadata", "true")
        .send()
        .await
        .unwrap();
    let compute: Value = response.json().await.unwrap();
    assert_eq!(compute["subscriptionId"], SUBSCRIPTION);
    let seen = simulator.requests();
    assert_eq!(
        (
            seen[0].endpoint,
            seen[0].operation,
            seen[0].proxied,
            seen[0].host.as_str()
        ),
        (
            Endpoint::Metadata,
            Operation::MetadataInstance,
            true,
            "169.254.169.254"
        )
    );
}

#[tokio::test]
async fn any_other_host_is_refused_and_on_record() {
    let simulator = start().await;
    let client = proxied(&simulator);
    assert!(
        client
            .get("https://elsewhere.example/")
            .send()
            .await
            .is_err()
    );
    let response = client
        .get("http://elsewhere.example/page?x=1")
        .bearer_auth("stray")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 502);
    // ARM speaks no plain http, and the metadata service no TLS.
    assert_eq!(
        client
            .get("http://management.azure.com/subscriptions")
            .send()
            .await
            .unwrap()
            .status(),
        502
    );
    assert!(
        client
            .get("https://169.254.169.254/metadata/instance")
            .send()
            .await
            .is_err()
    );
    let straight = client_of_nothing(&simulator)
        .get(format!("{}/direct", simulator.proxy_endpoint()))
        .send()
        .await
        .unwrap();
    assert_eq!(straight.status(), 502);
    let unexpected = simulator.unexpected_requests();
    let hosts: Vec<&str> = unexpected
        .iter()
        .map(|request| request.host.as_str())
        .collect();
    assert_eq!(
        hosts[..4],
        [
            "elsewhere.example:443",
            "elsewhere.example",
            "management.azure.com",
            "169.254.169.254:443"
        ]
    );
    assert_eq!(unexpected.len(), 5);
    assert!(
        unexpected[1].bearer
            && unexpected.iter().all(
                |request| request.endpoint == Endpoint::Proxy && request.status.unwrap() == 502
            )
    );
}

fn client_of_nothing(simulator: &Simulator) -> Client {
    trusting(simulator).no_proxy().build().unwrap()
}

#[tokio::test]
async fn faults_strike_inside_a_tunnel() {
    let simulator = start().await;
    let client = proxied(&simulator);
    let token = cloud_token(&client, "https://login.microsoftonline.com", SCOPE)
        .await
        .unwrap();
    simulator.add_fault(Fault::reset().endpoint(Endpoint::Arm).times(1));
    simulator.add_fault(Fault::cut_body().endpoint(Endpoint::Arm).times(1));
    let get = async || {
        client
            .get(scale_sets("https://management.azure.com"))
            .bearer_auth(&token)
            .timeout(Duration::from_secs(60))
            .send()
            .await
    };
    assert!(get().await.is_err());
    assert!(get().await.unwrap().bytes().await.is_err());
    assert_eq!(get().await.unwrap().status(), 200);
    assert_eq!(simulator.arm_requests().len(), 3);
}
