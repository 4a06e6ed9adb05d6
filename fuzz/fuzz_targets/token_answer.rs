//! Any bytes as any answer that should hold a token, or the challenge before one: Microsoft Entra ID, instance metadata.

#![no_main]

use cloud_autojoin_fuzz::{Kind, application, ask};
use libfuzzer_sys::fuzz_target;

const IDENTITY: &str = "subscription_id=22222222-2222-4222-8222-222222222222 metadata_endpoint=http://127.0.0.1:1";

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let (keys, kind) = match first % 3 {
        0 => (application(), Kind::Token),
        1 => (IDENTITY.to_owned(), Kind::MetadataToken),
        _ => (format!("{IDENTITY} client_id=33333333-3333-4333-8333-333333333333"), Kind::MetadataToken),
    };
    ask(&format!("{keys} tag_name=a tag_value=b"), kind, rest);
});
