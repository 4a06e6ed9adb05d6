#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;
mod signature;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::Aliyun;

/// Alibaba Cloud as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Alibaba Cloud", KEYS, provider::build)
    .with_summary("finds ECS instances by tag and gives their private addresses")
    .with_notes(
        "Requests are signed with the access key of the join string or the environment, else with that \
         of the instance's RAM role. It needs the action `ecs:DescribeInstances`: without it the API \
         answers with an empty list. A secret in a join string can be seen by whoever lists processes: \
         keep it in ALIBABA_CLOUD_ACCESS_KEY_SECRET or in a file (`@FILE`).",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
