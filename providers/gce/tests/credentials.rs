//! The application default credentials: every kind of file, and the metadata server.

#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded;
use wiremock::{MockServer, Request};

use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request as ApiRequest, Transport, TransportCause,
};
use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Env, Error, Instant};
use cloud_autojoin_gce::SPEC;
use http::StatusCode;
use server::{LIST, addresses, answer, metadata, one_instance, with_token};

/// Made for these tests by `openssl genpkey`.
const KEY: &str = include_str!("fixtures/service_account.pem");

const JOIN: &str = "project_name=p tag_value=consul";
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

/// A server with the list and a token endpoint.
async fn start() -> MockServer {
    let server = MockServer::start().await;
    answer(&server, "GET", LIST, one_instance()).await;
    answer(
        &server,
        "POST",
        "/token",
        json!({"access_token": "exchanged", "expires_in": 3600, "token_type": "Bearer"}),
    )
    .await;
    let impersonated = json!({"accessToken": "impersonated", "expireTime": "2026-11-27T20:00:00Z"});
    answer(
        &server,
        "POST",
        "/v1/projects/-/serviceAccounts/reader@p.example:generateAccessToken",
        impersonated,
    )
    .await;
    server
}

fn impersonation_url(server: &MockServer) -> String {
    format!(
        "{}/v1/projects/-/serviceAccounts/reader@p.example:generateAccessToken",
        server.uri()
    )
}

/// Resolves the join string with this credentials file, and gives the requests.
async fn with_file(server: &MockServer, credentials: &Value) -> Result<Vec<Request>, Error> {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let found = addresses(
        server,
        &format!("{JOIN} credentials_file={}", file.display()),
        &[],
    )
    .await?;
    assert_eq!(found, ["10.0.0.1"]);
    Ok(server.received_requests().await.unwrap())
}

fn form(request: &Request) -> BTreeMap<String, String> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}

fn authorization(request: &Request) -> &str {
    request
        .headers
        .get("authorization")
        .map_or("", |value| value.to_str().unwrap())
}

fn reason(error: &Error) -> String {
    format!("{} | {}", error.chain(), error.hint().unwrap_or_default())
}

/// What the key of the service account has signed, for an hour.
fn signed_claims(token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let part = |index| -> Value {
        let part = signed.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let lines = KEY.lines().filter(|line| !line.starts_with('-'));
    let key = STANDARD.decode(lines.collect::<String>()).unwrap();
    let key = RsaKeyPair::from_pkcs8(&key).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let mut claims = part(1);
    let mut time = |name| claims.as_object_mut().unwrap().remove(name).unwrap();
    let (end, start) = (time("exp").as_u64(), time("iat").as_u64());
    assert_eq!(end.unwrap() - start.unwrap(), 3600);
    claims
}

/// Google's own hosts: the API refuses the first tokens.
#[derive(Debug, Default)]
struct Google {
    refusals: usize,
    /// The host and the authorization of each request.
    requests: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Transport for Google {
    async fn send(&self, request: &ApiRequest, _: Instant) -> Result<RawResponse, TransportCause> {
        let header = request.headers().get("authorization");
        let authorization = header.map_or("", |value| value.to_str().unwrap());
        let host = request.url().host_str().unwrap().to_owned();
        let mut requests = self.requests.lock().unwrap();
        requests.push((host.clone(), authorization.to_owned()));
        let (status, body) = match &*host {
            "oauth2.googleapis.com" => (200, json!({"access_token": "exchanged"})),
            "iamcredentials.googleapis.com" => (200, json!({"accessToken": "impersonated"})),
            _ if requests.len() <= self.refusals => (401, json!({})),
            _ => (200, one_instance()),
        };
        let status = StatusCode::from_u16(status).unwrap();
        Ok(RawResponse::new(status, body.to_string()))
    }
}

/// Resolves the join string with this credentials file at Google's own hosts, of which the API
/// refuses the first `refusals` tokens, and gives the requests.
async fn at_google(credentials: &Value, refusals: usize) -> Vec<(String, String)> {
    let google = Arc::new(Google {
        refusals,
        ..Google::default()
    });
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let context = Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .http_client(HttpClient::with_transport(
            google.clone(),
            HttpSettings::default(),
        ))
        .build()
        .unwrap();
    let join = format!("provider=gce {JOIN} credentials_file={}", file.display());
    let provider = SPEC
        .build(&ConfigString::parse(&join).unwrap(), &context)
        .unwrap();
    let call = Call::new(context.clock(), Duration::from_secs(60));
    let discovery = provider.discover(&call).await.unwrap();
    assert_eq!(discovery.addresses()[0].to_string(), "10.0.0.1");
    google.requests.lock().unwrap().clone()
}

fn service_account() -> Value {
    json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": KEY,
        "client_email": "discover@p.example", "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

#[tokio::test]
async fn the_key_of_a_service_account_signs_the_token_itself() {
    let requests = at_google(&service_account(), 0).await;
    assert_eq!(requests.len(), 1);
    let token = requests[0].1.strip_prefix("Bearer ").unwrap();
    let email = "discover@p.example";
    assert_eq!(
        signed_claims(token),
        json!({"iss": email, "sub": email, "scope": SCOPE})
    );
}

#[tokio::test]
async fn a_self_signed_token_that_is_refused_is_exchanged() {
    let requests = at_google(&service_account(), 1).await;
    let hosts = requests.iter().map(|(host, _)| &**host);
    assert_eq!(
        Vec::from_iter(hosts),
        [
            "compute.googleapis.com",
            "oauth2.googleapis.com",
            "compute.googleapis.com"
        ]
    );
    assert_eq!(requests[2].1, "Bearer exchanged");
}

#[tokio::test]
async fn a_key_without_an_id_and_the_source_of_an_impersonation_are_exchanged() {
    let mut without_id = service_account();
    without_id["private_key_id"].take();
    let impersonated = json!({
        "type": "impersonated_service_account", "source_credentials": service_account(),
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/x:generateAccessToken",
    });
    for credentials in [without_id, impersonated] {
        let requests = at_google(&credentials, 0).await;
        assert_eq!(requests[0].0, "oauth2.googleapis.com");
    }
}

#[tokio::test]
async fn the_key_of_a_service_account_with_a_token_endpoint_of_its_own_signs_an_assertion() {
    let server = start().await;
    let token_uri = format!("{}/token", server.uri());
    let mut credentials = service_account();
    credentials["token_uri"] = json!(token_uri);
    let requests = with_file(&server, &credentials).await.unwrap();
    let form = form(&requests[0]);
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let claims = signed_claims(&form["assertion"]);
    assert_eq!(
        claims,
        json!({"iss": "discover@p.example", "aud": token_uri, "scope": SCOPE})
    );
    assert_eq!(authorization(&requests[1]), "Bearer exchanged");
}

#[tokio::test]
async fn a_user_sends_the_refresh_token() {
    let server = start().await;
    let token_uri = format!("{}/token", server.uri());
    let credentials = json!({"type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r", "token_uri": token_uri});
    let requests = with_file(&server, &credentials).await.unwrap();
    let expected = [
        ("grant_type", "refresh_token"),
        ("client_id", "id"),
        ("client_secret", "s"),
        ("refresh_token", "r"),
    ];
    assert_eq!(
        form(&requests[0]),
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
}

#[tokio::test]
async fn a_user_of_workforce_federation_authenticates_the_client_in_the_header() {
    let server = start().await;
    let token_url = format!("{}/token", server.uri());
    let credentials = json!({"type": "external_account_authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r", "token_url": token_url});
    let requests = with_file(&server, &credentials).await.unwrap();
    assert_eq!(
        authorization(&requests[0]),
        format!("Basic {}", STANDARD.encode("id:s"))
    );
    assert!(!form(&requests[0]).contains_key("client_secret"));
}

fn external_account(server: &MockServer, source: &Value) -> Value {
    json!({
        "type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/oidc",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{}/token", server.uri()), "credential_source": source,
    })
}

#[tokio::test]
async fn an_external_account_exchanges_the_token_of_a_file() {
    let server = start().await;
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "subject\n").unwrap();
    let requests = with_file(&server, &external_account(&server, &json!({"file": token})))
        .await
        .unwrap();
    let form = form(&requests[0]);
    assert_eq!(form["subject_token"], "subject");
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(
        form["scope"],
        "https://www.googleapis.com/auth/compute.readonly"
    );
    assert_eq!(authorization(&requests[1]), "Bearer exchanged");
}

#[tokio::test]
async fn an_external_account_exchanges_the_token_of_a_url_and_impersonates() {
    let server = start().await;
    answer(&server, "GET", "/identity", json!({"id_token": "subject"})).await;
    let source = json!({"url": format!("{}/identity", server.uri()), "headers": {"x-proof": "1"}, "format": {"type": "json", "subject_token_field_name": "id_token"}});
    let mut credentials = external_account(&server, &source);
    credentials["service_account_impersonation_url"] = json!(impersonation_url(&server));
    let requests = with_file(&server, &credentials).await.unwrap();
    assert_eq!(requests[0].headers.get("x-proof").unwrap(), "1");
    assert_eq!(form(&requests[1])["subject_token"], "subject");
    assert_eq!(
        form(&requests[1])["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
    assert_eq!(authorization(&requests[2]), "Bearer exchanged");
    assert_eq!(
        requests[2].body_json::<Value>().unwrap()["scope"],
        json!(["https://www.googleapis.com/auth/compute.readonly"])
    );
    assert_eq!(authorization(&requests[3]), "Bearer impersonated");
}

#[tokio::test]
async fn workforce_federation_sends_its_client_or_the_project() {
    let server = start().await;
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "subject").unwrap();
    let mut credentials = external_account(&server, &json!({"file": token}));
    credentials["workforce_pool_user_project"] = json!("billed");
    let requests = with_file(&server, &credentials).await.unwrap();
    assert_eq!(form(&requests[0])["options"], r#"{"userProject":"billed"}"#);
    assert_eq!(authorization(&requests[0]), "");

    credentials["client_id"] = json!("id");
    credentials["client_secret"] = json!("s");
    let requests = with_file(&server, &credentials).await.unwrap();
    let basic = format!("Basic {}", STANDARD.encode("id:s"));
    assert_eq!(authorization(&requests[2]), basic);
    assert!(!form(&requests[2]).contains_key("options"));
}

fn aws_account(server: &MockServer, source: &Value) -> Value {
    let mut account = external_account(server, source);
    account["subject_token_type"] = json!("urn:ietf:params:aws:token-type:aws4_request");
    account["credential_source"]["environment_id"] = json!("aws1");
    account["credential_source"]["regional_cred_verification_url"] =
        json!("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
    account
}

/// The URL and the headers of the request in a subject token.
fn signed_request(request: &Request) -> (String, BTreeMap<String, String>) {
    let token = form(request)["subject_token"].clone();
    let (text, _) = form_urlencoded::parse(token.as_bytes()).next().unwrap();
    let request: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(request["method"], "POST");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = request["headers"].as_array().unwrap().iter();
    let headers = headers.map(|header| (text(&header["key"]), text(&header["value"])));
    (text(&request["url"]), headers.collect())
}

#[tokio::test]
async fn a_workload_on_aws_signs_a_request_with_the_keys_of_the_environment() {
    let server = start().await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("credentials.json");
    let account = aws_account(&server, &json!({}));
    std::fs::write(&file, account.to_string()).unwrap();
    let join = format!("{JOIN} credentials_file={}", file.display());
    let env = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "c4n4ry"),
    ];
    assert_eq!(addresses(&server, &join, &env).await.unwrap(), ["10.0.0.1"]);
    let requests = server.received_requests().await.unwrap();
    let (url, headers) = signed_request(&requests[0]);
    assert_eq!(
        url,
        "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    );
    assert_eq!(headers["host"], "sts.eu-central-1.amazonaws.com");
    assert_eq!(
        headers["x-goog-cloud-target-resource"],
        account["audience"].as_str().unwrap()
    );
    let authorization = &headers["authorization"];
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/")
            && authorization.contains("/eu-central-1/sts/aws4_request")
            && authorization
                .contains("SignedHeaders=host;x-amz-date;x-goog-cloud-target-resource,"),
        "{authorization}"
    );
    assert!(!headers.contains_key("x-amz-security-token") && !url.contains("c4n4ry"));
}

#[tokio::test]
async fn a_workload_on_aws_signs_a_request_with_the_key_of_the_instances_role() {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let server = start().await;
    let at = |path: &str| format!("{}{path}", server.uri());
    let text = |text: &str| {
        wiremock::ResponseTemplate::new(200)
            .set_body_string(text)
            .insert_header("x-aws-ec2-metadata-token-ttl-seconds", "300")
    };
    let key = r#"{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"session","Expiration":"2099-11-27T20:00:00Z"}"#;
    let document = "/latest/dynamic/instance-identity/document";
    for (verb, path, body) in [
        ("PUT", "/latest/api/token", "imds"),
        ("GET", document, r#"{"region":"us-east-2"}"#),
        ("GET", ROLES, "node"),
        ("GET", &format!("{ROLES}node"), key),
    ] {
        wiremock::Mock::given(wiremock::matchers::method(verb))
            .and(wiremock::matchers::path(path))
            .respond_with(text(body))
            .mount(&server)
            .await;
    }
    let source = json!({"url": at(ROLES), "region_url": at("/latest/meta-data/placement/availability-zone"), "imdsv2_session_token_url": at("/latest/api/token")});
    let requests = with_file(&server, &aws_account(&server, &source))
        .await
        .unwrap();
    for request in &requests[..5] {
        let is_put = request.method == "PUT";
        let has_session = request.headers.contains_key("x-aws-ec2-metadata-token");
        assert!(is_put != has_session, "{}", request.url);
    }
    let (url, headers) = signed_request(&requests[5]);
    assert!(
        url.starts_with("https://sts.us-east-2.amazonaws.com/?"),
        "{url}"
    );
    assert_eq!(headers["x-amz-security-token"], "session");
    assert!(headers["authorization"].contains("x-amz-security-token"));
}

/// Resolves the join string as an external account whose token `script` prints.
#[cfg(unix)]
async fn with_program(
    server: &MockServer,
    script: &str,
    output_file: Option<&str>,
) -> Result<Vec<Request>, Error> {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("script"), script).unwrap();
    let command = format!("sh {}", path("script"));
    let mut source = json!({"executable": {"command": command, "timeout_millis": 5000}});
    if let Some(text) = output_file {
        std::fs::write(path("output"), text).unwrap();
        source["executable"]["output_file"] = json!(path("output"));
    }
    let mut account = external_account(server, &source);
    account["service_account_impersonation_url"] = json!(impersonation_url(server));
    std::fs::write(path("credentials.json"), account.to_string()).unwrap();
    let join = format!("{JOIN} credentials_file={}", path("credentials.json"));
    let env = [("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")];
    addresses(server, &join, &env).await?;
    Ok(server.received_requests().await.unwrap())
}

#[cfg(unix)]
#[tokio::test]
async fn an_external_account_exchanges_the_token_that_a_program_prints() {
    let server = start().await;
    let script = r#"
        for name in AUDIENCE TOKEN_TYPE INTERACTIVE IMPERSONATED_EMAIL; do
            eval "text=\"$text|\$GOOGLE_EXTERNAL_ACCOUNT_$name\""
        done
        echo '{"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": "'"$text"'"}'
    "#;
    let requests = with_program(&server, script, None).await.unwrap();
    assert_eq!(
        form(&requests[0])["subject_token"],
        "|//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/oidc\
         |urn:ietf:params:oauth:token-type:jwt|0|reader@p.example"
    );
    assert_eq!(authorization(&requests[2]), "Bearer impersonated");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_program_left_in_its_output_file_is_used_until_it_ends() {
    let server = start().await;
    let left = |end: u64| {
        json!({"version": 1, "success": true, "saml_response": "left", "expiration_time": end})
            .to_string()
    };
    let script = r#"echo '{"version": 1, "success": true, "id_token": "printed"}'"#;
    for (end, expected) in [(9_999_999_999, "left"), (1, "printed")] {
        let requests = with_program(&server, script, Some(&left(end)))
            .await
            .unwrap();
        let last = requests.len() - 3;
        assert_eq!(form(&requests[last])["subject_token"], expected);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_without_a_token_says_why() {
    let server = start().await;
    let print = |json: &str| format!("echo '{json}'");
    let cases = [
        (
            print(r#"{"version": 1, "success": false, "code": "401", "message": "log in"}"#),
            "`401`: log in",
        ),
        (
            print(r#"{"version": 2, "success": true, "id_token": "c4n4ry"}"#),
            "version 2 isn't supported",
        ),
        (
            print(r#"{"version": 1, "success": true, "id_token": "c4n4ry", "expiration_time": 1}"#),
            "it has expired",
        ),
        (
            print(r#"{"version": 1, "success": true}"#),
            "neither `id_token` nor `saml_response` is there",
        ),
        (print("c4n4ry"), "`executable` didn't print the JSON"),
        (
            "echo no login >&2; exit 3".to_owned(),
            "`executable` failed with status 3: no login",
        ),
    ];
    for (script, expected) in cases {
        let text = reason(&with_program(&server, &script, None).await.unwrap_err());
        assert!(
            text.contains(expected) && !text.contains("c4n4ry"),
            "{text}"
        );
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_service_account_is_impersonated_as_another_identity() {
    let server = start().await;
    let user = json!({"type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r", "token_uri": format!("{}/token", server.uri())});
    let credentials = json!({
        "type": "impersonated_service_account", "service_account_impersonation_url": impersonation_url(&server), "source_credentials": user, "delegates": ["d"],
    });
    let requests = with_file(&server, &credentials).await.unwrap();
    assert_eq!(
        requests[1].body_json::<Value>().unwrap()["delegates"],
        json!(["d"])
    );
    assert_eq!(authorization(&requests[2]), "Bearer impersonated");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_says_why_and_repeats_nothing_of_it() {
    let server = start().await;
    let secret = "c4n4ry";
    let cases = [
        (
            json!({"type": "unknown", "private_key": secret}),
            "unknown variant `unknown`, expected one of `service_account`, ",
        ),
        (
            json!({"type": "service_account", "client_email": "e", "private_key": [secret]}),
            "another form than documented",
        ),
        (
            json!({"type": "service_account", "private_key": secret}),
            "missing field `client_email`",
        ),
        (
            json!({"type": "service_account", "client_email": "e", "private_key": secret}),
            "key of the service account `e`: not a private key in PEM",
        ),
        (
            json!({"type": "service_account", "client_email": "e", "private_key": KEY, "token_uri": "http://token.example/"}),
            "cannot use the credentials file: ",
        ),
        (
            external_account(&server, &json!({"environment_id": "aws2"})),
            "the credential source `aws2` isn't supported: use a `file`",
        ),
        (
            external_account(
                &server,
                &json!({"environment_id": "aws1", "region_url": "c4n4ry"}),
            ),
            "the `region_url` of the credential source is no URL",
        ),
        (
            external_account(&server, &json!({"environment_id": "aws1"})),
            "no instance metadata service is named",
        ),
        (
            external_account(&server, &json!({"executable": {"command": secret}})),
            "only if GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is `1`",
        ),
        (
            external_account(&server, &json!({"certificate": {}})),
            "the credential source `certificate` isn't supported",
        ),
    ];
    for (credentials, expected) in cases {
        let error = with_file(&server, &credentials).await.unwrap_err();
        let text = reason(&error);
        assert!(text.contains(expected), "{text}");
        assert!(
            !text.contains(secret) && !error.is_transient() && error.hint().is_some(),
            "{text}"
        );
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

/// The reason of the failure where the token endpoint refuses a user with this description.
async fn refused(description: &str) -> String {
    let server = MockServer::start().await;
    let refusal = wiremock::ResponseTemplate::new(400)
        .set_body_json(json!({"error": "invalid_grant", "error_description": description}));
    wiremock::Mock::given(wiremock::matchers::path("/token"))
        .respond_with(refusal)
        .mount(&server)
        .await;
    let user = json!({"type": "authorized_user", "client_id": "id", "client_secret": "canary-secret", "refresh_token": "canary-token", "token_uri": format!("{}/token", server.uri())});
    reason(&with_file(&server, &user).await.unwrap_err())
}

#[tokio::test]
async fn a_refused_grant_is_explained() {
    let text = refused("Invalid JWT Signature.").await;
    assert!(
        text.contains("`credentials file` failed")
            && text.contains("Invalid JWT Signature")
            && text.contains("was deleted"),
        "{text}"
    );
}

#[tokio::test]
async fn secrets_that_the_token_endpoint_repeats_are_masked() {
    let text = refused("no canary-secret for canary-token of id").await;
    assert!(text.contains("no ... for ... of id"), "{text}");
}

#[tokio::test]
async fn the_file_of_the_environment_and_of_gcloud_are_found() {
    let server = start().await;
    let directory = TempDir::new().unwrap();
    let user = |refresh: &str| {
        json!({"type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": refresh, "token_uri": format!("{}/token", server.uri())})
            .to_string()
    };
    let given = directory.path().join("given.json");
    std::fs::write(&given, user("given")).unwrap();
    std::fs::create_dir_all(directory.path().join(".config/gcloud")).unwrap();
    std::fs::write(
        directory
            .path()
            .join(".config/gcloud/application_default_credentials.json"),
        user("gcloud"),
    )
    .unwrap();
    let home = directory.path().to_str().unwrap();
    addresses(&server, JOIN, &[("HOME", home)]).await.unwrap();
    addresses(
        &server,
        JOIN,
        &[
            ("HOME", home),
            ("GOOGLE_APPLICATION_CREDENTIALS", given.to_str().unwrap()),
        ],
    )
    .await
    .unwrap();
    let requests = server.received_requests().await.unwrap();
    let refreshed: Vec<String> = requests
        .iter()
        .filter(|request| request.url.path() == "/token")
        .map(|request| form(request)["refresh_token"].clone())
        .collect();
    assert_eq!(refreshed, ["gcloud", "given"]);
}

#[tokio::test]
async fn the_metadata_server_gives_project_and_token() {
    let server = start().await;
    with_token(&server).await;
    metadata(&server, "project/project-id", "p").await;
    assert_eq!(
        addresses(&server, "tag_value=consul", &[]).await.unwrap(),
        ["10.0.0.1"]
    );
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests[..2].iter().all(|request| {
        request
            .headers
            .get("metadata-flavor")
            .is_some_and(|flavor| flavor == "Google")
    }));
    assert_eq!(authorization(&requests[2]), "Bearer t");
}

#[tokio::test]
async fn another_server_in_place_of_the_metadata_server_gets_no_belief() {
    let server = start().await;
    answer(
        &server,
        "GET",
        "/computeMetadata/v1/instance/service-accounts/default/token",
        json!({"access_token": "t", "expires_in": 3599}),
    )
    .await;
    let error = addresses(&server, JOIN, &[]).await.unwrap_err();
    let text = reason(&error);
    assert!(
        text.contains("is not the metadata server of Google Cloud")
            && text.contains("neither `credentials_file` nor"),
        "{text}"
    );
    assert!(
        text.contains("`gcloud auth application-default login`") && !error.is_transient(),
        "{text}"
    );
    let text = reason(
        &addresses(&server, "tag_value=consul", &[])
            .await
            .unwrap_err(),
    );
    assert!(
        text.contains("cannot read the project of this instance")
            && text.contains("add `project_name=...`"),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_metadata_server_every_source_is_named_and_waiting_may_help() {
    let server = start().await;
    // A port of this machine that nothing listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let error = addresses(
        &server,
        JOIN,
        &[("GCE_METADATA_HOST", &closed), ("HOME", "/nonexistent")],
    )
    .await
    .unwrap_err();
    let text = reason(&error);
    assert!(
        text.contains(
            "there is no `/nonexistent/.config/gcloud/application_default_credentials.json`"
        ),
        "{text}"
    );
    assert!(
        text.contains(&format!("no metadata server at http://{closed}")) && error.is_transient(),
        "{text}"
    );
}

#[tokio::test]
async fn an_instance_without_a_service_account_says_so() {
    let server = start().await;
    let reply = wiremock::ResponseTemplate::new(404).insert_header("metadata-flavor", "Google");
    wiremock::Mock::given(wiremock::matchers::path_regex("^/computeMetadata/.*"))
        .respond_with(reply)
        .mount(&server)
        .await;
    let text = reason(&addresses(&server, JOIN, &[]).await.unwrap_err());
    assert!(
        text.contains("this instance has no service account")
            && text.contains("attach a service account"),
        "{text}"
    );
}
