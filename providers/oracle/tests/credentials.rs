//! Signatures, profiles, instance principals and compartments.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Discovery, Env, Error, RoleFormat};
use cloud_autojoin_oracle::SPEC;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KEY: &str = include_str!("fixtures/key.pem");
const INSTANCE_KEY: &str = include_str!("fixtures/instance.key.pem");
const CERTIFICATE: &str = include_str!("fixtures/instance.cert.pem");

fn section(pem: &str) -> String {
    let lines = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"));
    lines.filter(|line| !line.starts_with('-')).collect()
}

fn public_key(pem: &str) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(section(pem)).unwrap()).unwrap();
    pair.public().as_ref().to_vec()
}

/// The key id of a request whose signature by `public` holds for its headers and body.
fn verified(request: &Request, public: &[u8]) -> String {
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
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!(
        (field("version").as_str(), field("algorithm").as_str()),
        ("1", "rsa-sha256")
    );
    let line = |name: &str| match name {
        "(request-target)" => {
            let query = request
                .url
                .query()
                .map_or_else(String::new, |query| format!("?{query}"));
            let method = request.method.as_str().to_lowercase();
            format!("(request-target): {method} {}{query}", request.url.path())
        }
        name => format!("{name}: {}", header(name)),
    };
    let names = field("headers");
    let text: Vec<String> = names.split(' ').map(line).collect();
    if !request.body.is_empty() {
        assert!(
            names.ends_with("content-length content-type x-content-sha256"),
            "{names}"
        );
        let digest = ring::digest::digest(&ring::digest::SHA256, &request.body);
        assert_eq!(header("x-content-sha256"), STANDARD.encode(digest));
    }
    let signature = STANDARD.decode(field("signature")).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(text.join("\n").as_bytes(), &signature)
        .expect("the signature holds");
    field("keyId")
}

async fn reply(server: &MockServer, at: &str, value: Value) {
    let response = ResponseTemplate::new(200).set_body_json(value);
    Mock::given(path(at))
        .respond_with(response)
        .mount(server)
        .await;
}

/// One compartment after another with one instance each, whose address is the number at its end.
async fn compartments(server: &MockServer, names: &[(&str, &str)]) {
    for (compartment, ip) in names {
        for (at, value) in [
            (
                "instances",
                json!([{"id": ip, "lifecycleState": "RUNNING", "freeformTags": {"role": "db"}}]),
            ),
            (
                "vnicAttachments",
                json!([{"instanceId": ip, "vnicId": ip, "lifecycleState": "ATTACHED"}]),
            ),
        ] {
            Mock::given(path(format!("/20160918/{at}")))
                .and(query_param("compartmentId", *compartment))
                .respond_with(ResponseTemplate::new(200).set_body_json(value))
                .mount(server)
                .await;
        }
        reply(
            server,
            &format!("/20160918/vnics/{ip}"),
            json!({"id": "ocid1.vnic", "privateIp": ip}),
        )
        .await;
    }
}

async fn discover(join: &str, env: &[(&str, &str)]) -> Result<Discovery, Error> {
    let env: Env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let context = Context::builder()
        .env(env)
        .clock(Clock::auto_advancing())
        .build()
        .unwrap();
    let config = ConfigString::parse(&format!("provider=oracle tag.role=db {join}")).unwrap();
    let provider = SPEC.build(&config, &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)))
        .await
}

fn addresses(discovery: &Discovery) -> Vec<String> {
    discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn message(error: &Error) -> String {
    let text = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
    assert!(!text.contains("c4n4ry"), "{text}");
    text
}

/// A token whose end is in the far future.
fn token() -> String {
    format!(
        "c4n4ry.{}.s",
        URL_SAFE_NO_PAD.encode(r#"{"exp":4102444800}"#)
    )
}

#[tokio::test]
async fn requests_are_signed_with_the_api_key_of_the_profile() {
    let server = MockServer::start().await;
    compartments(&server, &[("T", "10.0.0.1")]).await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    std::fs::create_dir(folder.path().join(".oci")).unwrap();
    std::fs::write(folder.path().join("key.pem"), KEY).unwrap();
    let profile = "[DEFAULT]\ntenancy=T\nuser=U\nfingerprint=F\nregion=eu-frankfurt-1\nkey_file=~/key.pem\n[other]\nuser = V\n";
    std::fs::write(folder.path().join(".oci/config"), profile).unwrap();
    let join = format!("endpoint={}", server.uri());
    for (variables, id) in [
        (vec![("HOME", home)], "T/U/F"),
        (vec![("HOME", home), ("OCI_CLI_PROFILE", "other")], "T/V/F"),
        (
            vec![
                ("HOME", home),
                ("OCI_CLI_FINGERPRINT", "G"),
                ("OCI_CLI_KEY_CONTENT", KEY),
            ],
            "T/U/G",
        ),
    ] {
        let discovery = discover(&join, &variables).await.unwrap();
        assert_eq!(addresses(&discovery), ["10.0.0.1"]);
        let request = server.received_requests().await.unwrap().pop().unwrap();
        assert_eq!(verified(&request, &public_key(KEY)), id);
    }
    let named = discover(&format!("{join} profile=nope"), &[("HOME", home)])
        .await
        .unwrap_err();
    assert!(message(&named).contains("has no profile `nope`"));
}

#[tokio::test]
async fn a_session_token_of_the_profile_is_used() {
    let server = MockServer::start().await;
    compartments(&server, &[("T", "10.0.0.1")]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("key.pem"), KEY).unwrap();
    std::fs::write(at("token"), format!("{}\n", token())).unwrap();
    let profile = format!(
        "[DEFAULT]\ntenancy=T\nregion=eu-frankfurt-1\nkey_file={}\nsecurity_token_file={}\n",
        at("key.pem"),
        at("token")
    );
    std::fs::write(at("config"), profile).unwrap();
    let join = format!(
        "endpoint={} config_file={} auth=security_token",
        server.uri(),
        at("config")
    );
    let discovery = discover(&join, &[]).await.unwrap();
    assert_eq!(addresses(&discovery), ["10.0.0.1"]);
    let request = server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(
        verified(&request, &public_key(KEY)),
        format!("ST${}", token())
    );
}

#[tokio::test]
async fn an_instance_gets_a_token_for_a_key_of_its_own() {
    let server = MockServer::start().await;
    compartments(&server, &[("ocid1.tenancy.oc1..test", "10.0.0.1")]).await;
    for (at, body) in [
        ("instance/regionInfo", json!({"regionIdentifier": "us-ashburn-1", "realmDomainComponent": "oraclecloud.com", "realmKey": "oc1", "regionKey": "IAD"}).to_string()),
        ("identity/cert.pem", CERTIFICATE.to_owned()),
        ("identity/key.pem", INSTANCE_KEY.to_owned()),
        ("identity/intermediate.pem", CERTIFICATE.to_owned()),
    ] {
        Mock::given(path(format!("/opc/v2/{at}")))
            .and(header("authorization", "Bearer Oracle"))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
    }
    Mock::given(method("POST"))
        .and(path("/v1/x509"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"token": token()})))
        .mount(&server)
        .await;
    let uri = server.uri();
    let join = format!("endpoint={uri} auth_endpoint={uri} metadata_endpoint={uri}/opc/v2");
    assert_eq!(
        addresses(&discover(&join, &[]).await.unwrap()),
        ["10.0.0.1"]
    );
    let requests = server.received_requests().await.unwrap();
    let federation = requests
        .iter()
        .find(|request| request.url.path() == "/v1/x509")
        .unwrap();
    assert_eq!(
        verified(federation, &public_key(INSTANCE_KEY)),
        "ocid1.tenancy.oc1..test/fed-x509/CF:71:80:B1:8A:48:55:8D:AD:A2:D7:6B:82:F1:02:3D:EF:98:67:A6"
    );
    let body: Value = serde_json::from_slice(&federation.body).unwrap();
    assert_eq!(body["certificate"], section(CERTIFICATE));
    assert_eq!(
        body["intermediateCertificates"],
        json!([section(CERTIFICATE)])
    );
    // What follows is signed with the new key: an RSA key within a public key of X.509.
    let public = STANDARD
        .decode(body["publicKey"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        verified(requests.last().unwrap(), &public[24..]),
        format!("ST${}", token())
    );
}

#[tokio::test]
async fn what_is_no_metadata_service_is_passed_over() {
    let server = MockServer::start().await;
    let join = format!("metadata_endpoint={} region=eu-frankfurt-1", server.uri());
    let text = message(&discover(&join, &[]).await.unwrap_err());
    assert!(
        text.contains("`tenancy`, `user`, `fingerprint`, `key_file` isn't set"),
        "{text}"
    );
    assert!(
        text.contains("isn't the instance metadata service (status 404)"),
        "{text}"
    );
    let given = discover(&format!("{join} user=U"), &[]).await.unwrap_err();
    assert!(message(&given).contains("`tenancy`, `fingerprint`, `key_file` isn't set"));
    let key = "fingerprint=F tenancy=T user=U key_content=c4n4ry";
    let unusable = discover(&format!("{join} {key}"), &[]).await.unwrap_err();
    assert!(message(&unusable).contains("without a passphrase"));
}

#[tokio::test]
async fn compartments_below_are_searched_when_configured() {
    let server = MockServer::start().await;
    let names = [("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")];
    compartments(&server, &names).await;
    reply(
        &server,
        "/20160918/compartments",
        json!([
            {"id": "c", "compartmentId": "b", "lifecycleState": "ACTIVE"},
            {"id": "b", "compartmentId": "a", "lifecycleState": "ACTIVE"},
            {"id": "d", "compartmentId": "a", "lifecycleState": "DELETED"},
            {"id": "e", "compartmentId": "T", "lifecycleState": "ACTIVE"},
        ]),
    )
    .await;
    let join = format!(
        "endpoint={} tenancy=T user=U fingerprint=F key_file=tests/fixtures/key.pem region=eu-frankfurt-1",
        server.uri()
    );
    let found =
        async |more: &str| addresses(&discover(&format!("{join} {more}"), &[]).await.unwrap());
    assert_eq!(found("compartment_id=a,c").await, ["10.0.0.1", "10.0.0.3"]);
    assert_eq!(
        found("compartment_id=a subcompartments=true").await,
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    );
}

#[tokio::test]
async fn the_scope_is_known_once_there_is_a_credential() {
    let server = MockServer::start().await;
    compartments(&server, &[("T", "10.0.0.1")]).await;
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let join = format!(
        "provider=oracle tag.role=db endpoint={} tenancy=T user=U fingerprint=F key_file=tests/fixtures/key.pem region=eu-frankfurt-1",
        server.uri()
    );
    let provider = SPEC.build(&join.parse().unwrap(), &context).unwrap();
    let region = ("region", "eu-frankfurt-1".to_owned());
    // What isn't known yet has no value, which would differ from that of an earlier result.
    assert_eq!(provider.scope(), std::slice::from_ref(&region));
    let call = Call::new(context.clock(), Duration::from_secs(60));
    provider.discover(&call).await.unwrap();
    assert_eq!(provider.scope(), [("tenancy", "T".to_owned()), region]);
}

#[test]
fn the_policy_is_that_of_the_compartments() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let config = "tag_key=a tag_value=b compartment_id=C,D subcompartments=true"
        .parse()
        .unwrap();
    let role = SPEC.role.unwrap()(&config, &context, RoleFormat::Native).unwrap();
    assert_eq!(role.text.lines().count(), 7);
    assert!(
        role.text
            .contains("Allow dynamic-group discover to read vnics in compartment id D\n")
    );
}

#[test]
fn a_region_is_one_label_of_a_host_name() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let config = "tag_key=a tag_value=b region=evil/path".parse().unwrap();
    let error = SPEC.build(&config, &context).unwrap_err();
    assert!(
        error
            .chain()
            .to_string()
            .contains("isn't the name of a region")
    );
}
