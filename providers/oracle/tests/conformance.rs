//! Oracle Cloud in the conformance suite.
//!
//! The responses have the form of ManageIQ's recordings (`manageiq-providers-oracle_cloud`,
//! `spec/vcr_cassettes/manageiq/providers/oracle_cloud/cloud_manager/refresher.yml`, Apache-2.0),
//! recorded on 2021-08-13 from https://iaas.us-ashburn-1.oraclecloud.com, with ids shortened and
//! fields left out. Pages, IPv6 addresses and errors are written after the API reference at
//! https://docs.oracle.com/en-us/iaas/api/#/en/iaas/20160918/.

use std::time::Duration;

use cloud_autojoin_oracle::SPEC;
use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(oracle);

const COMPARTMENT: &str = "ocid1.compartment.oc1..a";

fn list(path: &str, page: Option<&str>, next: Option<&str>, items: &Value) -> Exchange {
    let exchange = Exchange::get(format!("/20160918/{path}"), items.to_string())
        .with_query("compartmentId", COMPARTMENT)
        .with_query("limit", "1000");
    let exchange = match page {
        Some(page) => exchange.with_query("page", page),
        None => exchange.without_query("page"),
    };
    match next {
        Some(next) => exchange.with_reply_header("opc-next-page", next),
        None => exchange,
    }
}

fn instance(id: &str, state: &str, tag: &str, role: &str) -> Value {
    json!({
        "agentConfig": {"isMonitoringDisabled": false},
        "availabilityDomain": "Foha:US-ASHBURN-AD-3",
        "compartmentId": COMPARTMENT,
        "definedTags": {
            "Oracle-Tags": {"CreatedBy": "oracleidentitycloudservice/a", "CreatedOn": "2021-02-23T18:38:00.437Z"},
            "Operations": {"role": role},
        },
        "displayName": id,
        "faultDomain": "FAULT-DOMAIN-1",
        "freeformTags": {"consul": tag},
        "id": format!("ocid1.instance.oc1.iad.{id}"),
        "lifecycleState": state,
        "region": "iad",
        "shape": "VM.Standard.E2.1.Micro",
        "timeCreated": "2021-02-23T18:38:01.011Z",
    })
}

fn attachment(instance: &str, vnic: Option<&str>, state: &str) -> Value {
    json!({
        "compartmentId": COMPARTMENT,
        "displayName": null,
        "id": "ocid1.vnicattachment.oc1.iad.a",
        "instanceId": format!("ocid1.instance.oc1.iad.{instance}"),
        "lifecycleState": state,
        "nicIndex": 0,
        "vlanId": null,
        "vnicId": vnic,
    })
}

fn vnic(id: &str, primary: bool, private: &str, more: &Value) -> Exchange {
    let mut vnic = json!({
        "displayName": id,
        "id": id,
        "isPrimary": primary,
        "lifecycleState": "AVAILABLE",
        "nsgIds": [],
        "privateIp": private,
        "skipSourceDestCheck": false,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        vnic[name] = value.clone();
    }
    Exchange::get(format!("/20160918/vnics/{id}"), vnic.to_string())
}

fn oracle() -> Conformance {
    let attachments = json!([
        attachment("web-1", Some("v1"), "ATTACHED"),
        attachment("web-1", Some("v2"), "ATTACHED"),
        attachment("web-2", Some("v3"), "ATTACHED"),
        attachment("web-3", Some("v4"), "ATTACHED"),
        attachment("web-4", Some("v5"), "ATTACHED"),
    ]);
    let later = json!([
        attachment("web-5", Some("v6"), "ATTACHED"),
        attachment("web-6", Some("v7"), "DETACHED"),
        attachment("web-6", None, "ATTACHING"),
    ]);
    let pages = [
        json!([
            instance("web-1", "RUNNING", "server", "db"),
            instance("web-2", "RUNNING", "client", "db"),
        ]),
        json!([]),
        json!([
            instance("web-3", "STOPPED", "server", "db"),
            instance("web-4", "RUNNING", "server", "cache"),
            instance("web-5", "RUNNING", "server", "db"),
            instance("web-6", "RUNNING", "server", "db"),
        ]),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=oracle tag_key=consul tag_value=server defined_tag.Operations.role=db region=us-ashburn-1 compartment_id=ocid1.compartment.oc1..a auth=api_key tenancy=ocid1.tenancy.oc1..t user=ocid1.user.oc1..u fingerprint=20:3b:97:13:55:1c:7c:8f:35:80:4f:3b:c3:5d:9a:11 key_file=tests/fixtures/key.pem endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            list("vnicAttachments", None, Some("a2"), &attachments),
            list("vnicAttachments", Some("a2"), None, &later),
            vnic(
                "v1",
                true,
                "10.0.0.2",
                &json!({"publicIp": "150.136.153.71"}),
            ),
            vnic(
                "v2",
                false,
                "10.0.1.2",
                &json!({"ipv6Addresses": ["fd00:aaaa::2", "2603:c020::2"]}),
            ),
            vnic("v6", true, "10.0.0.5", &json!({"publicIp": null})),
            list("instances", None, Some("i2"), &pages[0]),
            list("instances", Some("i2"), Some("i3"), &pages[1]),
            list("instances", Some("i3"), None, &pages[2]),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.2", "10.0.0.5", "10.0.1.2", "fd00:aaaa::2"],
        excluded: &[
            ("web-2", "tag `consul` is `client`, not `server`"),
            ("web-3", "its instance is STOPPED"),
            ("web-4", "tag `Operations.role` is `cache`, not `db`"),
            ("web-6", "no"),
        ],
        nothing: vec![
            list("vnicAttachments", None, None, &json!([])),
            list("instances", None, None, &json!([])),
        ],
        throttled: (
            Refusal::new(
                429,
                r#"{"code":"TooManyRequests","message":"Too many requests for the user"}"#,
            )
            .with_header("retry-after", "7"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"code":"NotAuthenticated","message":"The required information to complete authentication was not provided or was incorrect."}"#,
        ),
        denied: Some((
            Refusal::new(
                404,
                r#"{"code":"NotAuthorizedOrNotFound","message":"Authorization failed or requested resource not found."}"#,
            ),
            "INSTANCE_READ",
        )),
    }
}
