//! The IAM policy of a join string, and what go-discover would do with it.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use serde_json::json;

use crate::keys::{
    ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, INTERFACES, REGION, SERVICE, TAG, TAG_KEY,
};

/// The policy that allows this and nothing else.
pub(crate) fn role(config: &ConfigString, _: &Context, format: RoleFormat) -> Result<RoleDocument> {
    let mut actions = vec!["ec2:DescribeInstances"];
    if is_ecs(config) {
        actions.extend([
            "ecs:DescribeContainerInstances",
            "ecs:DescribeTasks",
            "ecs:ListTasks",
        ]);
        // Clusters that are named need not be listed.
        if config.get(ECS_CLUSTER.name).unwrap_or_default().is_empty() {
            actions.push("ecs:ListClusters");
        }
    }
    let mut statement =
        json!({"Sid": "CloudAutojoin", "Effect": "Allow", "Action": actions, "Resource": "*"});
    let regions = config.get(REGION.name).unwrap_or_default().split(',');
    let regions: Vec<&str> = regions
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if !regions.is_empty() && !regions.contains(&"self") {
        statement["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": regions}});
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    let text = match format {
        RoleFormat::Terraform => format!(
            "resource \"aws_iam_policy\" \"cloud_autojoin\" {{\n  name   = \"cloud-autojoin\"\n  policy = <<-JSON\n{policy:#}\n  JSON\n}}\n"
        ),
        _ => format!("{policy:#}\n"),
    };
    let mut role = RoleDocument::new(text)
        .with_note("these actions can't be limited to single resources, so `Resource` is `*`");
    if is_ecs(config) {
        role = role.with_note("without tasks of the network modes `bridge` and `host`, `ec2:DescribeInstances` and `ecs:DescribeContainerInstances` aren't needed");
    }
    Ok(role)
}

fn is_ecs(config: &ConfigString) -> bool {
    let service = config.get(SERVICE.name);
    service.is_some_and(|service| service.eq_ignore_ascii_case("ecs"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut table = vec![
        (
            When::Absent(&REGION),
            "takes the region from the metadata of the machine only, not from AWS_REGION or the shared profile",
        ),
        (When::Several(&REGION), "looks in one region"),
        (
            When::Absent(&TAG_KEY),
            "knows `tag_key` only, and sends an empty one",
        ),
        (
            When::Given(&ADDRESS_TYPE),
            "knows the address types private_v4, public_v4 and public_v6",
        ),
        (When::Given(&INTERFACES), "knows no `interfaces`"),
    ];
    if is_ecs(config) {
        let names = "takes `ecs_cluster` and `ecs_family` as one name each";
        table.extend([
            (When::Several(&ECS_CLUSTER), names),
            (When::Several(&ECS_FAMILY), names),
            (
                When::Always,
                "gives no addresses of tasks with the network modes `bridge` and `host`",
            ),
        ]);
    }
    if config.iter().any(|(_, value)| value == "self") {
        table.push((When::Always, "takes `self` as it is"));
    }
    if config.iter().any(|(key, _)| TAG.matches(key)) {
        table.push((When::Given(&TAG_KEY), "ignores `tag.NAME`"));
    }
    differences(config, &table)
}
