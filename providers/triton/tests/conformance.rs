//! Triton in the conformance suite.
//!
//! The responses are written after the API reference of CloudAPI at
//! github.com/TritonDataCenter/sdc-cloudapi, with ids and addresses replaced.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::ConfigString;
use cloud_autojoin_provider_kit::testing::{Conformance, Exchange, Harness, Paging, Refusal};
use cloud_autojoin_triton::SPEC;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};

cloud_autojoin_provider_kit::conformance!(triton);

const KEY_ID: &str = "ee:26:90:8b:f9:62:9e:eb:4b:37:da:c3:50:f4:75:4a";

/// A private key in a file, and its public key.
fn key() -> &'static (String, Vec<u8>) {
    static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref(), &random)
            .unwrap();
        let path = format!("{}/triton-key.pem", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(
            &path,
            format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                STANDARD.encode(der.as_ref())
            ),
        )
        .unwrap();
        (path, pair.public_key().as_ref().to_vec())
    })
}

fn machine(id: u32, state: &str, env: &Value, ips: &[&str]) -> Value {
    json!({
        "id": format!("75cfe125-a5ce-49e8-82ac-00000000000{id}"), "name": format!("machine-{id}"), "type": "smartmachine", "brand": "lx", "state": state,
        "image": "2b683a82-a066-11e3-97ab-2faa44701c5a", "ips": ips, "primaryIp": ips.first(), "memory": 256, "disk": 16384, "metadata": {},
        "tags": {"role": "consul", "env": env}, "created": "2026-02-12T12:43:55.000Z", "networks": [], "firewall_enabled": true, "package": "g1"
    })
}

fn list(machines: &[Value], offset: u32) -> Exchange {
    Exchange::get("/acme/machines", json!(machines).to_string())
        .with_query("tag.role", "consul")
        .with_query("tag.env", "1")
        .with_query("limit", "1000")
        .with_query("offset", &offset.to_string())
        .with_header("accept-version", "~8")
}

fn join(more: &str) -> &'static str {
    let text = format!(
        "provider=triton account=acme url=ENDPOINT key_id={KEY_ID} key_file={} tag_key=role tag_value=consul tag.env=1 {more}",
        key().0
    );
    Box::leak(text.into_boxed_str())
}

fn triton() -> Conformance {
    let machines = [
        machine(1, "running", &json!(1), &["203.0.113.1", "192.168.128.9"]),
        machine(2, "stopped", &json!("1"), &["192.168.128.8"]),
        machine(3, "running", &json!(true), &["192.168.128.3"]),
        machine(4, "provisioning", &json!(1), &[]),
    ];
    Conformance {
        spec: SPEC,
        readme: include_str!("../README.md"),
        join: join(""),
        env: &[],
        exchanges: vec![list(&machines, 0)],
        paging: Paging::None,
        addresses: &["192.168.128.8", "203.0.113.1"],
        excluded: &[
            ("machine-3", "tag `env` is `true`, not `1`"),
            ("machine-4", "no private address yet"),
        ],
        nothing: vec![list(&[], 0)],
        throttled: (
            Refusal::new(
                429,
                r#"{"code":"RequestThrottled","message":"too many requests"}"#,
            )
            .with_header("retry-after", "8"),
            Duration::from_secs(7),
        ),
        unauthorized: Refusal::new(
            401,
            r#"{"code":"InvalidCredentials","message":"The credentials provided are invalid"}"#,
        ),
        denied: Some((
            Refusal::new(
                403,
                r#"{"code":"NotAuthorized","message":"You do not have permission to access /acme/machines"}"#,
            ),
            "listmachines",
        )),
    }
}

#[tokio::test]
async fn a_request_is_signed_over_its_date_with_the_key_of_the_file() {
    let harness = Harness::serving(triton()).await;
    harness.discover().await.discovery();
    let request = &harness.requested().await[0];
    let header = |name: &str| {
        request
            .headers
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let authorization = header("authorization");
    let beginning = format!(
        "Signature keyId=\"/acme/keys/{KEY_ID}\",algorithm=\"ecdsa-sha256\",headers=\"date\",signature=\""
    );
    let signature = authorization
        .strip_prefix(&beginning)
        .unwrap()
        .trim_end_matches('"');
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key().1);
    let signed = format!("date: {}", header("date"));
    assert!(
        key.verify(signed.as_bytes(), &STANDARD.decode(signature).unwrap())
            .is_ok(),
        "{authorization}"
    );
}

#[tokio::test]
async fn a_full_page_is_followed_by_the_next() {
    let full: Vec<Value> = (0..1000)
        .map(|_| machine(1, "running", &json!(1), &["203.0.113.1"]))
        .collect();
    let exchanges = vec![
        list(&full, 0),
        list(&full, 1000),
        list(&[machine(2, "running", &json!(1), &["203.0.113.2"])], 2000),
    ];
    let outcome = Harness::serving(Conformance {
        exchanges,
        ..triton()
    })
    .await
    .discover()
    .await;
    assert_eq!(
        (outcome.addresses(), outcome.discovery().examined()),
        (
            vec!["203.0.113.1".to_owned(), "203.0.113.2".to_owned()],
            2001
        )
    );
}

#[tokio::test]
async fn addresses_and_states_can_be_chosen() {
    for (more, expected) in [
        (
            "address_type=private_v4",
            ["192.168.128.8", "192.168.128.9"].as_slice(),
        ),
        ("address_type=public_v4", &["203.0.113.1"]),
        (
            "address_type=private power_state=running",
            &["192.168.128.9"],
        ),
    ] {
        let outcome = Harness::serving(Conformance {
            join: join(more),
            ..triton()
        })
        .await
        .discover()
        .await;
        assert_eq!(outcome.addresses(), expected, "{more}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_a_credential_error_with_a_hint() {
    let openssh = format!("{}/triton-openssh.pem", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(
        &openssh,
        "-----BEGIN OPENSSH PRIVATE KEY-----\nYWJj\n-----END OPENSSH PRIVATE KEY-----\n",
    )
    .unwrap();
    for (key, expected) in [
        (format!("key_file={openssh}"), "ssh-keygen -p -m pkcs8"),
        (
            "key_file=/no/such/file".to_owned(),
            "the credential `key file` failed",
        ),
        (String::new(), "SSH agent: `SSH_AUTH_SOCK` isn't set"),
    ] {
        let text = format!(
            "provider=triton account=acme url=ENDPOINT key_id={KEY_ID} tag_key=role tag_value=consul {key}"
        );
        let outcome = Harness::serving(Conformance {
            join: Box::leak(text.into_boxed_str()),
            ..triton()
        })
        .await
        .discover()
        .await;
        let error = outcome.error();
        assert!(
            error.chain().contains(expected) && error.hint().is_some(),
            "{}",
            error.chain()
        );
        assert_eq!(outcome.requests, 0);
    }
}

#[tokio::test]
async fn a_key_of_p_384_is_refused_before_a_request() {
    let kind = &ring::signature::ECDSA_P384_SHA384_ASN1_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(kind, &SystemRandom::new()).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let path = format!("{}/triton-p384.pem", env!("CARGO_TARGET_TMPDIR"));
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&path, pem).unwrap();
    let join = join("").replace(&key().0, &path);
    let outcome = Harness::serving(Conformance {
        join: Box::leak(join.into_boxed_str()),
        ..triton()
    })
    .await
    .discover()
    .await;
    let error = outcome.error();
    assert!(error.chain().contains("P-384"), "{}", error.chain());
    assert!(error.hint().unwrap().contains("RSA"));
    assert_eq!(outcome.requests, 0);
}

#[tokio::test]
async fn what_is_no_account_and_no_fingerprint_is_a_problem() {
    let context = Harness::start(triton()).await.context();
    let sha = format!("SHA256:{}", STANDARD.encode([7; 32]));
    let build = |account: &str, key_id: &str, key_file: &str| {
        let config = ConfigString::new()
            .with("provider", "triton")
            .with("url", "https://a.example")
            .with("tag.role", "consul");
        let config = config
            .with("account", account)
            .with("key_id", key_id)
            .with("key_file", key_file);
        SPEC.build(&config, &context)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(build("acme", &sha, ""), "");
    assert!(build("acme", &sha, "/k.pem").contains("must be an MD5 fingerprint"));
    assert!(
        build("a\"b", "zz", "").contains("isn't the name of an account")
            && build("a\"b", "zz", "").contains("isn't the fingerprint")
    );
}

#[tokio::test]
async fn a_server_that_is_not_verified_is_a_finding() {
    let findings = async |env| {
        let harness = Harness::serving(Conformance { env, ..triton() }).await;
        let outcome = harness.discover().await;
        let findings = outcome.discovery().findings().iter();
        findings
            .map(|finding| finding.message.clone())
            .collect::<Vec<_>>()
    };
    assert!(findings(&[]).await.is_empty());
    assert_eq!(
        findings(&[("SDC_SKIP_TLS_VERIFY", "1")]).await,
        ["the certificate of CloudAPI isn't verified (`SDC_SKIP_TLS_VERIFY`)"]
    );
}
