//! `/metadata/instance`: properties and location of the machine. All leaves are strings; unknown
//! ones are empty.
//!
//! Fields and the versions that introduced them: [Instance Metadata
//! Service](https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service),
//! api-version 2025-04-07.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::has_metadata_header;
use crate::clouds::azure::world::{InterfaceFacts, MachineFacts, World};
use crate::clouds::azure::{Operation, Reply, Request};

const NEWEST: [&str; 3] = ["2025-04-07", "2023-11-15", "2021-12-13"];

/// Handles a path `below` `/metadata/instance`.
pub(super) fn respond(world: &World, request: &Request, below: &str) -> Reply {
    let refuse = |status, error: &str| {
        Reply::json(
            Operation::MetadataInstance,
            status,
            &json!({ "error": error }),
        )
    };
    if !has_metadata_header(request) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "Bad request. Required metadata header not specified",
        );
    }
    if request.header("x-forwarded-for").is_some() {
        return refuse(
            StatusCode::BAD_REQUEST,
            "Bad request. The request was forwarded",
        );
    }
    let Some(version) = request
        .query("api-version")
        .filter(|version| is_date(version))
    else {
        let error = "Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds";
        return Reply::json(
            Operation::MetadataInstance,
            StatusCode::BAD_REQUEST,
            &json!({ "error": error, "newest-versions": NEWEST }),
        );
    };
    let Some(facts) = world.machine_facts() else {
        return refuse(
            StatusCode::NOT_FOUND,
            "Not found: this world has no machine that metadata could be about",
        );
    };
    let whole = json!({ "compute": compute(&facts, version), "network": { "interface": facts.interfaces.iter().map(interface).collect::<Vec<_>>() } });
    let mut found = &whole;
    for segment in below.split('/').filter(|segment| !segment.is_empty()) {
        let next = match segment.parse::<usize>() {
            Ok(at) => found.get(at),
            Err(_) => found.get(segment),
        };
        match next {
            Some(next) => found = next,
            None => return refuse(StatusCode::NOT_FOUND, "Not found"),
        }
    }
    let as_text = request
        .query("format")
        .is_some_and(|format| format.eq_ignore_ascii_case("text"));
    match found {
        Value::String(leaf) if as_text => {
            let mut headers = HeaderMap::new();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            Reply {
                operation: Operation::MetadataInstance,
                status: StatusCode::OK,
                headers,
                body: leaf.clone().into(),
                compressed: None,
            }
        }
        Value::String(_) => refuse(
            StatusCode::BAD_REQUEST,
            "Bad request. A leaf needs format=text",
        ),
        tree => Reply::json(Operation::MetadataInstance, StatusCode::OK, tree),
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
}

/// `compute`, with the fields that `version` has. Versions are dates, so their text compares as
/// they do.
fn compute(facts: &MachineFacts, version: &str) -> Value {
    let tags = facts
        .tags
        .iter()
        .map(|(name, value)| format!("{name}:{value}"))
        .collect::<Vec<_>>()
        .join(";");
    let tags_list: Value = facts
        .tags
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let fields: [(&str, &str, Value); 14] = [
        ("azEnvironment", "2018-10-01", json!(facts.environment)),
        ("location", "2017-04-02", json!(facts.location)),
        ("name", "2017-04-02", json!(facts.name)),
        ("osType", "2017-04-02", json!("Linux")),
        ("provider", "2018-10-01", json!("Microsoft.Compute")),
        (
            "resourceGroupName",
            "2017-08-01",
            json!(facts.resource_group),
        ),
        ("resourceId", "2019-03-11", json!(facts.resource_id)),
        ("subscriptionId", "2017-08-01", json!(facts.subscription_id)),
        ("tags", "2017-08-01", json!(tags)),
        ("tagsList", "2019-06-04", tags_list),
        (
            "virtualMachineScaleSet",
            "2021-03-01",
            json!({ "id": facts.flexible_scale_set_id.as_deref().unwrap_or_default() }),
        ),
        ("vmId", "2017-04-02", json!(facts.vm_id)),
        (
            "vmScaleSetName",
            "2017-12-01",
            json!(facts.uniform_scale_set.as_deref().unwrap_or_default()),
        ),
        (
            "zone",
            "2017-12-01",
            json!(facts.zone.as_deref().unwrap_or_default()),
        ),
    ];
    let known: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, since, _)| *since <= version)
        .map(|(name, _, value)| (name.to_owned(), value))
        .collect();
    Value::Object(known)
}

fn interface(facts: &InterfaceFacts) -> Value {
    let v4: Vec<Value> = facts
        .ipv4
        .iter()
        .map(|(private, public)| json!({ "privateIpAddress": private.to_string(), "publicIpAddress": public.map_or_else(String::new, |address| address.to_string()) }))
        .collect();
    let v6: Vec<Value> = facts
        .ipv6
        .iter()
        .map(|private| json!({ "privateIpAddress": private.to_string() }))
        .collect();
    json!({
        "ipv4": { "ipAddress": v4, "subnet": [{ "address": facts.subnet.0.to_string(), "prefix": facts.subnet.1.to_string() }] },
        "ipv6": { "ipAddress": v6 },
        "macAddress": facts.mac_address.replace('-', ""),
    })
}
