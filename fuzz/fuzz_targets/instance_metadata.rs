//! Any bytes as what a machine in the cloud knows of itself: `self` in a join string.

#![no_main]

use cloud_autojoin_fuzz::{Kind, ask};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    ask("metadata_endpoint=http://127.0.0.1:1 subscription_id=self resource_group=self vm_scale_set=self", Kind::Instance, input);
});
