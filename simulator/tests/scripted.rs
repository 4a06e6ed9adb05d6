//! Scripted services through the forward proxy: an unchanged client finds them under their names.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_simulator::scripted::{Endpoint, Fault, Operation, Script, Simulator};
use reqwest::{Client, Proxy};
use serde_json::Value;

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Script::shipped("digitalocean").unwrap().unwrap())
        .await
        .unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap();
    let client = Client::builder()
        .tls_certs_only([authority])
        .timeout(Duration::from_secs(3600))
        .proxy(Proxy::all(simulator.proxy_endpoint()).unwrap())
        .build()
        .unwrap();
    (simulator, client)
}

fn list() -> Operation {
    "list-droplets".to_owned().into()
}

#[tokio::test]
async fn pages_are_followed_through_the_proxy() {
    let (simulator, client) = start().await;
    let mut next =
        Some("https://api.digitalocean.com/v2/droplets?tag_name=consul&per_page=200".to_owned());
    let mut names = Vec::new();
    while let Some(url) = next {
        let page: Value = client
            .get(url)
            .bearer_auth("example-token")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        names.extend(
            page["droplets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|droplet| droplet["name"].as_str().unwrap().to_owned()),
        );
        next = page["links"]["pages"]["next"]
            .as_str()
            .map(ToOwned::to_owned);
    }
    assert_eq!(names, ["consul-1", "consul-2", "consul-3"]);
    assert_eq!(simulator.count(list()), 2);
    assert!(simulator.requests().iter().all(|request| request.proxied
        && request.host == "api.digitalocean.com"
        && request.endpoint == Endpoint::Service));
    simulator.finish();
}

#[tokio::test]
async fn faults_have_the_shape_of_the_service() {
    let (simulator, client) = start().await;
    simulator.add_fault(
        "status=429,retry-after=7,times=1,operation=list-droplets"
            .parse::<Fault>()
            .unwrap(),
    );
    let get = async || {
        client
            .get("https://api.digitalocean.com/v2/droplets")
            .bearer_auth("example-token")
            .send()
            .await
            .unwrap()
    };
    let refused = get().await;
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    assert_eq!(
        refused.json::<Value>().await.unwrap()["id"],
        "Too Many Requests"
    );
    assert_eq!(get().await.status(), 200);
}

#[tokio::test]
async fn another_host_is_refused_and_on_record() {
    let (simulator, client) = start().await;
    assert!(
        client
            .get("https://management.azure.com/")
            .send()
            .await
            .is_err()
    );
    let unexpected = simulator.unexpected_requests();
    assert_eq!(
        (
            unexpected.len(),
            unexpected[0].host.as_str(),
            unexpected[0].endpoint
        ),
        (1, "management.azure.com:443", Endpoint::Proxy)
    );
}

#[tokio::test]
async fn a_client_whose_endpoint_can_be_set_needs_no_proxy() {
    let (simulator, _) = start().await;
    let url = format!(
        "{}/v2/droplets?tag_name=consul",
        simulator.url(Endpoint::Service)
    );
    let page: Value = Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(url)
        .bearer_auth("example-token")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(
        page["links"]["pages"]["next"]
            .as_str()
            .unwrap()
            .starts_with(&simulator.url(Endpoint::Service)),
        "{page}"
    );
    simulator.finish();
}
