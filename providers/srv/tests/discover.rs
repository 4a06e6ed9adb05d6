//! SRV look-ups against a resolver that answers from a table.

#![allow(clippy::unwrap_used, reason = "tests")]

use cloud_autojoin_core::{Discovery, Error};
use cloud_autojoin_provider_kit::testing::{Zone, readme};
use cloud_autojoin_srv::SPEC;

fn zone() -> Zone {
    let consul = [
        (20, 0, 8301, "c.test."),
        (10, 5, 8301, "b.test."),
        (10, 5, 8301, "a.test."),
        (10, 5, 8301, "a.test."),
    ];
    Zone::default()
        .with_services("_consul._tcp.test.", &consul)
        .with_services("_none._tcp.test.", &[(0, 0, 0, ".")])
        .with_services(
            "_serf._udp.test.",
            &[(0, 0, 7946, "gone.test."), (0, 0, 7946, "a.test.")],
        )
        .with_services("_down._tcp.test.", &[])
        .with_addresses("a.test.", &["10.0.0.1", "2001:db8::1"])
        .with_addresses("b.test.", &["10.0.0.2"])
        .with_addresses("c.test.", &["10.0.0.2"])
}

async fn discover(join: &str) -> Result<Discovery, Error> {
    zone().discover(&SPEC, join).await
}

async fn addresses(join: &str) -> Vec<String> {
    zone().addresses_of(&SPEC, join).await
}

#[tokio::test]
async fn every_record_gives_its_name_and_port_once() {
    let expected = ["a.test.:8301", "b.test.:8301", "c.test.:8301"];
    assert_eq!(
        addresses("provider=srv service=consul domain=test.").await,
        expected
    );
    assert_eq!(
        addresses("provider=srv service=_consul proto=_tcp domain=test.").await,
        expected
    );
}

#[tokio::test]
async fn resolved_records_give_addresses_with_ports_and_ipv6_in_brackets() {
    let found = addresses("provider=srv service=consul domain=test. resolve=true").await;
    assert_eq!(
        found,
        ["10.0.0.1:8301", "10.0.0.2:8301", "[2001:db8::1]:8301"]
    );
}

#[tokio::test]
async fn a_target_without_addresses_is_excluded_with_the_reason() {
    let found = discover("provider=srv service=serf proto=udp domain=test. resolve=1")
        .await
        .unwrap();
    assert_eq!((found.matched(), found.examined()), (1, 2));
    let reasons: Vec<String> = found
        .nodes()
        .iter()
        .flat_map(|node| &node.excluded)
        .map(ToString::to_string)
        .collect();
    assert_eq!(reasons, ["the name `gone.test.` doesn't exist"]);
}

#[tokio::test]
async fn a_service_that_is_not_available_is_nothing_found() {
    let found = discover("provider=srv service=none domain=test.")
        .await
        .unwrap();
    let error = found.require_addresses().unwrap_err();
    assert!(matches!(error, Error::NothingMatched(_)), "{error:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_nothing_found_with_what_to_check() {
    let error = discover("provider=srv service=x domain=test.")
        .await
        .unwrap()
        .require_addresses()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the name `_x._tcp.test.` doesn't exist"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`domain`"));
}

#[tokio::test]
async fn a_name_server_that_fails_is_a_transient_error() {
    let error = discover("provider=srv service=down domain=test.")
        .await
        .unwrap_err();
    assert!(
        error.is_transient() && error.chain().contains("SERVFAIL"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn both_required_keys_are_reported_together() {
    let error = discover("provider=srv resolve=maybe")
        .await
        .unwrap_err()
        .to_string();
    for key in ["`service`", "`domain`", "`resolve`"] {
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn the_readme_has_the_key_table() {
    readme::assert_current(&SPEC, include_str!("../README.md"));
}
