//! Any bytes as what a machine in the cloud knows of itself: `self` in a join string.

#![no_main]

use std::sync::LazyLock;

use cloud_autojoin_core::ConfigString;
use cloud_autojoin_fuzz::{Kind, run_query, config};
use libfuzzer_sys::fuzz_target;

static CONFIG: LazyLock<ConfigString> =
    LazyLock::new(|| config("metadata_endpoint=http://127.0.0.1:1 subscription_id=self resource_group=self vm_scale_set=self"));

fuzz_target!(|input: &[u8]| {
    run_query(&CONFIG, Kind::Instance, input);
});
