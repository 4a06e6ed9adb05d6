//! EC2 in the conformance suite.
//!
//! The responses are written after the examples of `DescribeInstances` and of the error codes in
//! the API reference (docs.aws.amazon.com/AWSEC2/latest/APIReference, 2016-11-15).

use std::time::Duration;

use cloud_autojoin_aws::SPEC;
use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Paging, Refusal};

cloud_autojoin_provider_kit::conformance!(aws);

struct Ec2 {
    id: u32,
    state: &'static str,
    tags: &'static [(&'static str, &'static str)],
    private: &'static str,
    more: &'static str,
}

const TAGS: &[(&str, &str)] = &[("consul", "server-1"), ("dc", "1")];

fn instance(
    id: u32,
    state: &'static str,
    tags: &'static [(&'static str, &'static str)],
    private: &'static str,
) -> Ec2 {
    Ec2 {
        id,
        state,
        tags,
        private,
        more: "",
    }
}

fn item(instance: &Ec2) -> String {
    let Ec2 {
        id,
        state,
        tags,
        private,
        more,
    } = instance;
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"))
        .collect();
    let private = if private.is_empty() {
        String::new()
    } else {
        format!("<privateIpAddress>{private}</privateIpAddress>")
    };
    format!(
        "<item><reservationId>r-{id}</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet><item>\
         <instanceId>i-{id}</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>{state}</name></instanceState>\
         <placement><availabilityZone>eu-west-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement>\
         <vpcId>vpc-1</vpcId>{private}<ipAddress>203.0.113.{id}</ipAddress><tagSet><item><key>Name</key><value>vm-{id}</value></item>{tags}</tagSet>\
         <networkInterfaceSet><item><networkInterfaceId>eni-{id}</networkInterfaceId>{private}<attachment><deviceIndex>0</deviceIndex></attachment>\
         <ipv6AddressesSet><item><ipv6Address>2001:db8::{id}</ipv6Address></item></ipv6AddressesSet></item>{more}</networkInterfaceSet>\
         </item></instancesSet></item>"
    )
}

fn page(instances: &[Ec2], next: &str) -> String {
    let items: String = instances.iter().map(item).collect();
    let next = if next.is_empty() {
        String::new()
    } else {
        format!("<nextToken>{next}</nextToken>")
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>8f7724cf-496f-496e-8fe3-example</requestId><reservationSet>{items}</reservationSet>{next}</DescribeInstancesResponse>"
    )
}

fn list(reply: String) -> Exchange {
    Exchange::post("/", reply)
        .with_body_part("Action=DescribeInstances&Version=2016-11-15&MaxResults=1000")
        .with_header("x-amz-security-token", "c4n4ry-token")
}

fn aws() -> Conformance {
    let second_interface = "<item><networkInterfaceId>eni-x</networkInterfaceId><privateIpAddress>10.0.9.9</privateIpAddress><attachment><deviceIndex>1</deviceIndex></attachment></item>";
    let first = [
        Ec2 {
            more: second_interface,
            ..instance(1, "running", TAGS, "10.0.0.10")
        },
        instance(2, "stopped", TAGS, "10.0.0.2"),
        instance(
            3,
            "running",
            &[("consul", "client"), ("dc", "1")],
            "10.0.0.3",
        ),
    ];
    let last = [
        instance(4, "running", &[("consul", "server-2")], "10.0.0.4"),
        instance(5, "running", TAGS, ""),
        instance(6, "running", TAGS, "10.0.0.9"),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=aws tag_key=consul tag_value=server-* tag.dc=1 region=eu-west-1 access_key_id=c4n4ry-id \
               secret_access_key=c4n4ry-secret session_token=c4n4ry-token endpoint=ENDPOINT",
        env: &[],
        exchanges: vec![
            list(page(&first, "second")).without_body_part("NextToken"),
            list(page(&[], "third/+=")).with_body_part("NextToken=second"),
            list(page(&last, "")).with_body_part("NextToken=third%2F%2B%3D"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.9", "10.0.0.10"],
        excluded: &[
            ("vm-2", "its instance is stopped"),
            ("vm-3", "tag `consul` is `client`, not `server-*`"),
            ("vm-4", "no tag `dc`"),
            ("vm-5", "203.0.113.5 is not private_v4"),
        ],
        nothing: vec![list(page(&[], ""))],
        throttled: (
            Refusal::new(503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors><RequestID>r</RequestID></Response>")
                .with_header("retry-after", "7"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            401,
            "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message></Error></Errors><RequestID>r</RequestID></Response>",
        ),
        denied: Some((
            Refusal::new(
                403,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.</Message></Error></Errors><RequestID>r</RequestID></Response>",
            ),
            "ec2:DescribeInstances",
        )),
    }
}
