//! ECS: clusters, their running tasks, what the tasks are, and the hosts of those without an
//! address of their own.
//!
//! Shape: docs.aws.amazon.com/AmazonECS/latest/APIReference, `ListClusters`, `ListTasks`,
//! `DescribeTasks` and `DescribeContainerInstances`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Address, Call, Exclusion, Node, Result};
use cloud_autojoin_provider_kit::auth::aws::json_request;
use cloud_autojoin_provider_kit::{AddressScope, ApiClient, Instance, Pages, Places, Selection};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ec2::{self, Ec2Instance, Tag};

/// An operation of the API, and in words that go on with "of".
type Action = (&'static str, &'static str);

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    /// Names or ARNs; every cluster when empty.
    pub(crate) clusters: Vec<String>,
    /// Families of task definitions; all when empty.
    pub(crate) families: Vec<String>,
}

impl Tasks {
    /// In words: ``tasks of family `consul` of cluster `prod` ``.
    pub(crate) fn subject(&self) -> String {
        let mut subject = "tasks".to_owned();
        for (kind, names) in [("family", &self.families), ("cluster", &self.clusters)] {
            if !names.is_empty() {
                subject += &format!(" of {}", Places::new(kind, names.clone()));
            }
        }
        subject
    }
}

/// Lists the tasks of one region.
pub(crate) struct List<'a> {
    pub(crate) ecs: ApiClient,
    pub(crate) ec2: ApiClient,
    pub(crate) region: &'a str,
    pub(crate) selection: &'a Selection,
    pub(crate) call: &'a Call,
}

impl List<'_> {
    /// The running tasks with their addresses or the reason why they have none.
    pub(crate) async fn nodes(&self, wanted: &Tasks) -> Result<Vec<Node>> {
        let mut clusters = wanted.clusters.clone();
        if clusters.is_empty() {
            clusters = self
                .arns(("ListClusters", "list clusters"), self.region, json!({}))
                .await?;
        }
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
                let tasks = self
                    .arns(("ListTasks", "list tasks"), cluster, query)
                    .await?;
                // The most tasks or container instances that the API describes at once.
                for tasks in tasks.chunks(100) {
                    let query = json!({"cluster": cluster, "tasks": tasks, "include": ["TAGS"]});
                    let request =
                        self.request(("DescribeTasks", "describe tasks"), cluster, &query);
                    let described: Described<Task> = self.ecs.json(request, self.call).await?;
                    let tasks = described.found.into_iter();
                    let found = tasks.map(|task| node(task, self.region, self.selection));
                    nodes.extend(self.located(found.collect(), cluster).await?);
                    nodes.extend(described.failures.into_iter().map(ended));
                }
            }
        }
        Ok(nodes)
    }

    /// Gives the tasks that share the network of their container instance its address.
    async fn located(
        &self,
        mut found: Vec<(Node, Option<String>)>,
        cluster: &str,
    ) -> Result<impl Iterator<Item = Node>> {
        let hosts: BTreeSet<&String> = found.iter().filter_map(|(_, host)| host.as_ref()).collect();
        if !hosts.is_empty() {
            let addresses = self.addresses(&hosts, cluster).await?;
            for (node, host) in &mut found {
                let Some(host) = host else { continue };
                node.excluded.clear();
                if let Some(ip) = addresses.get(host) {
                    let address = Address::ip(*ip).with_instance(node.name.clone());
                    node.addresses.push(address);
                    continue;
                }
                let host = last_part(host);
                let reason = format!(
                    "it shares the network of its container instance `{host}`, which isn't in EC2"
                );
                node.excluded.push(Exclusion::Other(reason.into()));
            }
        }
        Ok(found.into_iter().map(|(node, _)| node))
    }

    /// The addresses of container instances in EC2, by ARN.
    async fn addresses(
        &self,
        hosts: &BTreeSet<&String>,
        cluster: &str,
    ) -> Result<BTreeMap<String, IpAddr>> {
        let query = json!({"cluster": cluster, "containerInstances": hosts});
        let action = ("DescribeContainerInstances", "describe container instances");
        let request = self.request(action, cluster, &query);
        let hosts: Described<Host> = self.ecs.json(request, self.call).await?;
        // Those of ECS Anywhere, `mi-...`, aren't in EC2.
        let hosts = hosts.found.into_iter();
        let hosts = hosts.filter(|host| host.ec2_instance_id.starts_with("i-"));
        let arns: BTreeMap<String, String> = hosts
            .map(|host| (host.ec2_instance_id, host.container_instance_arn))
            .collect();
        if arns.is_empty() {
            return Ok(BTreeMap::new());
        }
        let operation = format!("list the container instances of `{cluster}`");
        let filter = [("instance-id".to_owned(), arns.keys().cloned().collect())];
        let address = |found: Ec2Instance| {
            let ip = found.private_ip_address?.parse().ok()?;
            Some((arns.get(&found.instance_id)?.clone(), ip))
        };
        let found = ec2::instances(&self.ec2, &operation, &filter, self.call, address).await?;
        Ok(found.into_iter().collect())
    }

    /// Every ARN of a list, page by page.
    async fn arns(&self, action: Action, place: &str, mut query: Value) -> Result<Vec<String>> {
        let first = self.request(action, place, &query);
        let pages = self.ecs.pages(first, self.call);
        let read = |page: ArnPage, pages: &mut Pages<'_>| {
            if let Some(token) = page.next_token.filter(|token| !token.is_empty()) {
                query["nextToken"] = json!(token);
                pages.follow_request(self.request(action, place, &query))?;
            }
            Ok(page.arns)
        };
        pages.collect(read).await
    }

    fn request(&self, (action, words): Action, place: &str, query: &Value) -> Request {
        let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
        json_request(&self.ecs, format!("{words} of `{place}`"), &target, query)
    }
}

/// The task as a node, and its container instance if only that one's address is missing. Like
/// go-discover it gives the first private address of its own interface.
fn node(task: Task, region: &str, selection: &Selection) -> (Node, Option<String>) {
    let name = last_part(&task.task_arn).to_owned();
    let (status, is_running) = match task.desired_status.as_str() {
        "RUNNING" => (task.last_status, true),
        _ => (task.desired_status, false),
    };
    let host = task.container_instance_arn;
    let mut found = Instance::new("task", task.task_arn, name)
        .with_attribute("region", region)
        .with_attribute("cluster", last_part(&task.cluster_arn))
        .with_attribute("task definition", last_part(&task.task_definition_arn))
        .with_attribute("launch type", task.launch_type)
        .with_attribute("availability zone", task.availability_zone)
        .with_attribute("container instance", last_part(&host))
        .with_tags(task.tags.into_iter().map(|tag| (tag.key, tag.value)));
    found.state = Some((status, is_running));
    let mut has_interface = false;
    for attachment in task.attachments {
        has_interface |= attachment.kind == "ElasticNetworkInterface";
        for detail in attachment.details {
            if detail.name == "privateIPv4Address" && found.addresses.is_empty() {
                found.add_address(
                    detail.value.as_deref().unwrap_or_default(),
                    AddressScope::Private,
                );
            }
        }
    }
    let node = selection.apply(found);
    let is_located = has_interface || host.is_empty() || node.excluded != [Exclusion::NoAddress];
    (node, (!is_located).then_some(host))
}

/// A task that has ended since it was listed: the only reason not to describe one.
fn ended(failure: Failure) -> Node {
    let name = last_part(&failure.arn).to_owned();
    let mut node = Node::new("task", failure.arn, name);
    node.excluded.push(Exclusion::Vanished);
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

/// What `DescribeTasks` or `DescribeContainerInstances` found.
#[derive(Deserialize)]
struct Described<T> {
    #[serde(rename = "tasks", alias = "containerInstances")]
    found: Vec<T>,
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    arn: String,
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

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Host {
    container_instance_arn: String,
    ec2_instance_id: String,
}
