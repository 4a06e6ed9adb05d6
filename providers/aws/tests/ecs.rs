//! ECS in the conformance suite.
//!
//! The responses are written after the examples of `ListClusters`, `ListTasks`, `DescribeTasks`,
//! `DescribeContainerInstances` and of the common errors in the API reference (docs.aws.amazon.com/AmazonECS/latest/APIReference).

use std::time::Duration;

use cloud_autojoin_aws::SPEC;
use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Env};
use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Paging, Refusal};
use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

cloud_autojoin_provider_kit::conformance!(ecs);

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:{kind}/{name}")
}

/// A task; one without an address shares the network of its container instance `host-NAME`.
fn task(name: &str, desired: &str, tags: Value, address: Option<&str>) -> Value {
    let detail = |name: &str, value: &str| json!({"name": name, "value": value});
    let interface = address.map(|ip| json!({"id": "a-1", "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": [detail("networkInterfaceId", "eni-1"), detail("privateIPv4Address", ip)]}));
    json!({
        "taskArn": arn("task", &format!("blue/{name}")), "clusterArn": arn("cluster", "blue"), "taskDefinitionArn": arn("task-definition", "consul:7"),
        "desiredStatus": desired, "lastStatus": "RUNNING", "launchType": "EC2", "availabilityZone": "eu-west-1a", "healthStatus": "UNKNOWN",
        "containerInstanceArn": arn("container-instance", &format!("blue/host-{name}")), "tags": tags, "attachments": interface.into_iter().collect::<Vec<_>>(), "version": 5,
    })
}

/// One of two container instances: the other one is outside EC2 (ECS Anywhere).
const EC2: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-4</instanceId>\
    <instanceState><name>running</name></instanceState><privateIpAddress>10.0.0.11</privateIpAddress></item></instancesSet>\
    </item></reservationSet></DescribeInstancesResponse>";

fn exchange(action: &str, part: &str, reply: Value) -> Exchange {
    Exchange::post("/", reply.to_string())
        .with_header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{action}"),
        )
        .with_body_part(part)
}

fn ecs() -> Conformance {
    let tags = || json!([{"key": "consul", "value": "server"}, {"key": "flag"}]);
    let tasks = [
        task("t1", "RUNNING", tags(), Some("10.0.0.10")),
        task("t2", "STOPPED", tags(), Some("10.0.0.2")),
        task(
            "t3",
            "RUNNING",
            json!([{"key": "consul", "value": "server*"}]),
            Some("10.0.0.3"),
        ),
        task("t4", "RUNNING", tags(), None),
        task("t5", "RUNNING", tags(), Some("10.0.0.9")),
        task("t7", "RUNNING", tags(), None),
        task("t8", "RUNNING", json!([]), None),
    ];
    let host = |task: &str, id: &str| json!({"containerInstanceArn": arn("container-instance", &format!("blue/host-{task}")), "ec2InstanceId": id});
    let arns = |names: &[&str]| {
        names
            .iter()
            .map(|name| arn("task", &format!("blue/{name}")))
            .collect::<Vec<_>>()
    };
    let failures = json!([{"arn": arn("task", "blue/t6"), "reason": "MISSING"}]);
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: "provider=aws service=ecs tag_key=consul tag_value=server region=eu-west-1 access_key_id=c4n4ry-id \
               secret_access_key=c4n4ry-secret session_token=c4n4ry-token endpoint=ENDPOINT",
        env: &[("AWS_ENDPOINT_URL_EC2", "ENDPOINT")],
        exchanges: vec![
            exchange(
                "ListClusters",
                "{}",
                json!({"clusterArns": [arn("cluster", "green")], "nextToken": "second"}),
            ),
            exchange(
                "ListClusters",
                r#""nextToken":"second""#,
                json!({"clusterArns": [], "nextToken": "third"}),
            ),
            exchange(
                "ListClusters",
                r#""nextToken":"third""#,
                json!({"clusterArns": [arn("cluster", "blue")]}),
            ),
            exchange("ListTasks", "cluster/green", json!({"taskArns": []})),
            exchange(
                "ListTasks",
                "cluster/blue",
                json!({"taskArns": arns(&["t1", "t2", "t3"]), "nextToken": "second"}),
            )
            .without_body_part("nextToken"),
            exchange(
                "ListTasks",
                r#""nextToken":"second""#,
                json!({"taskArns": arns(&["t4", "t5", "t6"])}),
            )
            .with_body_part("cluster/blue"),
            exchange(
                "DescribeTasks",
                r#""include":["TAGS"]"#,
                json!({"tasks": tasks, "failures": failures}),
            )
            .with_body_part("cluster/blue"),
            exchange(
                "DescribeContainerInstances",
                &format!(
                    r#""containerInstances":["{0}t4","{0}t7"]"#,
                    arn("container-instance", "blue/host-")
                ),
                json!({"containerInstances": [host("t4", "i-4"), host("t7", "mi-7")]}),
            ),
            Exchange::post("/", EC2)
                .with_body_part("Filter.1.Name=instance-id&Filter.1.Value.1=i-4")
                .without_body_part("mi-7"),
        ],
        paging: Paging::Token,
        addresses: &["10.0.0.9", "10.0.0.10", "10.0.0.11"],
        excluded: &[
            ("t2", "its instance is STOPPED"),
            ("t3", "tag `consul` is `server*`, not `server`"),
            ("t6", "deleted between list and get"),
            (
                "t7",
                "the network of its container instance `host-t7`, which isn't in EC2",
            ),
            ("t8", "no tag `consul`"),
        ],
        nothing: vec![exchange("ListClusters", "", json!({"clusterArns": []}))],
        throttled: (
            Refusal::new(
                400,
                r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
            ),
            Duration::ZERO,
        ),
        unauthorized: Refusal::new(
            400,
            r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}"#,
        ),
        denied: Some((
            Refusal::new(
                400,
                r#"{"__type":"AccessDeniedException","Message":"User is not authorized"}"#,
            ),
            "ec2:DescribeInstances",
        )),
    }
}

#[tokio::test]
async fn a_hundred_tasks_are_described_at_once_of_each_cluster_and_family_that_is_named() {
    let server = MockServer::start().await;
    let target = |action: &str| {
        Mock::given(header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{action}").as_str(),
        ))
    };
    let list = |request: &Request| {
        let query: Value = request.body_json().unwrap();
        let count = if query["family"] == "consul" && query["cluster"] == "blue" {
            101
        } else {
            1
        };
        let arns: Vec<String> = (0..count)
            .map(|number| format!("{}-{}/{number}", query["cluster"], query["family"]))
            .collect();
        ResponseTemplate::new(200).set_body_json(json!({"taskArns": arns}))
    };
    let describe = |request: &Request| {
        let query: Value = request.body_json().unwrap();
        let arns = query["tasks"].as_array().unwrap();
        assert!(arns.len() <= 100);
        let address = |arn: &Value| {
            format!(
                "10.0.{}.{}",
                arn.as_str().unwrap().len(),
                arn.as_str().unwrap().rsplit('/').next().unwrap()
            )
        };
        let tasks: Vec<Value> = arns
            .iter()
            .map(|arn| task("t", "RUNNING", json!([]), Some(&address(arn))))
            .collect();
        ResponseTemplate::new(200).set_body_json(json!({"tasks": tasks}))
    };
    target("ListTasks").respond_with(list).mount(&server).await;
    target("DescribeTasks")
        .respond_with(describe)
        .mount(&server)
        .await;
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .build()
        .unwrap();
    let join = format!(
        "provider=aws service=ecs ecs_cluster=blue,green ecs_family=consul,nomad region=eu-west-1 access_key_id=a secret_access_key=s endpoint={}",
        server.uri()
    );
    let provider = SPEC
        .build(&ConfigString::parse(&join).unwrap(), &context)
        .unwrap();
    let call = Call::new(context.clock(), Duration::from_secs(60));
    let discovery = provider.discover(&call).await.unwrap();
    assert_eq!((discovery.matched(), call.requests().len()), (104, 4 + 5));
    assert_eq!(
        discovery.subject(),
        "tasks of family `consul`, `nomad` of cluster `blue`, `green` in region `eu-west-1`"
    );
}
