//! The IAM policy of a join string, and what go-discover would do with it.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use cloud_autojoin_provider_kit::go_discover::{Absent, Always, Given, Several, differences};
use cloud_autojoin_provider_kit::keys;
use serde_json::json;

use crate::keys::{ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, INTERFACES, REGION, SERVICE, TAG_KEY};

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
        (Absent(&REGION), "queries the instance metadata only"),
        (Several(&REGION), "looks in one region"),
        (Absent(&TAG_KEY), "sends an empty `tag_key`"),
        (Given(&keys::TAG), "ignores `tag.NAME`"),
        (Given(&ADDRESS_TYPE), "has three types of `addr_type`"),
        (Given(&INTERFACES), "ignores `interfaces`"),
    ];
    if is_ecs(config) {
        table.extend([
            (Several(&ECS_CLUSTER), "looks in one cluster"),
            (Several(&ECS_FAMILY), "looks for one family"),
            (Always, "skips tasks in the modes `bridge` and `host`"),
        ]);
    }
    if config.iter().any(|(_, value)| value == "self") {
        table.push((Always, "takes `self` as it is"));
    }
    differences(config, &table)
}
