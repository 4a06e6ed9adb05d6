//! Linode in the conformance suite.
//!
//! The responses are written after the API reference at techdocs.akamai.com/linode-api (API v4),
//! with ids and addresses replaced.

use std::time::Duration;

use cloud_autojoin_linode::SPEC;
use cloud_autojoin_provider_kit::testing::{
    CANARY, Conformance, Exchange, Harness, Paging, Refusal,
};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(linode);
mod vpc {
    cloud_autojoin_provider_kit::conformance!(super::linode_vpc);
}

fn instance(id: u64, status: &str, region: &str, tags: &[&str], ipv4: &[&str]) -> Value {
    json!({
        "id": id, "label": format!("linode-{id}"), "group": "", "status": status, "region": region, "tags": tags,
        "created": "2026-01-01T00:01:01", "type": "g6-standard-1", "image": "linode/debian12", "ipv4": ipv4,
        "ipv6": format!("2001:db8::f03c:91ff:fe24:{id}/128"), "hypervisor": "kvm", "watchdog_enabled": true,
        "specs": {"disk": 81920, "memory": 4096, "vcpus": 2}, "lke_cluster_id": null, "placement_group": null
    })
}

fn page(data: &[Value], page: u64, pages: u64) -> String {
    json!({"data": data, "page": page, "pages": pages, "results": 6}).to_string()
}

fn list(filter: &str, reply: String) -> Exchange {
    Exchange::get("/v4/linode/instances", reply)
        .with_query("page_size", "500")
        .with_header("x-filter", filter)
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn first() -> [Value; 3] {
    [
        instance(
            1,
            "running",
            "us-ord",
            &["consul", "prod"],
            &["203.0.113.1", "192.168.129.9"],
        ),
        instance(
            2,
            "offline",
            "us-ord",
            &["consul", "prod"],
            &["203.0.113.2", "192.168.255.8", "192.168.1.8"],
        ),
        instance(
            3,
            "running",
            "us-east",
            &["consul", "prod"],
            &["203.0.113.3", "192.168.130.3"],
        ),
    ]
}

fn linode() -> Conformance {
    let mut new = instance(5, "provisioning", "us-ord", &["consul", "prod"], &[]);
    new["ipv6"] = Value::Null;
    let last = [
        instance(4, "running", "us-ord", &["consul"], &["192.168.130.4"]),
        new,
        instance(
            6,
            "running",
            "de-fra-2",
            &["prod", "consul"],
            &["203.0.113.6", "192.168.130.10"],
        ),
    ];
    let filter = r#"{"tags":"consul"}"#;
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=linode api_token=c4n4ry-token tag_name=consul,prod region=us-ord,de-fra-2 endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            list(filter, page(&first(), 1, 3)).without_query("page"),
            list(filter, page(&[], 2, 3)).with_query("page", "2"),
            list(filter, page(&last, 3, 3)).with_query("page", "3"),
        ],
        paging: Paging::Number,
        addresses: &["192.168.129.9", "192.168.130.10", "192.168.255.8"],
        excluded: &[
            ("linode-3", "not part of region `us-ord`, `de-fra-2`"),
            ("linode-4", "no tag `prod`"),
            ("linode-5", "no private address yet"),
        ],
        nothing: vec![list(filter, page(&[], 1, 1))],
        throttled: (
            Refusal::new(429, r#"{"errors":[{"reason":"Too many requests"}]}"#)
                .with_header("retry-after", "8"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(401, r#"{"errors":[{"reason":"Invalid Token"}]}"#),
        denied: Some((
            Refusal::new(
                403,
                r#"{"errors":[{"reason":"Your OAuth token is not authorized to use this endpoint."}]}"#,
            ),
            "linodes:read_only",
        )),
    }
}

/// `vpc_v4`: the addresses of every Linode in one more list.
fn linode_vpc() -> Conformance {
    let filter = r#"{"region":"us-ord","tags":"consul"}"#;
    let address = |linode: u64, address: Option<&str>, active: bool| {
        json!({"address": address, "address_range": null, "vpc_id": 123, "subnet_id": 456, "region": "us-ord", "linode_id": linode,
            "config_id": 456, "interface_id": 789, "active": active, "nat_1_1": "203.0.113.9", "gateway": "10.0.0.1", "prefix": 24})
    };
    let ips = |reply: String| {
        Exchange::get("/v4/vpcs/ips", reply)
            .with_query("page_size", "500")
            .with_header("authorization", format!("Bearer {CANARY}-token"))
    };
    let range = json!({"ipv6_range": "2001:db8:1::/64", "ipv6_is_public": true, "ipv6_addresses": [], "vpc_id": 123});
    let linodes = || list(filter, page(&first()[..2], 1, 1)).without_query("page");
    Conformance {
        join: "provider=linode api_token=c4n4ry-token tag_name=consul region=us-ord address_type=vpc_v4 endpoint=ENDPOINT api_version=v4",
        exchanges: vec![
            linodes(),
            ips(page(
                &[
                    address(1, Some("10.0.0.9"), true),
                    address(1, Some("10.0.5.9"), false),
                    range,
                ],
                1,
                3,
            ))
            .without_query("page"),
            ips(page(&[], 2, 3)).with_query("page", "2"),
            ips(page(
                &[
                    address(2, Some("10.0.0.8"), false),
                    address(2, None, false),
                    address(99, Some("10.0.0.99"), true),
                ],
                3,
                3,
            ))
            .with_query("page", "3"),
        ],
        addresses: &["10.0.0.8", "10.0.0.9"],
        excluded: &[],
        nothing: vec![list(filter, page(&[], 1, 1)), ips(page(&[], 1, 1))],
        denied: linode()
            .denied
            .map(|(refusal, _)| (refusal, "ips:read_only")),
        ..linode()
    }
}

async fn addresses(address_type: &'static str) -> Vec<String> {
    let join = format!(
        "provider=linode api_token=c4n4ry-token tag_name=consul region=us-ord address_type={address_type} power_state=running endpoint=ENDPOINT"
    );
    let exchange = list(
        r#"{"region":"us-ord","tags":"consul"}"#,
        page(&first(), 1, 1),
    );
    let conformance = Conformance {
        join: Box::leak(join.into_boxed_str()),
        exchanges: vec![exchange],
        ..linode()
    };
    Harness::serving(conformance)
        .await
        .discover()
        .await
        .addresses()
}

#[tokio::test]
async fn every_address_type_comes_from_the_one_list() {
    assert_eq!(addresses("private_v4").await, ["192.168.129.9"]);
    assert_eq!(addresses("public_v4").await, ["203.0.113.1"]);
    assert_eq!(addresses("public_v6").await, ["2001:db8::f03c:91ff:fe24:1"]);
    assert_eq!(addresses("private_v6").await, ["fe80::f03c:91ff:fe24:1"]);
    assert_eq!(
        addresses("private").await,
        ["192.168.129.9", "fe80::f03c:91ff:fe24:1"]
    );
}

#[tokio::test]
async fn a_busy_service_is_retried_and_another_bad_request_is_not() {
    let harness = Harness::serving(linode()).await;
    harness
        .refuse(
            harness.last_exchange(),
            &Refusal::new(400, r#"{"errors":[{"reason":"Linode busy."}]}"#),
            1,
        )
        .await;
    harness
        .refuse(
            harness.last_exchange(),
            &Refusal::new(400, "<html>400 Bad Request</html>"),
            1,
        )
        .await;
    assert_eq!(harness.discover().await.addresses(), linode().addresses);
    harness
        .refuse(
            harness.last_exchange(),
            &Refusal::new(400, r#"{"errors":[{"reason":"Cannot filter on tags"}]}"#),
            9,
        )
        .await;
    assert_eq!(
        harness
            .discover()
            .await
            .error()
            .chain()
            .matches("tries")
            .count(),
        0
    );
}

#[tokio::test]
async fn a_filter_has_what_is_given_and_nothing_else() {
    let exchange = list("{}", page(&first(), 1, 1));
    let join = "provider=linode api_token=c4n4ry-token endpoint=ENDPOINT";
    let outcome = Harness::serving(Conformance {
        join,
        exchanges: vec![exchange],
        ..linode()
    })
    .await
    .discover()
    .await;
    assert_eq!(
        outcome.addresses(),
        ["192.168.129.9", "192.168.130.3", "192.168.255.8"]
    );
}
