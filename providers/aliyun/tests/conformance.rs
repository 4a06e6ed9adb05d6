//! Alibaba Cloud in the conformance suite.
//!
//! The responses are written after the API reference at
//! alibabacloud.com/help/en/ecs/developer-reference/api-ecs-2014-05-26-describeinstances, with ids
//! and addresses replaced.

use std::time::Duration;

use cloud_autojoin_aliyun::SPEC;
use cloud_autojoin_core::ConfigString;
use cloud_autojoin_provider_kit::testing::{
    Conformance, Exchange, Harness, Paging, Refusal, checks,
};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(aliyun);

fn instance(id: u32, status: &str, tags: &[(&str, &str)], network: &Value) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"TagKey": key, "TagValue": value}))
        .collect();
    let mut instance = json!({
        "InstanceId": format!("i-bp{id}"), "InstanceName": format!("ecs-{id}"), "Status": status, "RegionId": "cn-beijing", "ZoneId": "cn-beijing-g",
        "InstanceType": "ecs.g5.large", "CreationTime": "2026-12-10T04:04Z", "Tags": {"Tag": tags},
        "InnerIpAddress": {"IpAddress": []}, "PublicIpAddress": {"IpAddress": []}, "EipAddress": {"IpAddress": "", "AllocationId": ""},
        "NetworkInterfaces": {"NetworkInterface": []}, "VpcAttributes": {"VpcId": "", "NatIpAddress": "", "PrivateIpAddress": {"IpAddress": []}}
    });
    for (name, value) in network.as_object().into_iter().flatten() {
        instance[name] = value.clone();
    }
    instance
}

fn vpc(address: &str) -> Value {
    json!({
        "InstanceNetworkType": "vpc", "VpcAttributes": {"VpcId": "vpc-1", "VSwitchId": "vsw-1", "PrivateIpAddress": {"IpAddress": [address]}},
        "EipAddress": {"IpAddress": "203.0.113.7", "AllocationId": "eip-1"},
        "NetworkInterfaces": {"NetworkInterface": [{"NetworkInterfaceId": "eni-1", "Type": "Primary", "PrimaryIpAddress": address,
            "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": "2001:db8::7"}]}}]}
    })
}

fn classic(address: &str) -> Value {
    json!({"InstanceNetworkType": "classic", "InnerIpAddress": {"IpAddress": [address]}, "PublicIpAddress": {"IpAddress": ["203.0.113.8"]}})
}

fn page(instances: &[Value], next: &str) -> String {
    json!({"RequestId": "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E", "TotalCount": 5, "NextToken": next, "Instances": {"Instance": instances}}).to_string()
}

fn list(reply: String) -> Exchange {
    Exchange::get("/", reply)
        .with_query("Action", "DescribeInstances")
        .with_query("Version", "2014-05-26")
        .with_query("RegionId", "cn-beijing")
        .with_query("MaxResults", "100")
        .with_query("Tag.1.Key", "consul")
        .with_query("Tag.1.Value", "server")
        .with_query("SignatureMethod", "HMAC-SHA1")
}

fn refusal(status: u16, body: &'static str) -> Refusal {
    Refusal::new(status, body)
}

const TAGS: &[(&str, &str)] = &[("consul", "server"), ("env", "prod")];

fn aliyun() -> Conformance {
    let mut unknown_type = classic("10.0.0.7");
    unknown_type["InstanceNetworkType"] = json!("VPC");
    let signed = |exchange: Exchange| {
        exchange
            .with_query("AccessKeyId", "AKIDEXAMPLE")
            .with_query("Tag.2.Key", "env")
            .with_query("Tag.2.Value", "prod")
    };
    let first = [
        instance(1, "Running", TAGS, &vpc("172.17.0.9")),
        instance(2, "Stopped", TAGS, &vpc("172.17.0.8")),
        instance(3, "Running", &TAGS[..1], &vpc("172.17.0.3")),
    ];
    let last = [
        instance(4, "Running", TAGS, &classic("10.0.0.9")),
        instance(5, "Running", TAGS, &json!({})),
        instance(6, "Running", TAGS, &unknown_type),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=aliyun region=cn-beijing tag_key=consul tag_value=server tag.env=prod access_key_id=AKIDEXAMPLE access_key_secret=c4n4ry endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            signed(list(page(&first, "t2"))).without_query("NextToken"),
            signed(list(page(&[], "t3"))).with_query("NextToken", "t2"),
            signed(list(page(&last, ""))).with_query("NextToken", "t3"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.7", "10.0.0.9", "172.17.0.9"],
        excluded: &[
            ("ecs-2", "its instance is Stopped"),
            ("ecs-3", "no tag `env`"),
            ("ecs-5", "no private address yet"),
        ],
        nothing: vec![signed(list(page(&[], "")))],
        throttled: (
            refusal(
                400,
                r#"{"RequestId":"R","Code":"Throttling.User","Message":"Request was denied due to user flow control."}"#,
            ),
            Duration::ZERO,
        ),
        unauthorized: refusal(
            404,
            r#"{"RequestId":"R","Code":"InvalidAccessKeyId.NotFound","Message":"Specified access key is not found."}"#,
        ),
        denied: Some((
            refusal(
                403,
                r#"{"RequestId":"R","Code":"Forbidden.RAM","Message":"User not authorized to operate on the specified resource."}"#,
            ),
            "ecs:DescribeInstances",
        )),
    }
}

/// The key comes from the RAM role, in a session.
fn role() -> Conformance {
    const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
    let key = json!({"AccessKeyId": "STS.A", "AccessKeySecret": "c4n4ry-secret", "SecurityToken": "sts-token", "Expiration": "2037-01-01T00:00:00Z", "Code": "Success"});
    let signed = list(page(
        &[instance(1, "Running", TAGS, &vpc("172.17.0.9"))],
        "",
    ))
    .with_query("AccessKeyId", "STS.A")
    .with_query("SecurityToken", "sts-token");
    Conformance {
        join: "provider=aliyun region=cn-beijing tag_key=consul tag_value=server endpoint=ENDPOINT metadata_endpoint=ENDPOINT",
        exchanges: vec![
            Exchange::get("/latest/api/token", "session-1")
                .with_method("PUT")
                .with_header("x-aliyun-ecs-metadata-token-ttl-seconds", "300"),
            Exchange::get(ROLES, "consul-role")
                .with_header("x-aliyun-ecs-metadata-token", "session-1"),
            Exchange::get(format!("{ROLES}consul-role"), key.to_string())
                .with_header("x-aliyun-ecs-metadata-token", "session-1"),
            signed,
        ],
        ..aliyun()
    }
}

#[tokio::test]
async fn the_key_of_the_ram_role_is_used_where_none_is_given_and_renewed_once_it_is_refused() {
    let harness = Harness::serving(role()).await;
    assert_eq!(harness.discover().await.addresses(), ["172.17.0.9"]);
    let expired = refusal(
        400,
        r#"{"Code":"InvalidSecurityToken.Expired","Message":"Specified SecurityToken is expired."}"#,
    );
    harness.refuse(harness.last_exchange(), &expired, 1).await;
    let outcome = harness.discover().await;
    assert_eq!(
        (outcome.addresses(), outcome.requests),
        (vec!["172.17.0.9".to_owned()], 8)
    );
    assert_eq!(outcome.discovery().identity(), Some("role of the instance"));
}

#[tokio::test]
async fn without_key_and_role_every_source_has_its_reason() {
    let mut conformance = role();
    conformance.exchanges.remove(1);
    let outcome = Harness::serving(conformance).await.discover().await;
    let text = format!(
        "{} {}",
        outcome.error().chain(),
        outcome.error().hint().unwrap_or_default()
    );
    for part in [
        "`access_key_id` and `access_key_secret` aren't set",
        "no role is attached to the instance",
        "ecs:DescribeInstances",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn public_addresses_are_elastic_and_public_ones() {
    let join = "provider=aliyun region=cn-beijing tag_key=consul tag_value=server tag.env=prod access_key_id=AKIDEXAMPLE access_key_secret=c4n4ry address_type=public endpoint=ENDPOINT";
    let outcome = Harness::serving(Conformance { join, ..aliyun() })
        .await
        .discover()
        .await;
    assert_eq!(
        outcome.addresses(),
        ["203.0.113.7", "203.0.113.8", "2001:db8::7"]
    );
}

#[tokio::test]
async fn every_region_is_listed_and_a_failure_of_one_is_an_error() {
    let join = "provider=aliyun region=cn-beijing,eu-central-1 tag_key=consul tag_value=server access_key_id=AKIDEXAMPLE access_key_secret=c4n4ry endpoint=ENDPOINT";
    let other = |reply| list(reply).with_query("RegionId", "eu-central-1");
    let exchanges = vec![
        list(page(
            &[instance(1, "Running", TAGS, &vpc("172.17.0.9"))],
            "",
        )),
        other(page(
            &[instance(2, "Running", TAGS, &vpc("172.18.0.9"))],
            "",
        )),
    ];
    let harness = Harness::serving(Conformance {
        join,
        exchanges,
        ..aliyun()
    })
    .await;
    assert_eq!(
        harness.discover().await.addresses(),
        ["172.17.0.9", "172.18.0.9"]
    );
    let unknown = refusal(
        404,
        r#"{"Code":"InvalidRegionId.NotFound","Message":"The specified RegionId does not exist."}"#,
    );
    harness.refuse(harness.last_exchange(), &unknown, 9).await;
    assert!(
        harness
            .discover()
            .await
            .error()
            .hint()
            .is_some_and(|hint| hint.contains("`region`"))
    );
}

#[tokio::test]
async fn half_a_key_half_a_tag_and_a_region_that_is_no_name_are_problems() {
    let config =
        ConfigString::parse("provider=aliyun region=a/b,cn-beijing tag_key=a access_key_id=a")
            .unwrap_or_default();
    let context = Harness::start(aliyun()).await.context();
    let error = SPEC
        .build(&config, &context)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    for part in [
        "of `region` isn't the name of a region",
        "`tag_value` is missing",
        "`access_key_secret` is missing",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_page_without_its_list_is_an_error() {
    let mut conformance = aliyun();
    let last = conformance.exchanges.len() - 1;
    let page = r#"{"Instances":{},"NextToken":"","RequestId":"R"}"#.to_owned();
    conformance.exchanges[last] = list(page).with_query("NextToken", "t3");
    let outcome = Harness::serving(conformance).await.discover().await;
    let text = outcome.error().chain();
    assert!(text.contains("missing field `Instance`"), "{text}");
}

/// It is a parameter of the URL, where the suite's own join string may have no secret.
#[tokio::test]
async fn a_session_token_that_the_service_repeats_is_masked() {
    let join = "provider=aliyun region=cn-beijing tag_key=consul tag_value=server tag.env=prod access_key_id=AKIDEXAMPLE access_key_secret=c4n4ry security_token=c4n4ry-token endpoint=ENDPOINT";
    let conformance = Conformance { join, ..aliyun() };
    checks::a_secret_that_the_service_repeats_is_masked(conformance).await;
}
