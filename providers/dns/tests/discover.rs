//! Look-ups of addresses against a resolver that answers from a table.

#![allow(clippy::unwrap_used, reason = "tests")]

use cloud_autojoin_core::{Discovery, Error};
use cloud_autojoin_dns::SPEC;
use cloud_autojoin_provider_kit::testing::{Zone, readme};

fn zone() -> Zone {
    Zone::default()
        .with_addresses("a.test.", &["10.0.0.10", "10.0.0.9", "2001:db8::1"])
        .with_addresses("b.test.", &["10.0.0.9"])
        .with_addresses("down.test.", &[])
}

async fn discover(join: &str) -> Result<Discovery, Error> {
    zone().discover(&SPEC, join).await
}

async fn addresses(join: &str) -> Vec<String> {
    zone().addresses_of(&SPEC, join).await
}

#[tokio::test]
async fn every_address_of_every_name_is_returned_once() {
    assert_eq!(
        addresses("provider=dns name=a.test.,b.test.").await,
        ["10.0.0.9", "10.0.0.10", "2001:db8::1"]
    );
}

#[tokio::test]
async fn a_port_goes_with_each_address_and_ipv6_is_in_brackets() {
    assert_eq!(
        addresses("provider=dns name=a.test. port=8300").await,
        ["10.0.0.9:8300", "10.0.0.10:8300", "[2001:db8::1]:8300"]
    );
}

#[tokio::test]
async fn one_family_excludes_the_other_with_the_reason() {
    assert_eq!(
        addresses("provider=dns name=a.test. family=v6").await,
        ["2001:db8::1"]
    );
    let found = discover("provider=dns name=b.test. family=v6")
        .await
        .unwrap();
    assert_eq!(
        found.nodes()[0].excluded[0].to_string(),
        "10.0.0.9 is not IPv6"
    );
    assert!(matches!(
        found.require_addresses().unwrap_err(),
        Error::NothingMatched(_)
    ));
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_excluded_and_said() {
    let found = discover("provider=dns name=b.test.,gone.test.")
        .await
        .unwrap();
    assert_eq!((found.matched(), found.examined()), (1, 2));
    assert_eq!(
        found.findings()[0].message,
        "the name `gone.test.` doesn't exist"
    );
    let error = discover("provider=dns name=gone.test.")
        .await
        .unwrap()
        .require_addresses()
        .unwrap_err();
    assert!(error.hint().unwrap().contains("`name`"));
}

#[tokio::test]
async fn a_name_server_that_fails_is_a_transient_error_of_the_whole() {
    let error = discover("provider=dns name=b.test.,down.test.")
        .await
        .unwrap_err();
    assert!(
        error.is_transient() && error.chain().contains("SERVFAIL"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn problems_are_reported_together() {
    let error = discover("provider=dns family=v5 port=0")
        .await
        .unwrap_err()
        .to_string();
    for key in ["`name`", "`family`", "`port`"] {
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn the_readme_has_the_key_table() {
    readme::assert_current(&SPEC, include_str!("../README.md"));
}
