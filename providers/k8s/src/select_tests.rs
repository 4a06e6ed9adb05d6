#![allow(clippy::unwrap_used, reason = "tests")]

use cloud_autojoin_core::Detail;
use cloud_autojoin_provider_kit::AddressType;
use serde_json::{Value, json};

use super::*;

fn conditions(host_network: bool) -> Conditions {
    Conditions {
        namespace: "default".to_owned(),
        needs_ready: true,
        host_network,
        is_primary_only: true,
        ..Conditions::default()
    }
}

fn pod(annotation: Option<&str>, ports: Value, status: Value) -> Pod {
    let annotations = annotation.map_or_else(
        || json!({}),
        |port| json!({"consul.hashicorp.com/auto-join-port": port}),
    );
    let pod = json!({"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": [{"name": "a"}, {"name": "b", "ports": ports}]}, "status": status});
    serde_json::from_value(pod).unwrap()
}

fn running(more: Value) -> Value {
    let mut status = json!({"phase": "Running", "podIP": "10.0.0.2", "hostIP": "192.0.2.2"});
    status
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    status
}

fn node(conditions: &Conditions, pod: Pod) -> Node {
    let mut discovery = Discovery::new("k8s", "pods", Detail::Everything);
    pod.record(conditions, &mut discovery);
    discovery.nodes()[0].clone()
}

fn addresses(conditions: &Conditions, pod: Pod) -> Vec<String> {
    let node = node(conditions, pod);
    assert_eq!(
        node.addresses.is_empty(),
        !node.excluded.is_empty(),
        "{node:?}"
    );
    node.addresses.iter().map(ToString::to_string).collect()
}

/// The cases of go-discover's own test.
#[test]
fn pods_are_selected_as_go_discover_selects_them() {
    let port = json!([{"name": "admin", "containerPort": 8300}, {"name": "http", "containerPort": 8500, "hostPort": 80}]);
    let none = || json!([]);
    let condition = |kind: &str, status: &str| {
        running(json!({"conditions": [{"type": kind, "status": status}]}))
    };
    for (case, host_network, pod, expected) in [
        (
            "simple",
            false,
            pod(None, none(), running(json!({}))),
            Some("10.0.0.2"),
        ),
        (
            "host network",
            true,
            pod(None, none(), running(json!({}))),
            Some("192.0.2.2"),
        ),
        (
            "pending",
            false,
            pod(
                None,
                none(),
                json!({"phase": "Pending", "podIP": "10.0.0.2"}),
            ),
            None,
        ),
        (
            "ready",
            false,
            pod(None, none(), condition("Ready", "True")),
            Some("10.0.0.2"),
        ),
        (
            "not ready",
            false,
            pod(None, none(), condition("Ready", "Unknown")),
            None,
        ),
        (
            "other condition",
            false,
            pod(None, none(), condition("PodScheduled", "Unknown")),
            Some("10.0.0.2"),
        ),
        (
            "named port",
            false,
            pod(Some("http"), port.clone(), running(json!({}))),
            Some("10.0.0.2:8500"),
        ),
        (
            "named port, host network",
            true,
            pod(Some("http"), port.clone(), running(json!({}))),
            Some("192.0.2.2:80"),
        ),
        (
            "number",
            false,
            pod(Some("4600"), port.clone(), running(json!({}))),
            Some("10.0.0.2:4600"),
        ),
        (
            "number, host network",
            true,
            pod(Some("4600"), port.clone(), running(json!({}))),
            Some("192.0.2.2:4600"),
        ),
        (
            "name without host port",
            true,
            pod(Some("admin"), port, running(json!({}))),
            None,
        ),
        (
            "empty annotation",
            false,
            pod(Some(""), none(), running(json!({}))),
            Some("10.0.0.2"),
        ),
        (
            "no address",
            false,
            pod(None, none(), json!({"phase": "Running"})),
            None,
        ),
        (
            "IPv6",
            false,
            pod(Some("8500"), none(), running(json!({"podIP": "fd00::1"}))),
            Some("[fd00::1]:8500"),
        ),
    ] {
        assert_eq!(
            addresses(&conditions(host_network), pod),
            expected.into_iter().collect::<Vec<_>>(),
            "{case}"
        );
    }
}

#[test]
fn a_port_is_a_number_as_go_writes_it_within_the_range_of_ports() {
    for (text, expected) in [
        ("8080", Some(8080)),
        ("0x1F90", Some(8080)),
        ("0o17", Some(15)),
        ("017", Some(15)),
        ("0b11", Some(3)),
        ("1_000", Some(1000)),
        ("+80", Some(80)),
        ("65535", Some(65535)),
        ("65536", None),
        ("70000", None),
        ("0", None),
        ("-1", None),
        ("+-1", None),
        ("++1", None),
        ("0x+1", None),
        (" 80", None),
        ("8e3", None),
        ("http", None),
        ("", None),
        ("089", None),
    ] {
        assert_eq!(number(text), expected, "{text:?}");
    }
}

#[test]
fn the_port_key_wins_over_the_annotations_and_the_documented_annotation_comes_last() {
    let with = |annotations: Value, key: Option<&str>| {
        let pod = json!({"metadata": {"name": "p", "annotations": annotations}, "status": running(json!({}))});
        let conditions = Conditions {
            port: key.map(str::to_owned),
            ..conditions(false)
        };
        addresses(&conditions, serde_json::from_value(pod).unwrap())
    };
    let both =
        json!({"hashicorp/consul-auto-join-port": "1", "consul.hashicorp.com/auto-join-port": "2"});
    assert_eq!(with(both.clone(), None), ["10.0.0.2:2"]);
    assert_eq!(with(both, Some("3")), ["10.0.0.2:3"]);
    assert_eq!(
        with(json!({"hashicorp/consul-auto-join-port": "1"}), None),
        ["10.0.0.2:1"]
    );
}

#[test]
fn address_types_are_the_primary_address_or_the_families() {
    let both = running(
        json!({"podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}], "hostIPs": [{"ip": "192.0.2.2"}, {"ip": "2001:db8::2"}]}),
    );
    let of = |address_type, host_network| {
        let mut conditions = conditions(host_network);
        if let Some(address_type) = address_type {
            conditions.is_primary_only = false;
            conditions.selection.address_type = address_type;
        }
        let node = node(&conditions, pod(None, json!([]), both.clone()));
        let addresses = node.addresses.iter();
        addresses.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of(None, false), ["10.0.0.2"]);
    assert_eq!(
        of(Some(AddressType::Private), false),
        ["10.0.0.2", "fd00::2"]
    );
    assert_eq!(of(Some(AddressType::PrivateV4), false), ["10.0.0.2"]);
    assert_eq!(of(Some(AddressType::PrivateV6), false), ["fd00::2"]);
    assert_eq!(of(Some(AddressType::PrivateV6), true), ["2001:db8::2"]);
}

#[test]
fn pods_that_are_not_ready_are_returned_on_request() {
    let waiting = running(json!({"conditions": [{"type": "Ready", "status": "False"}]}));
    let conditions = Conditions {
        needs_ready: false,
        ..conditions(false)
    };
    assert_eq!(
        addresses(&conditions, pod(None, json!([]), waiting)),
        ["10.0.0.2"]
    );
}
