//! Look-ups of addresses against a resolver that answers from a table.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::dns::{DnsError, DnsResolver, SrvRecord};
use cloud_autojoin_core::{Call, Context, Discovery, Env, Error};
use cloud_autojoin_dns::SPEC;
use cloud_autojoin_provider_kit::testing::readme;

#[derive(Debug)]
struct Zone;

#[async_trait]
impl DnsResolver for Zone {
    async fn srv(&self, name: &str, _: &Call) -> Result<Vec<SrvRecord>, DnsError> {
        Err(DnsError::NoSuchName(name.to_owned()))
    }

    async fn addresses(&self, name: &str, _: &Call) -> Result<Vec<IpAddr>, DnsError> {
        let ips = |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect());
        match name {
            "a.test." => ips(&["10.0.0.10", "10.0.0.9", "2001:db8::1"]),
            "b.test." => ips(&["10.0.0.9"]),
            "down.test." => Err(DnsError::Refused("SERVFAIL".into())),
            _ => Err(DnsError::NoSuchName(name.to_owned())),
        }
    }
}

async fn discover(join: &str) -> Result<Discovery, Error> {
    let context = Context::builder()
        .env(Env::empty())
        .dns(Arc::new(Zone))
        .build()
        .unwrap();
    let provider = SPEC.build(&join.parse().unwrap(), &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(9)))
        .await
}

async fn addresses(join: &str) -> Vec<String> {
    discover(join)
        .await
        .unwrap()
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn every_address_of_every_name_is_returned_once() {
    assert_eq!(
        addresses("provider=dns name=a.test.,b.test.").await,
        ["10.0.0.9", "10.0.0.10", "2001:db8::1"]
    );
}

#[tokio::test]
async fn a_port_goes_with_each_address_and_ipv6_stands_in_brackets() {
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
