//! OpenStack in the conformance suite.
//!
//! The responses are written after the API references of Keystone (v3) and Nova (v2.1), with ids
//! and addresses replaced.

use std::time::Duration;

use cloud_autojoin_os::SPEC;
use cloud_autojoin_provider_kit::testing::{CANARY, Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(os);

fn token() -> Exchange {
    let endpoint = |interface: &str, region: &str, url: &str| json!({"id": "e", "interface": interface, "region": region, "region_id": region, "url": url});
    let compute = [
        endpoint("admin", "RegionOne", "http://127.0.0.1:1/wrong"),
        endpoint("public", "RegionTwo", "http://127.0.0.1:1/wrong"),
        endpoint("public", "RegionOne", "ENDPOINT/compute/v2.1"),
    ];
    let body = json!({"token": {
        "methods": ["password"], "expires_at": "2099-01-01T00:00:00.000000Z", "project": {"id": "4fd44f30292945e481c7b8a0c8908869", "name": "cluster"},
        "catalog": [
            {"type": "identity", "name": "keystone", "id": "k", "endpoints": [endpoint("public", "RegionOne", "ENDPOINT/v3")]},
            {"type": "compute", "name": "nova", "id": "n", "endpoints": compute},
        ],
    }});
    Exchange::post("/v3/auth/tokens", body.to_string())
        .with_body_part(format!("{CANARY}-password"))
        .with_reply_header("x-subject-token", format!("{CANARY}-token"))
}

fn server(name: &str, status: &str, role: &str, addresses: &[(&str, &str)]) -> Value {
    let address = |(address, kind): &(&str, &str)| json!({"addr": address, "version": 4, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"});
    let networks = if addresses.is_empty() {
        json!({})
    } else {
        json!({"private": addresses.iter().map(address).collect::<Vec<_>>()})
    };
    json!({"id": format!("id-{name}"), "name": name, "status": status, "metadata": {"consul": role}, "addresses": networks, "OS-EXT-AZ:availability_zone": "nova"})
}

fn page(servers: &[Value], marker: Option<&str>) -> String {
    // Nova behind a proxy that ends TLS names itself as it is reached from there.
    let link = |marker: &str| json!([{"rel": "next", "href": format!("http://nova.internal:8774/v2.1/servers/detail?marker={marker}")}]);
    let mut page = json!({"servers": servers});
    if let Some(marker) = marker {
        page["servers_links"] = link(marker);
    }
    page.to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get("/compute/v2.1/servers/detail", reply)
        .with_header("x-auth-token", format!("{CANARY}-token"))
}

fn os() -> Conformance {
    let first = [
        server(
            "server-a",
            "ACTIVE",
            "server",
            &[
                ("10.0.0.9", "fixed"),
                ("203.0.113.9", "floating"),
                ("fd00::9", "fixed"),
            ],
        ),
        server("stopped", "SHUTOFF", "server", &[("10.0.0.8", "fixed")]),
        server("client", "ACTIVE", "client", &[("10.0.0.7", "fixed")]),
    ];
    let last = [
        server("server-b", "ACTIVE", "server", &[("10.0.0.10", "fixed")]),
        server("new", "ACTIVE", "server", &[]),
        server(
            "floating",
            "ACTIVE",
            "server",
            &[("203.0.113.10", "floating")],
        ),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=os auth_url=ENDPOINT/v3 user_name=discover password=c4n4ry-password domain_name=Default project_name=cluster tag_key=consul tag_value=server",
        env: &[],
        exchanges: vec![
            token(),
            list(page(&first, Some("id-client"))).without_query("marker"),
            list(page(&[], Some("id-hidden"))).with_query("marker", "id-client"),
            list(page(&last, None)).with_query("marker", "id-hidden"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.9", "10.0.0.10", "fd00::9"],
        excluded: &[
            ("stopped", "its instance is SHUTOFF"),
            ("client", "tag `consul` is `client`, not `server`"),
            ("new", "no private address yet"),
            ("floating", "203.0.113.10 is not private"),
        ],
        nothing: vec![token(), list(page(&[], None))],
        throttled: (
            Refusal::new(413, r#"{"overLimit":{"code":413,"message":"This request was rate-limited.","retryAfter":"7"}}"#).with_header("retry-after", "7"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(401, r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#),
        denied: Some((
            Refusal::new(403, r#"{"forbidden":{"code":403,"message":"Policy doesn't allow os_compute_api:servers:detail to be performed."}}"#),
            "os_compute_api:servers:detail",
        )),
    }
}
