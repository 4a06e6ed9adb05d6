//! A server for metadata, tokens and the API, and discoveries against it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Detail, Discovery, Env, Result};
use cloud_autojoin_gce::SPEC;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) const LIST: &str = "/compute/v1/projects/p/aggregated/instances";

/// One instance that has the network tag `consul`, in `us-east1-b`.
pub(crate) fn one_instance() -> Value {
    let instance = json!({"id": "1", "name": "a", "status": "RUNNING", "tags": {"items": ["consul"]}, "networkInterfaces": [{"name": "nic0", "networkIP": "10.0.0.1"}]});
    json!({"items": {"zones/us-east1-b": {"instances": [instance]}}})
}

pub(crate) async fn answer(server: &MockServer, verb: &str, at: &str, body: Value) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(server)
        .await;
}

pub(crate) async fn metadata(server: &MockServer, at: &str, text: impl Into<String>) {
    let reply = ResponseTemplate::new(200)
        .set_body_string(text)
        .insert_header("metadata-flavor", "Google");
    Mock::given(method("GET"))
        .and(path(format!("/computeMetadata/v1/{at}")))
        .respond_with(reply)
        .mount(server)
        .await;
}

/// The metadata server gives a token.
pub(crate) async fn with_token(server: &MockServer) {
    metadata(
        server,
        "instance/service-accounts/default/token",
        r#"{"access_token":"t","expires_in":3599}"#,
    )
    .await;
}

/// Resolves `join` against the server; `SERVER` stands for its host and port.
pub(crate) async fn discover(
    server: &MockServer,
    join: &str,
    env: &[(&str, &str)],
    detail: Detail,
) -> Result<Discovery> {
    let host = server.address().to_string();
    // Never the real metadata server.
    let variables = [("GCE_METADATA_HOST", "SERVER")]
        .iter()
        .chain(env)
        .map(|(name, value)| ((*name).to_owned(), value.replace("SERVER", &host)));
    let context = Context::builder()
        .env(variables.collect::<Env>())
        .clock(Clock::auto_advancing())
        .build()?;
    let join = format!("provider=gce endpoint=http://SERVER {join}").replace("SERVER", &host);
    let config = ConfigString::parse(&join).expect("the join string parses");
    let provider = SPEC.build(&config, &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)).with_detail(detail))
        .await
}

pub(crate) async fn addresses(
    server: &MockServer,
    join: &str,
    env: &[(&str, &str)],
) -> Result<Vec<String>> {
    let discovery = discover(server, join, env, Detail::Addresses).await?;
    Ok(discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect())
}

/// The paths requested, in order.
pub(crate) async fn paths(server: &MockServer) -> Vec<String> {
    server
        .received_requests()
        .await
        .expect("the server records")
        .iter()
        .map(|request| request.url.path().to_owned())
        .collect()
}
