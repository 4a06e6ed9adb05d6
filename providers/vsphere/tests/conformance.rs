//! vSphere in the conformance suite.
//!
//! The responses of `/sdk` have the form of govmomi's simulator (vcsim 0.55.1, vCenter 6.5), recorded
//! on 2026-11-27 from https://127.0.0.1:8989, with ids shortened. Those of `/api`, which it doesn't
//! have, are written after the API reference at
//! https://developer.broadcom.com/xapis/vsphere-automation-api/9.0/.

use std::time::Duration;

use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Paging, Refusal};
use cloud_autojoin_vsphere::SPEC;
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(vsphere);

/// A SOAP fault, as a text that is known at compile time.
macro_rules! fault {
    ($text:literal, $kind:literal, $detail:literal) => {
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>"#,
            $text,
            "</faultstring><detail><",
            $kind,
            r#" xmlns="urn:vim25">"#,
            $detail,
            "</",
            $kind,
            "></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        )
    };
}

const TAGGING: &str = "/api/cis/tagging";

/// `c4n4ry-session`, as every secret of the suite.
const SESSION: &str = "c4n4ry-session";

fn rest(exchange: Exchange) -> Exchange {
    exchange.with_header("vmware-api-session-id", SESSION)
}

fn get(path: &str, value: Value) -> Exchange {
    rest(Exchange::get(
        format!("{TAGGING}/{path}"),
        value.to_string(),
    ))
}

fn post(path: &str, action: &str, value: Value) -> Exchange {
    rest(
        Exchange::post(format!("{TAGGING}/{path}"), value.to_string()).with_query("action", action),
    )
}

fn soap(method: &str, response: &str) -> Exchange {
    let reply = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><{method}Response xmlns="urn:vim25">{response}</{method}Response></soapenv:Body></soapenv:Envelope>"#
    );
    let exchange = Exchange::post("/sdk", reply)
        .with_body_part(format!("<{method} xmlns=\"urn:vim25\">"))
        .with_header("soapaction", "urn:vim25/6.0");
    if method == "Login" {
        exchange
    } else {
        exchange.with_header("cookie", format!("vmware_soap_session={SESSION}"))
    }
}

fn property(name: &str, kind: &str, value: &str) -> String {
    format!("<propSet><name>{name}</name><val {kind}>{value}</val></propSet>")
}

fn object(kind: &str, id: &str, name: &str, parent: Option<(&str, &str)>, more: &str) -> String {
    let name = property("name", "xsi:type=\"xsd:string\"", name);
    let parent = parent
        .map(|(kind, id)| {
            property(
                "parent",
                &format!("type=\"{kind}\" xsi:type=\"ManagedObjectReference\""),
                id,
            )
        })
        .unwrap_or_default();
    format!("<objects><obj type=\"{kind}\">{id}</obj>{name}{parent}{more}</objects>")
}

fn machine(id: &str, folder: &str, state: &str, addresses: &[&str]) -> String {
    let addresses: String = addresses
        .iter()
        .map(|ip| format!("<ipAddress><ipAddress>{ip}</ipAddress><prefixLength>24</prefixLength><state>preferred</state></ipAddress>"))
        .collect();
    let nic = format!(
        "<GuestNicInfo><network>VM Network</network><ipAddress>unused</ipAddress><connected>true</connected><deviceConfigId>4000</deviceConfigId><ipConfig>{addresses}</ipConfig></GuestNicInfo>"
    );
    let nics = if addresses.is_empty() {
        String::new()
    } else {
        nic
    };
    let more = property(
        "runtime.powerState",
        "xsi:type=\"VirtualMachinePowerState\"",
        state,
    ) + &property("guest.net", "xsi:type=\"ArrayOfGuestNicInfo\"", &nics);
    object(
        "VirtualMachine",
        id,
        &format!("web-{id}"),
        Some(("Folder", folder)),
        &more,
    )
}

fn sessions() -> Vec<Exchange> {
    let basic = "Basic dXNlckBkb21haW46YzRuNHJ5LTwmPg==";
    vec![
        Exchange::post("/api/session", json!(SESSION).to_string())
            .with_header("authorization", basic),
        rest(Exchange::get("/api/session", "").with_method("DELETE")),
        soap(
            "Login",
            "<returnval><key>k</key><userName>user</userName></returnval>",
        )
        .with_body_part("<userName>user@domain</userName><password>c4n4ry-&lt;&amp;&gt;</password>")
        .with_reply_header(
            "set-cookie",
            format!("vmware_soap_session={SESSION}; HttpOnly"),
        ),
        soap("Logout", ""),
    ]
}

fn tags(attached: Value) -> Vec<Exchange> {
    vec![
        get("category", json!(["urn:c:1:GLOBAL", "urn:c:2:GLOBAL"])),
        get(
            "category/urn:c:1:GLOBAL",
            json!({"id": "urn:c:1:GLOBAL", "name": "other", "cardinality": "MULTIPLE"}),
        ),
        get(
            "category/urn:c:2:GLOBAL",
            json!({"id": "urn:c:2:GLOBAL", "name": "cluster", "cardinality": "MULTIPLE"}),
        ),
        post(
            "tag",
            "list-tags-for-category",
            json!(["urn:t:1:GLOBAL", "urn:t:2:GLOBAL"]),
        )
        .with_body_part(r#"{"category_id":"urn:c:2:GLOBAL"}"#),
        get(
            "tag/urn:t:1:GLOBAL",
            json!({"id": "urn:t:1:GLOBAL", "name": "consul", "category_id": "urn:c:2:GLOBAL"}),
        ),
        get(
            "tag/urn:t:2:GLOBAL",
            json!({"id": "urn:t:2:GLOBAL", "name": "other", "category_id": "urn:c:2:GLOBAL"}),
        ),
        post(
            "tag-association/urn:t:1:GLOBAL",
            "list-attached-objects",
            attached,
        ),
    ]
}

fn vsphere() -> Conformance {
    let ids = ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6"];
    let mut attached: Vec<Value> = ids
        .iter()
        .map(|id| json!({"type": "VirtualMachine", "id": id}))
        .collect();
    attached.push(json!({"type": "Folder", "id": "group-9"}));
    let objects = [
        machine(
            "vm-1",
            "group-3",
            "poweredOn",
            &["10.30.0.10", "fd30::1", "fe80::1", "169.254.1.1"],
        ),
        machine("vm-2", "group-3", "poweredOn", &[]),
        machine("vm-3", "group-3", "poweredOn", &["fe80::3"]),
        machine("vm-4", "group-2", "poweredOn", &["10.30.0.4"]),
        machine("vm-5", "group-3", "poweredOff", &["10.30.0.5"]),
        object("Folder", "group-3", "prod", Some(("Folder", "group-2")), ""),
        object(
            "Folder",
            "group-2",
            "vm",
            Some(("Datacenter", "datacenter-1")),
            "",
        ),
        object(
            "Datacenter",
            "datacenter-1",
            "DC0",
            Some(("Folder", "group-d1")),
            "",
        ),
        object("Folder", "group-d1", "Datacenters", None, ""),
    ];
    let read = soap(
        "RetrievePropertiesEx",
        &format!("<returnval>{}</returnval>", objects.concat()),
    );
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=vsphere host=ENDPOINT user=user@domain password=c4n4ry-<&> category_name=cluster tag_name=consul datacenter=DC0 folder=prod power_state=running",
        env: &[],
        exchanges: [sessions(), tags(json!(attached)), vec![read]].concat(),
        paging: Paging::None,
        addresses: &["10.30.0.10", "fd30::1"],
        excluded: &[
            ("web-vm-2", "VMware Tools reports no network interface"),
            ("web-vm-3", "fe80::3 is reachable from its own link only"),
            ("web-vm-4", "not part of folder `prod`"),
            ("web-vm-5", "its instance is poweredOff"),
            ("vm-6", "deleted between list and get"),
        ],
        nothing: [sessions(), tags(json!([]))].concat(),
        throttled: (
            Refusal::new(429, "").with_header("retry-after", "7"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            500,
            fault!(
                "The session is not authenticated.",
                "NotAuthenticatedFault",
                ""
            ),
        ),
        denied: Some((
            Refusal::new(
                500,
                fault!(
                    "Permission to perform this operation was denied.",
                    "NoPermissionFault",
                    "<privilegeId>System.Read</privilegeId>"
                ),
            ),
            "System.Read",
        )),
    }
}
