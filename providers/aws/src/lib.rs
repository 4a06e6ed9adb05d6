#![doc = include_str!("../README.md")]

mod ec2;
mod ecs;
mod keys;
mod provider;
mod role;
mod select;

use cloud_autojoin_core::ProviderSpec;
use cloud_autojoin_provider_kit::auth::aws::SECRET_VARIABLES;

pub use keys::KEYS;
pub use provider::Aws;

/// AWS as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Amazon Web Services", KEYS, provider::build)
    .with_summary("finds EC2 instances or ECS tasks by tag and gives their addresses")
    .with_notes(
        "The identity needs `ec2:DescribeInstances`; for ECS also `ecs:ListClusters`, `ecs:ListTasks`, \
             `ecs:DescribeTasks` and, in the network modes `bridge` and `host`, \
             `ecs:DescribeContainerInstances`. Without keys in the join string the credentials come from \
             the environment, a web identity, the shared profile, the container or the instance profile. \
             Whoever lists processes sees a join string: keep keys in the environment or a file (`@FILE`).",
    )
    .with_role(role::role)
    .with_secret_env(SECRET_VARIABLES)
    .with_go_discover(role::compare_with_go_discover);
