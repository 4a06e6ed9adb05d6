//! DigitalOcean in the conformance suite.
//!
//! The responses are written after the examples of DigitalOcean's OpenAPI description (API v2),
//! with ids and addresses replaced.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloud_autojoin_digitalocean::SPEC;
use cloud_autojoin_provider_kit::testing::{CANARY, Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(digitalocean);

fn droplet(id: u64, status: &str, region: &str, tags: &[&str], v4: &[(&str, &str)]) -> Value {
    let network = |(address, kind): &(&str, &str)| json!({"ip_address": address, "netmask": "255.255.240.0", "gateway": "10.0.0.1", "type": kind});
    json!({
        "id": id, "name": format!("droplet-{id}"), "memory": 1024, "vcpus": 1, "disk": 25, "locked": false,
        "status": status, "kernel": null, "created_at": "2026-07-21T18:37:44Z", "features": ["private_networking"],
        "region": {"name": region, "slug": region, "features": [], "available": true, "sizes": []},
        "tags": tags, "vpc_uuid": "760e09ef-dc84-11e8-981e-3cfdfeaae000",
        "networks": {"v4": v4.iter().map(network).collect::<Vec<_>>(), "v6": [{"ip_address": "2001:db8::1", "netmask": 64, "gateway": "", "type": "public"}]},
    })
}

fn page(droplets: &[Value], next: Option<u32>) -> String {
    let next =
        next.map(|page| format!("ENDPOINT/v2/droplets?page={page}&per_page=200&tag_name=consul"));
    let pages = next.map_or_else(|| json!({}), |next| json!({"next": next, "last": next}));
    json!({"droplets": droplets, "links": {"pages": pages}, "meta": {"total": 5}}).to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get("/v2/droplets", reply)
        .with_query("tag_name", "consul")
        .with_query("per_page", "200")
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn digitalocean() -> Conformance {
    let reset = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        + 9;
    let first = [
        droplet(
            1,
            "active",
            "fra1",
            &["consul", "prod"],
            &[("10.0.0.9", "private"), ("203.0.113.1", "public")],
        ),
        droplet(
            2,
            "off",
            "fra1",
            &["consul", "prod"],
            &[("10.0.0.8", "private")],
        ),
        droplet(
            3,
            "active",
            "nyc3",
            &["consul", "prod"],
            &[("10.0.0.3", "private")],
        ),
    ];
    let mut new = droplet(5, "new", "fra1", &["consul", "prod"], &[]);
    new.as_object_mut().map(|new| new.remove("networks"));
    let last = [
        droplet(4, "active", "fra1", &["consul"], &[("10.0.0.4", "private")]),
        new,
        droplet(
            6,
            "active",
            "ams3",
            &["prod", "consul"],
            &[("10.0.0.10", "private"), ("10.1.0.10", "private")],
        ),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=digitalocean api_token=c4n4ry-token tag_name=consul,prod region=fra1,ams3 endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            list(page(&first, Some(2))).without_query("page"),
            list(page(&[], Some(3))).with_query("page", "2"),
            list(page(&last, None)).with_query("page", "3"),
        ],
        paging: Paging::Link,
        addresses: &["10.0.0.8", "10.0.0.9", "10.0.0.10", "10.1.0.10"],
        excluded: &[
            ("droplet-3", "not part of region `fra1`, `ams3`"),
            ("droplet-4", "no tag `prod`"),
            ("droplet-5", "no private address yet"),
        ],
        nothing: vec![list(page(&[], None))],
        throttled: (
            Refusal::new(
                429,
                r#"{"id":"too_many_requests","message":"API rate limit exceeded."}"#,
            )
            .with_header("ratelimit-reset", reset.to_string()),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"id":"unauthorized","message":"Unable to authenticate you"}"#,
        ),
        denied: Some((
            Refusal::new(
                403,
                r#"{"id":"forbidden","message":"You are not authorized to perform this operation"}"#,
            ),
            "droplet:read",
        )),
    }
}
