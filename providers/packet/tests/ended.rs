//! What a join string for a service that ended gives.

#![allow(clippy::unwrap_used, reason = "tests")]

use cloud_autojoin_core::config::key;
use cloud_autojoin_core::{ConfigString, Context, Env, Error};
use cloud_autojoin_packet::{KEYS, SPEC};
use cloud_autojoin_provider_kit::testing::readme;

#[test]
fn the_readme_has_the_key_table() {
    readme::assert_current(&SPEC, include_str!("../README.md"));
}

#[test]
fn a_join_string_is_refused_with_the_date_and_alternatives_and_without_its_token() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    for text in [
        "provider=packet",
        "provider=packet auth_token=c4n4ry project=p url=https://x.example facility=ewr1,ams1 tag=a,b address_type=public_v6",
    ] {
        let config: ConfigString = text.parse().unwrap();
        let error = SPEC.build(&config, &context).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error:?}");
        let (message, hint) = (
            error.to_string(),
            error.hint().unwrap_or_default().into_owned(),
        );
        assert!(message.contains("ended on 2026-06-30"), "{message}");
        assert!(
            hint.contains("provider=dns") && hint.contains("provider=exec"),
            "{hint}"
        );
        assert!(!format!("{error:?}{message}{hint}").contains("c4n4ry"));
    }
}

#[test]
fn every_key_of_go_discover_is_known() {
    for name in [
        "auth_token",
        "project",
        "url",
        "address_type",
        "facility",
        "tag",
    ] {
        assert!(key::find(KEYS, name).is_some(), "{name}");
    }
}
