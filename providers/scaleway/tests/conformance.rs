//! Scaleway in the conformance suite.
//!
//! The responses are written after the API reference at scaleway.com/en/developers/api/instance
//! and /ipam, with ids and addresses replaced.

use std::time::Duration;

use cloud_autojoin_core::ConfigString;
use cloud_autojoin_provider_kit::testing::{
    CANARY, Conformance, Exchange, Harness, Paging, Refusal,
};
use cloud_autojoin_scaleway::SPEC;
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(scaleway);

fn server(id: u32, state: &str, tags: &[&str]) -> Value {
    json!({
        "id": format!("5d1b5b5c-0000-4000-8000-00000000000{id}"), "name": format!("scw-{id}"), "state": state, "tags": tags, "zone": "fr-par-1",
        "organization": "o", "project": "p", "commercial_type": "PLAY2-PICO", "private_ip": null, "routed_ip_enabled": true, "ipv6": null,
        "public_ip": {"id": "ip-1", "address": format!("203.0.113.{id}"), "dynamic": false},
        "public_ips": [{"id": "ip-1", "address": format!("203.0.113.{id}"), "family": "inet"}, {"id": "ip-2", "address": format!("2001:db8::{id}"), "family": "inet6"}],
        "private_nics": [{"id": format!("nic-{id}"), "server_id": format!("{id}"), "private_network_id": "pn", "mac_address": "02:00:00:00:12:34", "state": "available"}]
    })
}

fn list(servers: &[Value], total: u32) -> Exchange {
    Exchange::get(
        "/instance/v1/zones/fr-par-1/servers",
        json!({"servers": servers}).to_string(),
    )
    .with_query("tags", "consul")
    .with_query("per_page", "100")
    .with_header("x-auth-token", format!("{CANARY}-token"))
    .with_reply_header("x-total-count", total.to_string())
}

fn ip(nic: u32, address: &str, is_ipv6: bool) -> Value {
    json!({"id": "i", "address": address, "is_ipv6": is_ipv6, "project_id": "p", "zone": null, "region": "fr-par", "tags": [], "reverses": [],
        "source": {"subnet_id": "s", "private_network_id": "pn"},
        "resource": {"type": "instance_private_nic", "id": format!("nic-{nic}"), "mac_address": "02:00:00:00:12:34", "name": format!("scw-{nic}")}})
}

fn ips(ips: &[Value], total: u32) -> Exchange {
    Exchange::get(
        "/ipam/v1/regions/fr-par/ips",
        json!({"ips": ips, "total_count": total}).to_string(),
    )
    .with_query("resource_type", "instance_private_nic")
    .with_query("attached", "true")
    .with_query("page_size", "100")
    .with_header("x-auth-token", format!("{CANARY}-token"))
}

fn scaleway() -> Conformance {
    let mut old = server(5, "running", &["consul", "prod"]);
    old["private_nics"] = json!([]);
    old["private_ip"] = json!("10.1.0.10");
    let first = [
        server(1, "running", &["consul", "prod"]),
        server(2, "stopped", &["consul", "prod"]),
        server(3, "running", &["consul"]),
    ];
    let last = [server(4, "running", &["prod", "consul"]), old];
    let denied = r#"{"type":"permissions_denied","message":"insufficient permissions","details":[{"resource":"compute_servers","action":"read"}]}"#;
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=scaleway organization=o token=c4n4ry-token tag_name=consul,prod region=par1 endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            ips(
                &[
                    ip(1, "172.16.4.9/22", false),
                    ip(1, "fd00:1::9/64", true),
                    ip(3, "172.16.4.3/22", false),
                ],
                101,
            )
            .without_query("page"),
            ips(&[ip(2, "172.16.4.8/22", false)], 101).with_query("page", "2"),
            list(&first, 205).without_query("page"),
            list(&[], 205).with_query("page", "2"),
            list(&last, 205).with_query("page", "3"),
        ],
        paging: Paging::Number,
        addresses: &["10.1.0.10", "172.16.4.8", "172.16.4.9"],
        excluded: &[
            ("scw-3", "no tag `prod`"),
            ("scw-4", "203.0.113.4 is not private_v4"),
        ],
        nothing: vec![ips(&[], 0), list(&[], 0)],
        throttled: (
            Refusal::new(
                429,
                r#"{"type":"too_many_requests","message":"too many requests"}"#,
            )
            .with_header("retry-after", "8"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"type":"denied_authentication","message":"authentication is denied","method":"api_key","reason":"invalid_argument"}"#,
        ),
        denied: Some((Refusal::new(403, denied), "InstancesReadOnly")),
    }
}

#[tokio::test]
async fn a_key_that_may_not_list_addresses_is_an_error_that_names_the_permission_set() {
    let harness = Harness::serving(scaleway()).await;
    harness
        .refuse(
            &harness.conformance.exchanges[1].clone(),
            &Refusal::new(
                403,
                r#"{"type":"permissions_denied","message":"insufficient permissions"}"#,
            ),
            9,
        )
        .await;
    assert!(
        harness
            .discover()
            .await
            .error()
            .hint()
            .is_some_and(|hint| hint.contains("`IPAMReadOnly`"))
    );
}

#[tokio::test]
async fn public_addresses_of_several_zones_need_no_list_of_private_ones() {
    let join = "provider=scaleway token=c4n4ry-token tag_name=consul region=fr-par-1,pl-waw-2 address_type=public power_state=running \
                endpoint=ENDPOINT/instance/v1/zones/fr-par-1/";
    let other = Exchange::get(
        "/instance/v1/zones/pl-waw-2/servers",
        json!({"servers": [server(7, "running", &["consul"])]}).to_string(),
    );
    let servers = list(
        &[
            server(1, "running", &["consul"]),
            server(2, "stopped in place", &["consul"]),
        ],
        2,
    );
    let conformance = Conformance {
        join,
        exchanges: vec![servers, other],
        ..scaleway()
    };
    let outcome = Harness::serving(conformance).await.discover().await;
    assert_eq!(
        (outcome.addresses(), outcome.requests),
        (
            ["203.0.113.1", "203.0.113.7", "2001:db8::1", "2001:db8::7"]
                .map(str::to_owned)
                .to_vec(),
            2
        )
    );
}

#[tokio::test]
async fn what_is_no_zone_is_a_problem() {
    let context = Harness::start(scaleway()).await.context();
    for (region, is_zone) in [
        ("par1", true),
        ("ams1", true),
        ("pl-waw-3", true),
        ("fr-par", false),
        ("fr-par-x", false),
        ("../x", false),
        ("fr-par-1/..", false),
    ] {
        let config = ConfigString::new()
            .with("provider", "scaleway")
            .with("token", "t")
            .with("tag_name", "a")
            .with("region", region);
        assert_eq!(SPEC.build(&config, &context).is_ok(), is_zone, "{region}");
    }
}
