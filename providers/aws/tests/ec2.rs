//! What is asked of EC2, and which addresses are taken.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_aws::SPEC;
use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, RoleFormat,
};
use wiremock::matchers::header_regex;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Two interfaces, the second one first; a secondary address, a public and a private IPv6 address.
/// Written after the example of `DescribeInstances` in the API reference.
const INSTANCES: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
    <instanceState><code>16</code><name>running</name></instanceState><privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>203.0.113.1</ipAddress>\
    <placement><availabilityZone>eu-west-1a</availabilityZone><groupName/></placement><vpcId>vpc-1</vpcId><groupSet><item><groupId>sg-1</groupId></item></groupSet>\
    <tagSet><item><key>consul</key><value>server 1</value></item></tagSet><networkInterfaceSet>\
    <item><networkInterfaceId>eni-2</networkInterfaceId><privateIpAddress>10.0.9.1</privateIpAddress><attachment><deviceIndex>1</deviceIndex></attachment>\
    <association><publicIp>203.0.113.9</publicIp></association><ipv6AddressesSet><item><ipv6Address>2001:db8::9</ipv6Address></item></ipv6AddressesSet></item>\
    <item><networkInterfaceId>eni-1</networkInterfaceId><privateIpAddress>10.0.0.1</privateIpAddress><attachment><deviceIndex>0</deviceIndex></attachment>\
    <association><publicIp>203.0.113.1</publicIp></association>\
    <privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress></item><item><privateIpAddress>10.0.0.77</privateIpAddress></item></privateIpAddressesSet>\
    <ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address></item><item><ipv6Address>fd00::1</ipv6Address></item></ipv6AddressesSet></item>\
    </networkInterfaceSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";

const KEYS: &str = "provider=aws access_key_id=a secret_access_key=s";

fn context() -> Context {
    Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .build()
        .unwrap()
}

async fn server() -> MockServer {
    server_of(INSTANCES).await
}

async fn server_of(instances: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(header_regex("authorization", "/eu-[a-z]+-1/ec2/"))
        .respond_with(ResponseTemplate::new(200).set_body_string(instances))
        .mount(&server)
        .await;
    server
}

async fn discover(server: &MockServer, rest: &str, detail: Detail) -> Result<Discovery, Error> {
    let context = context();
    let config = ConfigString::parse(&format!("{KEYS} endpoint={} {rest}", server.uri())).unwrap();
    let provider = SPEC.build(&config, &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)).with_detail(detail))
        .await
}

async fn addresses(server: &MockServer, rest: &str) -> Vec<String> {
    let join = format!("tag_key=consul tag_value=\"server 1\" region=eu-west-1 {rest}");
    let discovery = discover(server, &join, Detail::Addresses).await.unwrap();
    discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn each_address_type_gives_the_addresses_that_go_discover_gives() {
    let server = server().await;
    assert_eq!(addresses(&server, "").await, ["10.0.0.1"]);
    assert_eq!(
        addresses(&server, "addr_type=private_v4").await,
        ["10.0.0.1"]
    );
    assert_eq!(
        addresses(&server, "addr_type=public_v4").await,
        ["203.0.113.1"]
    );
    assert_eq!(
        addresses(&server, "addr_type=public_v6").await,
        ["2001:db8::1", "2001:db8::9"]
    );
    assert_eq!(
        addresses(&server, "address_type=private_v6").await,
        ["fd00::1"]
    );
    assert_eq!(
        addresses(&server, "address_type=private").await,
        ["10.0.0.1", "fd00::1"]
    );
}

/// A page with a comment is decoded whole.
#[tokio::test]
async fn the_elements_that_are_left_out_of_a_page_are_those_that_nothing_reads() {
    let whole = INSTANCES.replace("<vpcId>", "<!-- --><vpcId>");
    let mut found = Vec::new();
    for page in [INSTANCES, &whole] {
        let join = "tag_key=consul tag_value=* region=eu-west-1 interfaces=all address_type=public";
        let server = server_of(page).await;
        let discovery = discover(&server, join, Detail::Everything).await.unwrap();
        found.push(serde_json::to_value(&discovery).unwrap());
    }
    let node = &found[0]["nodes"][0];
    assert_eq!(node["attributes"]["VPC"], "vpc-1");
    assert_eq!(node["attributes"]["availability zone"], "eu-west-1a");
    assert_eq!(node["addresses"].as_array().unwrap().len(), 4);
    assert_eq!(found[0], found[1]);
}

/// Secondary addresses of an interface are the pods' on a node of EKS.
#[tokio::test]
async fn further_interfaces_count_where_they_are_selected_and_secondary_addresses_never() {
    let server = server().await;
    assert_eq!(
        addresses(&server, "interfaces=all").await,
        ["10.0.0.1", "10.0.9.1"]
    );
    assert_eq!(
        addresses(&server, "interfaces=all addr_type=public_v4").await,
        ["203.0.113.1", "203.0.113.9"]
    );
    assert_eq!(
        addresses(&server, "interfaces=primary addr_type=public_v6").await,
        ["2001:db8::1"]
    );
}

#[tokio::test]
async fn the_service_filters_unless_everything_is_to_be_explained() {
    let server = server().await;
    let join = "tag_key=consul tag_value=\"server 1\" tag.dc=1 region=eu-west-1";
    for (rest, detail) in [
        ("", Detail::Addresses),
        ("power_state=any", Detail::Addresses),
        ("", Detail::Everything),
    ] {
        _ = discover(&server, &format!("{join} {rest}"), detail)
            .await
            .unwrap();
    }
    let bodies: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    let first = "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000";
    let tags = "Filter.1.Name=tag%3Aconsul&Filter.1.Value.1=server+1&Filter.2.Name=tag%3Adc&Filter.2.Value.1=1";
    let running = "Filter.3.Name=instance-state-name&Filter.3.Value.1=running";
    assert_eq!(
        bodies,
        [
            format!("{first}&{tags}&{running}"),
            format!("{first}&{tags}"),
            first.to_owned()
        ]
    );
}

#[tokio::test]
async fn several_regions_are_one_result_and_one_that_fails_fails_all() {
    let server = server().await;
    let join = "tag_key=consul tag_value=server* region";
    let discovery = discover(
        &server,
        &format!("{join}=eu-west-1,eu-south-1,eu-west-1"),
        Detail::Addresses,
    )
    .await
    .unwrap();
    let regions: Vec<&str> = discovery
        .nodes()
        .iter()
        .filter_map(|node| node.attribute("region"))
        .collect();
    assert_eq!(regions, ["eu-west-1", "eu-south-1"]);
    let refusal = "<Response><Errors><Error><Code>OptInRequired</Code><Message>not subscribed</Message></Error></Errors></Response>";
    Mock::given(header_regex("authorization", "/af-south-1/ec2/"))
        .respond_with(ResponseTemplate::new(401).set_body_string(refusal))
        .mount(&server)
        .await;
    let error = discover(
        &server,
        &format!("{join}=eu-west-1,af-south-1"),
        Detail::Addresses,
    )
    .await
    .unwrap_err();
    assert!(
        error
            .chain()
            .contains("cannot list instances of `af-south-1`"),
        "{}",
        error.chain()
    );
    assert!(
        error.hint().unwrap().contains("enable the region"),
        "{:?}",
        error.hint()
    );
}

#[tokio::test]
async fn a_near_miss_is_suggested_with_the_key_to_change() {
    let server = server().await;
    let discovery = discover(
        &server,
        "tag_key=consul tag_value=\"Server 1\" region=eu-west-1",
        Detail::Everything,
    )
    .await
    .unwrap();
    let finding = &discovery.findings()[0];
    assert_eq!(
        finding.changes,
        [("tag_value".to_owned(), Some("server 1".to_owned()))]
    );
}

#[tokio::test]
async fn what_cannot_work_is_an_error_before_any_request() {
    let server = server().await;
    for (join, message) in [
        ("region=eu-west-1", "`tag_key` is missing"),
        (
            "tag_value=x region=eu-west-1",
            "`tag_key` is missing (`tag_value` is given)",
        ),
        ("service=ecs region=eu-west-1", "`tag_key` is missing"),
        (
            "tag_key=a region=eu-west-1a",
            "`eu-west-1a` is an availability zone",
        ),
        ("tag_key=a region=eu-west-1 service=eks", "`service`"),
    ] {
        let error = discover(&server, join, Detail::Addresses)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Config(_)) && error.chain().contains(message),
            "{join}: {}",
            error.chain()
        );
    }
    for half in ["access_key_id=a", "secret_access_key=s", "session_token=t"] {
        let config =
            ConfigString::parse(&format!("provider=aws tag_key=a region=eu-west-1 {half}"))
                .unwrap();
        assert!(
            matches!(SPEC.build(&config, &context()), Err(Error::Config(_))),
            "{half}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[test]
fn the_policy_allows_what_the_join_string_needs() {
    let policy = |join: &str, format| {
        SPEC.role.unwrap()(&ConfigString::parse(join).unwrap(), &context(), format)
            .unwrap()
            .text
    };
    let text = policy(
        "provider=aws tag_key=a region=eu-west-1,eu-west-2",
        RoleFormat::Native,
    );
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statement = &json["Statement"][0];
    assert_eq!(
        statement["Action"],
        serde_json::json!(["ec2:DescribeInstances"])
    );
    assert_eq!(
        statement["Condition"]["StringEquals"]["aws:RequestedRegion"],
        serde_json::json!(["eu-west-1", "eu-west-2"])
    );
    let text = policy("provider=aws service=ecs ecs_cluster=a", RoleFormat::Native);
    assert!(
        !text.contains("ecs:ListClusters")
            && text.contains("ecs:ListTasks")
            && text.contains("ecs:DescribeContainerInstances")
            && text.contains("ec2:DescribeInstances")
            && !text.contains("Condition"),
        "{text}"
    );
    assert!(
        policy("provider=aws tag_key=a", RoleFormat::Terraform)
            .starts_with("resource \"aws_iam_policy\"")
    );
}
