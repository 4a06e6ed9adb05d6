//! Kubernetes in the conformance suite.
//!
//! The responses are written after the API reference of Kubernetes 1.34 (`core/v1` Pod,
//! `meta/v1` Status) and the facts of a real API server: pages by `continue`, `Forbidden` in its
//! words.

use std::time::Duration;

use cloud_autojoin_k8s::SPEC;
use cloud_autojoin_provider_kit::testing::{CANARY, Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(k8s);

fn pod(name: &str, phase: &str, ready: &str, ip: Value, port: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "consul", "uid": format!("uid-{name}"), "labels": {"app": "consul"},
            "annotations": {"consul.hashicorp.com/auto-join-port": port},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "consul", "image": "consul", "ports": [{"name": "serflan", "containerPort": 8301, "protocol": "TCP"}]}],
        },
        "status": {
            "phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.1",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready, "reason": "ContainersNotReady"}],
        },
    })
}

fn page(pods: &[Value], next: Option<&str>) -> String {
    let mut metadata = json!({"resourceVersion": "1234"});
    if let Some(next) = next {
        metadata["continue"] = json!(next);
        metadata["remainingItemCount"] = json!(3);
    }
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}).to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get("/api/v1/namespaces/consul/pods", reply)
        .with_query("labelSelector", "app=consul")
        .with_query("limit", "2000")
        .with_header("authorization", format!("Bearer {CANARY}-token"))
}

fn k8s() -> Conformance {
    let first = [
        pod("a", "Running", "True", json!("10.0.0.10"), "serflan"),
        pod("b", "Pending", "False", json!(""), ""),
        pod("c", "Running", "False", json!("10.0.0.3"), ""),
    ];
    let mut starting = pod("e", "Running", "True", json!("10.0.0.5"), "");
    starting["status"]
        .as_object_mut()
        .map(|status| (status.remove("podIP"), status.remove("podIPs")));
    let last = [
        pod("d", "Running", "True", json!("fd00::8"), "8500"),
        starting,
        pod("f", "Running", "True", json!("10.0.0.9"), ""),
        pod("g", "Running", "True", json!("10.0.0.7"), "nowhere"),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=k8s namespace=consul label_selector=\"app=consul\" endpoint=ENDPOINT token=c4n4ry-token",
        env: &[],
        exchanges: vec![
            list(page(&first, Some("two"))).without_query("continue"),
            list(page(&[], Some("three"))).with_query("continue", "two"),
            list(page(&last, None)).with_query("continue", "three"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.9", "10.0.0.10:8301", "[fd00::8]:8500"],
        excluded: &[
            ("b", "its instance is Pending"),
            ("c", "not ready (ContainersNotReady)"),
            ("e", "no private address yet"),
            ("g", "port `nowhere`: the pod has no port of that name"),
        ],
        nothing: vec![list(page(&[], None))],
        throttled: (
            Refusal::new(
                429,
                r#"{"kind":"Status","status":"Failure","message":"Too many requests, please try again later.","reason":"TooManyRequests","code":429}"#,
            )
            .with_header("retry-after", "7"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(401, r#"{"kind":"Status","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#),
        denied: Some((
            Refusal::new(
                403,
                r#"{"kind":"Status","status":"Failure","message":"pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\" in the namespace \"consul\"","reason":"Forbidden","details":{"kind":"pods"},"code":403}"#,
            ),
            "pods list in namespace consul",
        )),
    }
}
