//! Hetzner Cloud in the conformance suite.
//!
//! The responses are written after the API reference at docs.hetzner.cloud/reference/cloud (API
//! v1), with ids and addresses replaced.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud_autojoin_hetzner::SPEC;
use cloud_autojoin_provider_kit::testing::{
    CANARY, Conformance, Exchange, Harness, Paging, Refusal,
};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(hetzner);

fn server(id: u64, status: &str, location: &str, private: &[(u64, &str)]) -> Value {
    let private_net = |(network, ip): &(u64, &str)| json!({"network": network, "ip": ip, "alias_ips": ["10.0.9.9"], "mac_address": "86:00:ff:2a:7d:e1"});
    json!({
        "id": id, "name": format!("server-{id}"), "status": status, "created": "2026-01-30T23:55:00+00:00", "locked": false,
        "labels": {"role": "consul", "env": "prod"},
        "location": {"id": 42, "name": location, "city": "Falkenstein", "country": "DE", "network_zone": "eu-central"},
        "private_net": private.iter().map(private_net).collect::<Vec<_>>(),
        "public_net": {
            "ipv4": {"id": 1, "ip": format!("203.0.113.{id}"), "blocked": false, "dns_ptr": "server01.example.com"},
            "ipv6": {"id": 2, "ip": format!("2001:db8:0:{id}::/64"), "blocked": false, "dns_ptr": []},
            "floating_ips": [478], "firewalls": [{"id": 42, "status": "applied"}]
        },
        "server_type": {"id": 1, "name": "cx22"}, "volumes": [], "load_balancers": []
    })
}

fn page(servers: &[Value], page: u64, next: Option<u64>) -> String {
    let pagination = json!({"page": page, "per_page": 50, "previous_page": null, "next_page": next, "last_page": 3, "total_entries": 5});
    json!({"servers": servers, "meta": {"pagination": pagination}}).to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get("/v1/servers", reply)
        .with_query("label_selector", "role=consul,env in (prod,stage)")
        .with_query("per_page", "50")
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn networks(ids: &[u64]) -> Exchange {
    let networks: Vec<Value> = ids.iter().map(|id| json!({"id": id, "name": "internal", "ip_range": "10.0.0.0/16", "servers": [1, 2]})).collect();
    let reply =
        json!({"networks": networks, "meta": {"pagination": {"page": 1, "next_page": null}}})
            .to_string();
    Exchange::get("/v1/networks", reply)
        .with_query("name", "internal")
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn hetzner() -> Conformance {
    let reset = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        + 9;
    let mut old = server(5, "running", "nbg1", &[(7, "10.0.0.10")]);
    if let Some(old) = old.as_object_mut() {
        let location = old.remove("location");
        old.insert(
            "datacenter".into(),
            json!({"name": "nbg1-dc3", "location": location}),
        );
        old.insert(
            "public_net".into(),
            json!({"ipv4": null, "ipv6": null, "floating_ips": []}),
        );
    }
    let first = [
        server(1, "running", "fsn1", &[(7, "10.0.0.9"), (8, "192.168.0.9")]),
        server(2, "off", "fsn1", &[(7, "10.0.0.8")]),
        server(3, "running", "hel1", &[(7, "10.0.0.3")]),
    ];
    let last = [
        server(4, "running", "fsn1", &[(8, "192.168.0.4")]),
        old,
        server(6, "initializing", "fsn1", &[(7, "")]),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=hetzner api_token=c4n4ry-token label_selector=\"role=consul,env in (prod,stage)\" location=fsn1,nbg1 network=internal endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            networks(&[7]),
            list(page(&first, 1, Some(2))).without_query("page"),
            list(page(&[], 2, Some(3))).with_query("page", "2"),
            list(page(&last, 3, None)).with_query("page", "3"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.8", "10.0.0.9", "10.0.0.10"],
        excluded: &[
            ("server-3", "not part of location `fsn1`, `nbg1`"),
            ("server-4", "not part of network `internal`"),
            ("server-6", "203.0.113.6 is not private"),
        ],
        nothing: vec![networks(&[7]), list(page(&[], 1, None))],
        throttled: (
            Refusal::new(429, r#"{"error":{"code":"rate_limit_exceeded","message":"limit of 3600 requests per hour reached","details":null}}"#)
                .with_header("ratelimit-limit", "3600")
                .with_header("ratelimit-remaining", "0")
                .with_header("ratelimit-reset", reset.to_string()),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(401, r#"{"error":{"code":"unauthorized","message":"unable to authenticate","details":null}}"#),
        denied: Some((Refusal::new(403, r#"{"error":{"code":"forbidden","message":"insufficient permissions for this request","details":null}}"#), "`Read`")),
    }
}

async fn addresses(join: &'static str) -> Vec<String> {
    Harness::serving(Conformance { join, ..hetzner() })
        .await
        .discover()
        .await
        .addresses()
}

#[tokio::test]
async fn public_addresses_are_the_ipv4_address_and_the_first_of_the_ipv6_block() {
    let join = "provider=hetzner api_token=c4n4ry-token label_selector=\"role=consul,env in (prod,stage)\" power_state=running address_type=public location=fsn1 endpoint=ENDPOINT/v1";
    assert_eq!(
        addresses(join).await,
        [
            "203.0.113.1",
            "203.0.113.4",
            "2001:db8:0:1::1",
            "2001:db8:0:4::1"
        ]
    );
}

#[tokio::test]
async fn without_a_network_the_addresses_of_every_network_are_returned() {
    let join = "provider=hetzner api_token=c4n4ry-token label_selector=\"role=consul,env in (prod,stage)\" location=fsn1 endpoint=ENDPOINT";
    assert_eq!(
        addresses(join).await,
        ["10.0.0.8", "10.0.0.9", "192.168.0.4", "192.168.0.9"]
    );
}

#[tokio::test]
async fn a_network_that_does_not_exist_is_named() {
    let mut conformance = hetzner();
    conformance.exchanges[0] = networks(&[]);
    let outcome = Harness::serving(conformance).await.discover().await;
    assert_eq!(outcome.addresses(), [""; 0]);
    assert!(
        outcome
            .discovery()
            .summary()
            .contains("the project has no network `internal`"),
        "{}",
        outcome.discovery().summary()
    );
}
