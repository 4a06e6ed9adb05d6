//! Any bytes as any answer of Azure Resource Manager: no panic, no address twice, no secret in an
//! error, and an end.
//!
//! The first byte chooses what is asked for and which request gets the bytes;
//! `cloud_autojoin_fuzz::ask` has the rest.

#![no_main]

use std::sync::LazyLock;

use cloud_autojoin_core::ConfigString;
use cloud_autojoin_fuzz::{Kind, application, run_query, config};
use libfuzzer_sys::fuzz_target;

const TAGS: &str = "tag_name=a tag_value=b";
const SET: &str = "resource_group=g vm_scale_set=s";

const CASES: [(&str, &str, Kind); 14] = [
    (TAGS, "", Kind::Interfaces),
    (SET, "", Kind::UniformInterfaces),
    (SET, "", Kind::Instances),
    (SET, "", Kind::ScaleSets),
    (SET, "", Kind::Machines),
    (SET, "", Kind::Interfaces),
    (SET, "orchestration_mode=uniform", Kind::UniformInterfaces),
    (SET, "orchestration_mode=flexible power_state=running", Kind::Machines),
    (SET, "address_type=public_v4", Kind::PublicAddresses),
    (SET, "address_type=public_v4 orchestration_mode=uniform", Kind::PublicAddresses),
    (TAGS, "lookup=index", Kind::Index),
    (TAGS, "lookup=index", Kind::Interfaces),
    (TAGS, "tag_on=nic,vm,scale_set", Kind::Machines),
    (TAGS, "tag_on=scale_set", Kind::ScaleSets),
];

static CONFIGS: LazyLock<Vec<ConfigString>> =
    LazyLock::new(|| CASES.iter().map(|(selection, more, _)| config(&format!("{} {selection} {more}", application()))).collect());

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let case = usize::from(*first) % CASES.len();
    run_query(&CONFIGS[case], CASES[case].2, rest);
});
