//! Google Compute Engine in the conformance suite.
//!
//! The responses are written after the reference of the Compute Engine API v1 (`compute.v1.json`,
//! the discovery document) and the pages on its metadata server, with ids and addresses replaced.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_gce::SPEC;
use cloud_autojoin_provider_kit::testing::{CANARY, Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(gce);

const LIST: &str = "/compute/v1/projects/example-project/aggregated/instances";

/// An instance as the API sends it; of each interface the internal address, the external one and
/// the internal IPv6 address.
fn instance(
    name: &str,
    status: &str,
    tags: &[&str],
    role: &str,
    interfaces: &[(&str, Option<&str>, Option<&str>)],
) -> Value {
    let interface = |(index, (internal, external, ipv6)): (
        usize,
        &(&str, Option<&str>, Option<&str>),
    )| {
        let mut interface = json!({
            "name": format!("nic{index}"), "networkIP": internal, "ipv6Address": ipv6,
            "accessConfigs": external.map(|address| json!({"natIP": address})).into_iter().collect::<Vec<_>>(),
        });
        interface
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        interface
    };
    json!({
        "id": format!("10{}", name.len()), "name": name, "status": status, "tags": {"items": tags}, "labels": {"role": role},
        "networkInterfaces": interfaces.iter().enumerate().map(interface).collect::<Vec<_>>(),
    })
}

fn page(zones: &[(&str, &[Value])], next: Option<&str>) -> String {
    let empty = json!({"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope on this page."}});
    let mut items = json!({"zones/asia-east1-a": empty});
    for (zone, instances) in zones {
        items[format!("zones/{zone}")] = json!({"instances": instances});
    }
    let mut page = json!({"items": items});
    if let Some(next) = next {
        page["nextPageToken"] = json!(next);
    }
    page.to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get(LIST, reply)
        .with_query("maxResults", "500")
        .with_query("returnPartialSuccess", "true")
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn token() -> Exchange {
    let token = json!({"access_token": format!("{CANARY}-token"), "expires_in": 3599, "token_type": "Bearer"});
    Exchange::get(
        "/computeMetadata/v1/instance/service-accounts/default/token",
        token.to_string(),
    )
    .with_header("metadata-flavor", "Google")
    .with_reply_header("metadata-flavor", "Google")
}

fn gce() -> Conformance {
    let first = [
        instance(
            "consul-a",
            "RUNNING",
            &["consul", "http"],
            "server",
            &[
                ("10.0.0.9", Some("203.0.113.9"), None),
                ("10.9.0.9", None, None),
            ],
        ),
        instance(
            "stopped",
            "TERMINATED",
            &["consul"],
            "server",
            &[("10.0.0.8", None, None)],
        ),
        instance(
            "client",
            "RUNNING",
            &["consul"],
            "client",
            &[("10.0.0.3", None, None)],
        ),
        instance(
            "untagged",
            "RUNNING",
            &["consul-old"],
            "server",
            &[("10.0.0.4", None, None)],
        ),
    ];
    let second = [
        instance(
            "consul-b",
            "RUNNING",
            &["consul"],
            "server",
            &[("10.0.0.10", None, Some("fd20::10"))],
        ),
        instance("new", "PROVISIONING", &["consul"], "server", &[]),
    ];
    let elsewhere = [instance(
        "elsewhere",
        "RUNNING",
        &["consul"],
        "server",
        &[("10.0.1.7", None, None)],
    )];
    let lists = [
        list(page(&[("us-east1-b", &first)], Some("CiQ="))).without_query("pageToken"),
        list(page(&[], Some("CiY="))).with_query("pageToken", "CiQ="),
        list(page(
            &[("us-east1-c", &second), ("europe-west1-b", &elsewhere)],
            None,
        ))
        .with_query("pageToken", "CiY="),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=gce project_name=example-project tag_value=consul label_key=role label_value=server zone_pattern=us-.* endpoint=ENDPOINT",
        env: &[("GCE_METADATA_HOST", "ENDPOINT")],
        exchanges: [token()].into_iter().chain(lists).collect(),
        paging: Paging::Token,
        addresses: &["10.0.0.8", "10.0.0.9", "10.0.0.10"],
        excluded: &[
            ("client", "tag `role` is `client`, not `server`"),
            ("untagged", "no network tag `consul`"),
            ("elsewhere", "not part of the zones of `zone_pattern`"),
            ("new", "no private address yet"),
        ],
        nothing: vec![token(), list(page(&[], None))],
        throttled: (
            Refusal::new(
                403,
                r#"{"error":{"code":403,"message":"Rate Limit Exceeded","errors":[{"message":"Rate Limit Exceeded","domain":"usageLimits","reason":"rateLimitExceeded"}]}}"#,
            ),
            Duration::ZERO,
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"error":{"code":401,"message":"Request had invalid authentication credentials.","errors":[{"message":"Invalid Credentials","domain":"global","reason":"authError"}],"status":"UNAUTHENTICATED"}}"#,
        ),
        denied: Some((
            Refusal::new(
                403,
                r#"{"error":{"code":403,"message":"Required 'compute.instances.list' permission for 'projects/example-project'","errors":[{"message":"Required 'compute.instances.list' permission for 'projects/example-project'","domain":"global","reason":"forbidden"}]}}"#,
            ),
            "compute.instances.list",
        )),
    }
}
