//! Tencent Cloud in the conformance suite.
//!
//! The responses are written after the API reference at cloud.tencent.com/document/api/213/15728
//! (CVM, version 2017-03-12), with ids and addresses replaced.

use std::time::Duration;

use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Harness, Paging, Refusal};
use cloud_autojoin_tencentcloud::SPEC;
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(tencentcloud);

const TAGS: &[(&str, &str)] = &[("consul", "server"), ("env", "prod")];

fn instance(id: u32, state: &str, tags: &[(&str, &str)], private: Option<&str>) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    json!({
        "InstanceId": format!("ins-{id}"), "InstanceName": format!("cvm-{id}"), "InstanceState": state, "InstanceType": "S5.MEDIUM4",
        "Placement": {"Zone": "ap-guangzhou-3", "ProjectId": 0, "HostId": null}, "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"},
        "PrivateIpAddresses": private.map(|address| vec![address]), "PublicIpAddresses": private.map(|_| vec![format!("203.0.113.{id}")]),
        "IPv6Addresses": private.map(|_| vec![format!("2001:db8::{id}")]), "Tags": tags, "CreatedTime": "2026-09-22T00:00:00Z"
    })
}

fn page(instances: &[Value], total: u64) -> String {
    json!({"Response": {"TotalCount": total, "InstanceSet": instances, "RequestId": "6f60689e-c72f-4e5c-8d1b-8f2b0d9a0a5e"}}).to_string()
}

fn list(offset: u64, reply: String) -> Exchange {
    Exchange::post("/", reply)
        .with_header("x-tc-action", "DescribeInstances")
        .with_header("x-tc-version", "2017-03-12")
        .with_header("x-tc-region", "ap-guangzhou")
        .with_header("content-type", "application/json")
        .with_body_part(r#"{"Name":"tag:consul","Values":["server"]}"#)
        .with_body_part(format!(r#""Offset":{offset},"Limit":100}}"#))
}

const JOIN: &str = "provider=tencentcloud region=ap-guangzhou tag_key=consul tag_value=server tag.env=prod access_key_id=AKIDEXAMPLE access_key_secret=c4n4ry endpoint=ENDPOINT";

fn tencentcloud() -> Conformance {
    let first = [
        instance(1, "RUNNING", TAGS, Some("10.0.0.9")),
        instance(2, "STOPPED", TAGS, Some("10.0.0.8")),
        instance(3, "RUNNING", &TAGS[..1], Some("10.0.0.3")),
    ];
    let last = [
        instance(4, "RUNNING", TAGS, None),
        instance(5, "RUNNING", TAGS, Some("10.0.0.10")),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: JOIN,
        env: &[],
        exchanges: vec![
            list(0, page(&first, 205)),
            list(100, page(&[], 205)),
            list(200, page(&last, 205)),
        ],
        paging: Paging::Number,
        addresses: &["10.0.0.9", "10.0.0.10"],
        excluded: &[
            ("cvm-2", "its instance is STOPPED"),
            ("cvm-3", "no tag `env`"),
            ("cvm-4", "no private address yet"),
        ],
        nothing: vec![list(0, page(&[], 0))],
        throttled: (
            Refusal::new(
                200,
                r#"{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"Your request frequency is too high"},"RequestId":"R"}}"#,
            ),
            Duration::ZERO,
        ),
        unauthorized: Refusal::new(
            200,
            r#"{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"The SecretId is not found"},"RequestId":"R"}}"#,
        ),
        denied: Some((
            Refusal::new(
                200,
                r#"{"Response":{"Error":{"Code":"UnauthorizedOperation","Message":"you are not authorized"},"RequestId":"R"}}"#,
            ),
            "cvm:DescribeInstances",
        )),
    }
}

#[tokio::test]
async fn an_error_with_status_200_is_in_the_clouds_words() {
    let harness = Harness::serving(tencentcloud()).await;
    let body = r#"{"Response":{"Error":{"Code":"UnsupportedRegion","Message":"The region is not supported"},"RequestId":"R-1"}}"#;
    harness
        .refuse(harness.last_exchange(), &Refusal::new(200, body), 9)
        .await;
    let outcome = harness.discover().await;
    let text = format!(
        "{} {}",
        outcome.error().chain(),
        outcome.error().hint().unwrap_or_default()
    );
    for part in [
        "`UnsupportedRegion`: The region is not supported",
        "[request id R-1]",
        "`region`",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn an_internal_error_with_status_200_is_retried() {
    let harness = Harness::serving(tencentcloud()).await;
    harness
        .refuse(
            harness.last_exchange(),
            &Refusal::new(
                200,
                r#"{"Response":{"Error":{"Code":"InternalError","Message":"m"},"RequestId":"R"}}"#,
            ),
            2,
        )
        .await;
    assert_eq!(
        harness.discover().await.addresses(),
        tencentcloud().addresses
    );
}

#[tokio::test]
async fn the_key_of_the_cam_role_is_used_where_none_is_given_and_renewed_once_it_is_refused() {
    const ROLES: &str = "/latest/meta-data/cam/security-credentials/";
    let key = json!({"TmpSecretId": "AKIDTMP", "TmpSecretKey": "c4n4ry-secret", "ExpiredTime": 2_114_380_800, "Expiration": "2037-01-01T00:00:00Z",
        "Token": "c4n4ry-token", "Code": "Success"});
    let conformance = Conformance {
        join: "provider=tencentcloud region=ap-guangzhou tag_key=consul tag_value=server endpoint=ENDPOINT metadata_endpoint=ENDPOINT",
        exchanges: vec![
            Exchange::get(ROLES, "consul-role"),
            Exchange::get(format!("{ROLES}consul-role"), key.to_string()),
            list(
                0,
                page(&[instance(1, "RUNNING", TAGS, Some("10.0.0.9"))], 1),
            )
            .with_header("x-tc-token", "c4n4ry-token"),
        ],
        ..tencentcloud()
    };
    let harness = Harness::serving(conformance).await;
    assert_eq!(harness.discover().await.addresses(), ["10.0.0.9"]);
    let expired = Refusal::new(
        200,
        r#"{"Response":{"Error":{"Code":"AuthFailure.TokenFailure","Message":"token error"},"RequestId":"R"}}"#,
    );
    harness.refuse(harness.last_exchange(), &expired, 1).await;
    let outcome = harness.discover().await;
    assert_eq!(
        (outcome.addresses(), outcome.requests),
        (vec!["10.0.0.9".to_owned()], 6)
    );
    assert_eq!(outcome.discovery().identity(), Some("role of the instance"));
}

#[tokio::test]
async fn public_addresses_are_those_of_both_families() {
    let join = "provider=tencentcloud region=ap-guangzhou tag_key=consul tag_value=server tag.env=prod access_key_id=A access_key_secret=c4n4ry \
                address_type=public endpoint=ENDPOINT";
    let outcome = Harness::serving(Conformance {
        join,
        ..tencentcloud()
    })
    .await
    .discover()
    .await;
    assert_eq!(
        outcome.addresses(),
        ["203.0.113.1", "203.0.113.5", "2001:db8::1", "2001:db8::5"]
    );
}
