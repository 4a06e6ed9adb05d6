#![doc = include_str!("../README.md")]

mod api;
mod keys;
mod provider;
mod select;
mod signature;

use cloud_autojoin_core::ProviderSpec;

pub use keys::KEYS;
pub use provider::TencentCloud;

/// Tencent Cloud as the registry knows it.
pub const SPEC: ProviderSpec = ProviderSpec::new(keys::NAME, "Tencent Cloud", KEYS, provider::build)
    .with_summary("finds CVM instances by tag and gives their private addresses")
    .with_notes(
        "Requests are signed with the access key of the join string or the environment, else with that \
         of the instance's CAM role. It needs the action `cvm:DescribeInstances`. A secret in a join \
         string can be seen by whoever lists processes: keep it in TENCENTCLOUD_SECRET_KEY or in a file \
         (`@FILE`).",
    )
    .with_role(provider::role)
    .with_go_discover(provider::compare_with_go_discover);
