#![doc = include_str!("../README.md")]

mod ec2;
mod ecs;
mod keys;
mod provider;
mod role;
mod select;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Aws;

/// AWS as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(provider::NAME, "Amazon Web Services", KEYS, provider::build)
    .with_summary("finds EC2 instances or ECS tasks by tag and gives their addresses")
    .with_notes(
        "The identity needs the permission `ec2:DescribeInstances`, or for ECS `ecs:ListClusters`, \
             `ecs:ListTasks` and `ecs:DescribeTasks`. Without keys in the join string \
             the credentials come from the environment, a web identity, the shared profile, the \
             container or the instance profile, in this order. Whoever lists processes sees keys in a \
             join string: keep them in the environment or in a file (`@FILE`).",
    )
    .with_role(role::role)
    .with_go_discover(role::compare_with_go_discover);
