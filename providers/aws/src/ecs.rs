//! ECS: clusters, their running tasks, and what the tasks are.
//!
//! Shape: docs.aws.amazon.com/AmazonECS/latest/APIReference, `ListClusters`, `ListTasks` and
//! `DescribeTasks`.

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Exclusion, Node, Result};
use cloud_autojoin_provider_kit::{AddressScope, ApiClient, Instance, Selection};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::TARGET;

/// The most tasks the API describes at once.
const MAX_DESCRIBED: usize = 100;

/// The attachment of a task that has a network interface of its own, and its address there.
const INTERFACE: &str = "ElasticNetworkInterface";
const PRIVATE_IPV4: &str = "privateIPv4Address";

/// Which tasks are wanted.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    /// Names or ARNs; every cluster when empty.
    pub(crate) clusters: Vec<String>,
    /// Families of task definitions; all when empty.
    pub(crate) families: Vec<String>,
    pub(crate) selection: Selection,
}

/// The running tasks of `region` with their addresses or the reason why they have none.
pub(crate) async fn list(
    client: &ApiClient,
    region: &str,
    wanted: &Tasks,
    call: &Call,
) -> Result<Vec<Node>> {
    let clusters = if wanted.clusters.is_empty() {
        list_all(client, "ListClusters", region, &json!({}), call).await?
    } else {
        wanted.clusters.clone()
    };
    let families: Vec<Option<&String>> = if wanted.families.is_empty() {
        vec![None]
    } else {
        wanted.families.iter().map(Some).collect()
    };
    let mut nodes = Vec::new();
    for cluster in &clusters {
        for family in &families {
            let mut query = json!({"cluster": cluster, "desiredStatus": "RUNNING"});
            if let Some(family) = family {
                query["family"] = json!(family);
            }
            let tasks = list_all(client, "ListTasks", cluster, &query, call).await?;
            for tasks in tasks.chunks(MAX_DESCRIBED) {
                let query = json!({"cluster": cluster, "tasks": tasks, "include": ["TAGS"]});
                let described: Described = client
                    .json(request(client, "DescribeTasks", cluster, &query), call)
                    .await?;
                nodes.extend(
                    described
                        .tasks
                        .into_iter()
                        .map(|task| node(task, region, &wanted.selection)),
                );
                nodes.extend(described.failures.into_iter().map(missing));
            }
        }
    }
    Ok(nodes)
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
        _ => "describe tasks of",
    };
    let target = HeaderValue::from_str(&format!("AmazonEC2ContainerServiceV20141113.{action}"));
    let mut request = Request::post(
        format!("{words} `{place}`"),
        client.endpoint().clone(),
        query.to_string(),
    )
    .header(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Ok(target) = target {
        request.set_header(TARGET, target);
    }
    request
}

/// The task as a node. Like go-discover it gives the first private address of its own interface.
fn node(task: Task, region: &str, selection: &Selection) -> Node {
    let name = last_part(&task.task_arn).to_owned();
    let is_running = task.desired_status == "RUNNING";
    let status = if is_running {
        task.last_status
    } else {
        task.desired_status
    };
    let mut found = Instance::new("task", task.task_arn, name)
        .with_state(status, is_running)
        .with_attribute("region", region)
        .with_attribute("cluster", last_part(&task.cluster_arn))
        .with_attribute("task definition", last_part(&task.task_definition_arn))
        .with_attribute("launch type", task.launch_type.unwrap_or_default())
        .with_attribute(
            "availability zone",
            task.availability_zone.unwrap_or_default(),
        );
    found.tags = task
        .tags
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect();
    let details = task
        .attachments
        .iter()
        .flat_map(|attachment| &attachment.details);
    match details
        .filter(|detail| detail.name == PRIVATE_IPV4)
        .find_map(|detail| detail.value.as_deref())
    {
        Some(ip) => found.add_address(ip, AddressScope::Private),
        None if !task
            .attachments
            .iter()
            .any(|attachment| attachment.kind == INTERFACE) =>
        {
            found.excluded = Some(no_interface(task.container_instance_arn.as_deref()))
        }
        None => {}
    }
    selection.apply(found)
}

/// Why a task of the network mode `bridge` or `host` has no address.
fn no_interface(container_instance: Option<&str>) -> Exclusion {
    let place = container_instance.map_or_else(String::new, |arn| format!(" `{}`", last_part(arn)));
    Exclusion::Other(
        format!("it has no network interface of its own (network mode isn't awsvpc); it is at the address of its container instance{place}").into(),
    )
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

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    arn: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: String,
    #[serde(default)]
    cluster_arn: String,
    #[serde(default)]
    task_definition_arn: String,
    #[serde(default)]
    desired_status: String,
    #[serde(default)]
    last_status: String,
    launch_type: Option<String>,
    availability_zone: Option<String>,
    container_instance_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

/// A tag without a value has none.
#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    name: String,
    value: Option<String>,
}
