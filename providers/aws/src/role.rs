//! The IAM policy of a join string, and what go-discover would do with it.

use cloud_autojoin_core::{ConfigString, Context, Result, RoleDocument, RoleFormat};
use serde_json::json;

use crate::keys::{
    ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, INTERFACES, REGION, SERVICE, TAG, TAG_KEY,
};

/// The policy that allows this and nothing else.
pub(crate) fn role(config: &ConfigString, _: &Context, format: RoleFormat) -> Result<RoleDocument> {
    let mut statement = json!({"Sid": "CloudAutojoin", "Effect": "Allow", "Action": actions(config), "Resource": "*"});
    let regions = config.get(REGION.name).unwrap_or_default();
    let regions: Vec<&str> = regions
        .split(',')
        .map(str::trim)
        .filter(|region| !region.is_empty())
        .collect();
    if !regions.is_empty() && !regions.contains(&"self") {
        statement["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": regions}});
    }
    let policy = format!(
        "{:#}",
        json!({"Version": "2012-10-17", "Statement": [statement]})
    );
    let text = match format {
        RoleFormat::Terraform => {
            format!(
                "resource \"aws_iam_policy\" \"cloud_autojoin\" {{\n  name   = \"cloud-autojoin\"\n  policy = <<-JSON\n{policy}\n  JSON\n}}\n"
            )
        }
        _ => format!("{policy}\n"),
    };
    Ok(RoleDocument::new(text)
        .with_note("these actions can't be limited to single resources, so `Resource` is `*`"))
}

/// Clusters that are named need not be listed.
fn actions(config: &ConfigString) -> Vec<&'static str> {
    let has_cluster = config
        .get(ECS_CLUSTER.name)
        .is_some_and(|clusters| !clusters.is_empty());
    match (is_ecs(config), has_cluster) {
        (false, _) => vec!["ec2:DescribeInstances"],
        (true, false) => vec!["ecs:ListClusters", "ecs:ListTasks", "ecs:DescribeTasks"],
        (true, true) => vec!["ecs:ListTasks", "ecs:DescribeTasks"],
    }
}

fn is_ecs(config: &ConfigString) -> bool {
    config
        .get(SERVICE.name)
        .is_some_and(|service| service.eq_ignore_ascii_case("ecs"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let has = |key: &str| config.get(key).is_some_and(|value| !value.is_empty());
    let mut differences = Vec::new();
    if !has(REGION.name) {
        differences.push("takes the region from the metadata of the machine only, not from AWS_REGION or the shared profile".to_owned());
    } else if config
        .get(REGION.name)
        .is_some_and(|regions| regions.contains(','))
    {
        differences.push("looks in one region".to_owned());
    }
    if is_ecs(config)
        && [ECS_CLUSTER.name, ECS_FAMILY.name]
            .iter()
            .any(|key| config.get(key).is_some_and(|value| value.contains(',')))
    {
        differences.push("takes `ecs_cluster` and `ecs_family` as one name each".to_owned());
    }
    if !has(TAG_KEY.name) {
        differences.push("knows `tag_key` only, and sends an empty one".to_owned());
    } else if config.iter().any(|(key, _)| TAG.matches(key)) {
        differences.push("ignores `tag.NAME`".to_owned());
    }
    if has(ADDRESS_TYPE.name) || has(INTERFACES.name) {
        differences.push(
            "knows `addr_type` (private_v4, public_v4, public_v6) and no `interfaces`".to_owned(),
        );
    }
    differences
}
