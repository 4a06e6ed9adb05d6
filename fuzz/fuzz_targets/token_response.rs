//! Any bytes as any answer that should hold a token, or the challenge before one: Microsoft Entra
//! ID, instance metadata.

#![no_main]

use std::sync::LazyLock;

use cloud_autojoin_core::ConfigString;
use cloud_autojoin_fuzz::{Kind, application, run_query, config};
use libfuzzer_sys::fuzz_target;

const IDENTITY: &str = "subscription_id=22222222-2222-4222-8222-222222222222 metadata_endpoint=http://127.0.0.1:1";

static CASES: LazyLock<[(ConfigString, Kind); 3]> = LazyLock::new(|| {
    [
        (application(), Kind::Token),
        (IDENTITY.to_owned(), Kind::MetadataToken),
        (format!("{IDENTITY} client_id=33333333-3333-4333-8333-333333333333"), Kind::MetadataToken),
    ]
    .map(|(keys, kind)| (config(&format!("{keys} tag_name=a tag_value=b")), kind))
});

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let (config, kind) = &CASES[usize::from(*first) % CASES.len()];
    run_query(config, *kind, rest);
});
