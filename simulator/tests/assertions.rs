//! What replaces a secret: statements signed with a certificate, and tokens of other issuers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_autojoin_simulator::azure::Simulator;
use ring::digest;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use support::*;

const APPLICATION: &str = include_str!("fixtures/application.pem");
const STRANGER: &str = include_str!("fixtures/stranger.pem");
const FAR: u64 = 4_000_000_000;

fn statement(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

fn signed(key: &str, scheme: SignatureScheme, statement: &str) -> String {
    let key = rustls::crypto::ring::sign::any_supported_type(
        &PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    )
    .unwrap();
    let signature = key
        .choose_scheme(&[scheme])
        .unwrap()
        .sign(statement.as_bytes())
        .unwrap();
    format!("{statement}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Entra's error number for this proof; 0 if it is accepted.
async fn verdict(simulator: &Simulator, proof: &str) -> u64 {
    let fields = [
        ("client_assertion", proof),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    ];
    let response = request_token(
        &client(simulator),
        &simulator.authority_host(),
        TENANT,
        &fields,
    )
    .await;
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    let number = body["error_codes"][0].as_u64().unwrap_or(0);
    assert_eq!(
        number == 0,
        status == 200 && body["access_token"].is_string(),
        "{body}"
    );
    number
}

#[tokio::test]
async fn a_statement_is_taken_when_the_known_certificate_signed_it() {
    let simulator = start().await;
    simulator
        .with_world(|world| world.principals_mut()[0].certificate = Some(APPLICATION.to_owned()));
    let certificate = CertificateDer::from_pem_slice(APPLICATION.as_bytes()).unwrap();
    let print = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &certificate));
    let (sha1, sha256) = (
        print(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        print(&digest::SHA256),
    );
    let (new, old) = (
        json!({ "alg": "PS256", "x5t#S256": sha256 }),
        json!({ "alg": "RS256", "x5t": sha1 }),
    );
    let (pss, pkcs1) = (
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PKCS1_SHA256,
    );
    let audience = format!("{}/{TENANT}/oauth2/v2.0/token", simulator.authority_host());
    let claims = json!({ "iss": CLIENT, "sub": CLIENT, "aud": audience, "exp": FAR });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    for (proof, number) in [
        (signed(APPLICATION, pss, &statement(&new, &claims)), 0),
        (signed(APPLICATION, pkcs1, &statement(&old, &claims)), 0),
        (
            signed(
                APPLICATION,
                pss,
                &statement(&new, &with("exp", json!(4_000_000_000.5))),
            ),
            0,
        ),
        (signed(STRANGER, pss, &statement(&new, &claims)), 700_027),
        (
            signed(APPLICATION, pkcs1, &statement(&new, &claims)),
            700_027,
        ),
        (
            signed(
                APPLICATION,
                pss,
                &statement(&json!({ "alg": "PS256", "x5t#S256": "AAAA" }), &claims),
            ),
            700_027,
        ),
        (
            signed(
                APPLICATION,
                pss,
                &statement(&json!({ "alg": "none", "x5t#S256": sha256 }), &claims),
            ),
            700_027,
        ),
        (
            signed(
                APPLICATION,
                pss,
                &statement(
                    &new,
                    &with("aud", json!("https://login.microsoftonline.com/other")),
                ),
            ),
            700_023,
        ),
        (
            signed(
                APPLICATION,
                pss,
                &statement(&new, &with("sub", json!("someone"))),
            ),
            700_021,
        ),
        (
            signed(APPLICATION, pss, &statement(&new, &with("exp", json!(1)))),
            700_024,
        ),
    ] {
        assert_eq!(verdict(&simulator, &proof).await, number, "{proof}");
    }
    simulator.with_world(|world| world.principals_mut()[0].certificate = None);
    assert_eq!(
        verdict(
            &simulator,
            &signed(APPLICATION, pss, &statement(&new, &claims))
        )
        .await,
        700_027
    );
}

#[tokio::test]
async fn a_token_of_another_issuer_is_taken_by_its_subject_and_audience() {
    let simulator = start().await;
    let subject = "system:serviceaccount:nomad:server";
    let issued = |subject: &str, audience: Value, expiry: u64| {
        let claims = json!({ "iss": "https://oidc.example/", "sub": subject, "aud": audience, "exp": expiry });
        format!(
            "{}.c2lnbmF0dXJl",
            statement(&json!({ "alg": "RS256" }), &claims)
        )
    };
    let exchange = || json!("api://AzureADTokenExchange");
    for (proof, number) in [
        (issued(subject, exchange(), FAR), 0),
        (issued(subject, json!([exchange()]), FAR), 0),
        (
            issued("system:serviceaccount:nomad:other", exchange(), FAR),
            700_213,
        ),
        (issued(subject, json!("sts.amazonaws.com"), FAR), 700_212),
        (issued(subject, exchange(), 1), 700_024),
        ("no-jwt".to_owned(), 50_027),
    ] {
        assert_eq!(verdict(&simulator, &proof).await, number, "{proof}");
    }
}
