//! ECS: clusters, their running tasks, what the tasks are, and the hosts of those without an
//! address of their own.
//!
//! Shape: docs.aws.amazon.com/AmazonECS/latest/APIReference, `ListClusters`, `ListTasks`,
//! `DescribeTasks` and `DescribeContainerInstances`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Address, Call, Exclusion, Node, Result};
use cloud_autojoin_provider_kit::auth::aws::TARGET;
use cloud_autojoin_provider_kit::{AddressScope, ApiClient, Instance, Selection};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ec2::{self, Tag};

/// The most tasks or container instances the API describes at once.
const MAX_DESCRIBED: usize = 100;

/// The attachment of a task that has a network interface of its own, and its address there.
const INTERFACE: &str = "ElasticNetworkInterface";
const PRIVATE_IPV4: &str = "privateIPv4Address";

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    /// Names or ARNs; every cluster when empty.
    pub(crate) clusters: Vec<String>,
    /// Families of task definitions; all when empty.
    pub(crate) families: Vec<String>,
    pub(crate) selection: Selection,
}

/// The running tasks of `region` with their addresses or the reason why they have none.
pub(crate) async fn list(
    ecs: &ApiClient,
    ec2: &ApiClient,
    region: &str,
    wanted: &Tasks,
    call: &Call,
) -> Result<Vec<Node>> {
    let clusters = if wanted.clusters.is_empty() {
        list_all(ecs, "ListClusters", region, &json!({}), call).await?
    } else {
        wanted.clusters.clone()
    };
    let mut families: Vec<Option<&String>> = wanted.families.iter().map(Some).collect();
    if families.is_empty() {
        families.push(None);
    }
    let mut nodes = Vec::new();
    for cluster in &clusters {
        for family in &families {
            let mut query = json!({"cluster": cluster, "desiredStatus": "RUNNING"});
            if let Some(family) = family {
                query["family"] = json!(family);
            }
            let tasks = list_all(ecs, "ListTasks", cluster, &query, call).await?;
            for tasks in tasks.chunks(MAX_DESCRIBED) {
                let query = json!({"cluster": cluster, "tasks": tasks, "include": ["TAGS"]});
                let request = request(ecs, "DescribeTasks", cluster, &query);
                let described: Described = ecs.json(request, call).await?;
                let tasks = described.tasks.into_iter();
                let mut found: Vec<_> = tasks
                    .map(|task| node(task, region, &wanted.selection))
                    .collect();
                locate(&mut found, cluster, ecs, ec2, call).await?;
                nodes.extend(found.into_iter().map(|(node, _)| node));
                nodes.extend(described.failures.into_iter().map(missing));
            }
        }
    }
    Ok(nodes)
}

/// Gives the tasks that share the network of their container instance its address.
async fn locate(
    found: &mut [(Node, Option<String>)],
    cluster: &str,
    ecs: &ApiClient,
    ec2: &ApiClient,
    call: &Call,
) -> Result<()> {
    let hosts: BTreeSet<&String> = found.iter().filter_map(|(_, host)| host.as_ref()).collect();
    if hosts.is_empty() {
        return Ok(());
    }
    let query = json!({"cluster": cluster, "containerInstances": hosts});
    let request = request(ecs, "DescribeContainerInstances", cluster, &query);
    let hosts: Hosts = ecs.json(request, call).await?;
    let ids: BTreeMap<String, String> = hosts
        .container_instances
        .into_iter()
        .map(|host| (host.container_instance_arn, host.ec2_instance_id))
        .collect();
    let filter = ("instance-id".to_owned(), ids.values().cloned().collect());
    let operation = format!("list the container instances of `{cluster}`");
    let instances = ec2::instances(ec2, &operation, &[filter], call).await?;
    let addresses: BTreeMap<String, IpAddr> = instances
        .into_iter()
        .filter_map(|found| Some((found.instance_id, found.private_ip_address?.parse().ok()?)))
        .collect();
    for (node, host) in found {
        let Some(host) = host else { continue };
        node.excluded.clear();
        match ids.get(host).and_then(|id| addresses.get(id)) {
            Some(ip) => {
                let address = Address::ip(*ip).with_instance(node.name.clone());
                node.addresses.push(address);
            }
            None => node.excluded.push(Exclusion::Other(
                format!(
                    "it shares the network of its container instance `{}`, which EC2 doesn't know",
                    last_part(host)
                )
                .into(),
            )),
        }
    }
    Ok(())
}

/// Every ARN of a list, page by page.
async fn list_all(
    client: &ApiClient,
    action: &str,
    place: &str,
    query: &Value,
    call: &Call,
) -> Result<Vec<String>> {
    let mut pages = client.pages(request(client, action, place, query), call);
    let mut arns = Vec::new();
    while let Some(page) = pages.next_json::<ArnPage>().await? {
        arns.extend(page.arns);
        if let Some(token) = page.next_token.filter(|token| !token.is_empty()) {
            let mut query = query.clone();
            query["nextToken"] = json!(token);
            pages.follow_request(request(client, action, place, &query))?;
        }
    }
    Ok(arns)
}

fn request(client: &ApiClient, action: &str, place: &str, query: &Value) -> Request {
    let words = match action {
        "ListClusters" => "list clusters of",
        "ListTasks" => "list tasks of",
        "DescribeTasks" => "describe tasks of",
        _ => "describe container instances of",
    };
    let (operation, url) = (format!("{words} `{place}`"), client.endpoint().clone());
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    let mut request = Request::post(operation, url, query.to_string()).header(CONTENT_TYPE, json);
    let target = HeaderValue::from_str(&format!("AmazonEC2ContainerServiceV20141113.{action}"));
    if let Ok(target) = target {
        request.set_header(TARGET, target);
    }
    request
}

/// The task as a node, and its container instance if only that one's address is missing. Like
/// go-discover it gives the first private address of its own interface.
fn node(task: Task, region: &str, selection: &Selection) -> (Node, Option<String>) {
    let name = last_part(&task.task_arn).to_owned();
    let is_running = task.desired_status == "RUNNING";
    let status = if is_running {
        task.last_status
    } else {
        task.desired_status
    };
    let host = task.container_instance_arn;
    let mut found = Instance::new("task", task.task_arn, name)
        .with_state(status, is_running)
        .with_attribute("region", region)
        .with_attribute("cluster", last_part(&task.cluster_arn))
        .with_attribute("task definition", last_part(&task.task_definition_arn))
        .with_attribute("launch type", task.launch_type)
        .with_attribute("availability zone", task.availability_zone)
        .with_attribute("container instance", last_part(&host));
    let tags = task.tags.into_iter().map(|tag| (tag.key, tag.value));
    found.tags = tags.collect();
    let attachments = &task.attachments;
    let details = attachments
        .iter()
        .flat_map(|attachment| &attachment.details);
    let mut addresses = details.filter(|detail| detail.name == PRIVATE_IPV4);
    if let Some(ip) = addresses.find_map(|detail| detail.value.as_deref()) {
        found.add_address(ip, AddressScope::Private);
    }
    let has_interface = attachments
        .iter()
        .any(|attachment| attachment.kind == INTERFACE);
    let node = selection.apply(found);
    let is_located = has_interface || host.is_empty() || node.excluded != [Exclusion::NoAddress];
    (node, (!is_located).then_some(host))
}

fn missing(failure: Failure) -> Node {
    let mut node = Node::new("task", failure.arn.clone(), last_part(&failure.arn));
    node.excluded.push(if failure.reason == "MISSING" {
        Exclusion::Vanished
    } else {
        Exclusion::Other(failure.reason.into())
    });
    node
}

/// The name at the end of an ARN.
fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// A page of `ListClusters` or `ListTasks`.
#[derive(Deserialize)]
struct ArnPage {
    #[serde(rename = "clusterArns", alias = "taskArns")]
    arns: Vec<String>,
    #[serde(rename = "nextToken")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    tasks: Vec<Task>,
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    arn: String,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Task {
    task_arn: String,
    cluster_arn: String,
    task_definition_arn: String,
    desired_status: String,
    last_status: String,
    launch_type: String,
    availability_zone: String,
    container_instance_arn: String,
    tags: Vec<Tag>,
    attachments: Vec<Attachment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attachment {
    #[serde(rename = "type")]
    kind: String,
    details: Vec<Detail>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hosts {
    container_instances: Vec<Host>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Host {
    container_instance_arn: String,
    /// Of ECS Anywhere `mi-...`, which isn't in EC2.
    ec2_instance_id: String,
}
