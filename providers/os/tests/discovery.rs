//! Credentials, regions, networks, and what Keystone and Nova say.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, Result,
};
use cloud_autojoin_os::SPEC;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const USER: &str = "user_name=u password=p domain_name=Default";

/// A Keystone whose catalog has a compute service in two regions, each with one server.
async fn start() -> MockServer {
    let server = MockServer::start().await;
    let endpoint = |interface: &str, region: &str| json!({"interface": interface, "region_id": region, "region": region, "url": format!("{}/{region}/{interface}", server.uri())});
    let endpoints = [
        endpoint("public", "RegionOne"),
        endpoint("internal", "RegionOne"),
        endpoint("public", "two"),
        // Of no region.
        json!({"interface": "public", "region_id": null, "region": null, "url": server.uri()}),
    ];
    let token = json!({"token": {"expires_at": "2099-01-01T00:00:00Z", "project": {"id": "P"}, "catalog": [{"type": "compute", "endpoints": endpoints}]}});
    let reply = ResponseTemplate::new(201)
        .set_body_json(token)
        .insert_header("x-subject-token", "T");
    Mock::given(method("POST"))
        .and(path("/v3/auth/tokens"))
        .respond_with(reply)
        .mount(&server)
        .await;
    for (at, address) in [
        ("/RegionOne/public", "10.0.0.1"),
        ("/RegionOne/internal", "10.0.0.2"),
        ("/two/public", "10.0.0.3"),
    ] {
        let fixed = |address: &str| json!([{"addr": address, "OS-EXT-IPS:type": "fixed"}, {"addr": "203.0.113.1", "OS-EXT-IPS:type": "floating"}]);
        let found = json!({"id": address, "name": address, "status": "ACTIVE", "metadata": {"role": "Server"}, "addresses": {"front": fixed(address), "back": fixed("10.9.0.9")}});
        let reply = ResponseTemplate::new(200).set_body_json(json!({"servers": [found]}));
        Mock::given(method("GET"))
            .and(path(format!("{at}/servers/detail")))
            .respond_with(reply)
            .mount(&server)
            .await;
    }
    server
}

async fn discover_with(
    server: &MockServer,
    join: &str,
    env: &[(&str, &str)],
    detail: Detail,
) -> Result<Discovery> {
    let variables = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.replace("SERVER", &server.uri())));
    let context = Context::builder()
        .env(variables.collect::<Env>())
        .clock(Clock::auto_advancing())
        .build()?;
    // Never the real metadata service.
    let join =
        format!("provider=os metadata_endpoint=SERVER {join}").replace("SERVER", &server.uri());
    let provider = SPEC.build(&ConfigString::parse(&join).unwrap(), &context)?;
    provider
        .discover(&Call::new(context.clock(), Duration::from_secs(60)).with_detail(detail))
        .await
}

async fn addresses(server: &MockServer, join: &str, env: &[(&str, &str)]) -> Result<Vec<String>> {
    let discovery = discover_with(
        server,
        &format!("tag_key=role tag_value=Server network=front {join}"),
        env,
        Detail::Addresses,
    )
    .await?;
    Ok(discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect())
}

fn reason(error: &Error) -> String {
    format!("{} | {}", error.chain(), error.hint().unwrap_or_default())
}

/// The body of the request for a token.
async fn token_request(server: &MockServer) -> Value {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .find(|request| request.url.path() == "/v3/auth/tokens")
        .unwrap()
        .body_json()
        .unwrap()
}

#[tokio::test]
async fn the_variables_of_an_openrc_file_are_enough() {
    let server = start().await;
    let env = [
        ("OS_AUTH_URL", "SERVER"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
        ("OS_PROJECT_NAME", "cluster"),
        ("OS_USER_DOMAIN_NAME", "Default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
        ("OS_REGION_NAME", "two"),
    ];
    assert_eq!(addresses(&server, "", &env).await.unwrap(), ["10.0.0.3"]);
    assert_eq!(
        token_request(&server).await["auth"]["scope"],
        json!({"project": {"name": "cluster", "domain": {"id": "default"}}})
    );
}

#[tokio::test]
async fn a_cloud_of_clouds_yaml_has_what_is_not_given() {
    let server = start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clouds.yaml");
    let text = format!(
        "clouds:\n  prod:\n    auth_type: v3applicationcredential\n    auth:\n      auth_url: {}\n      application_credential_id: a\n      \
         application_credential_secret: 12345\n    region_name: RegionOne\n    interface: internal\n    verify: true\n",
        server.uri()
    );
    std::fs::write(&file, text).unwrap();
    let env = [
        ("OS_CLIENT_CONFIG_FILE", file.to_str().unwrap()),
        ("OS_CLOUD", "prod"),
    ];
    assert_eq!(addresses(&server, "", &env).await.unwrap(), ["10.0.0.2"]);
    assert_eq!(
        token_request(&server).await["auth"]["identity"]["application_credential"],
        json!({"id": "a", "secret": "12345"})
    );
    assert_eq!(
        addresses(&server, "region=two interface=public", &env)
            .await
            .unwrap(),
        ["10.0.0.3"]
    );

    let text = reason(&addresses(&server, "cloud=test", &env).await.unwrap_err());
    assert!(
        text.contains("has no cloud `test`; it has `prod`"),
        "{text}"
    );
    std::fs::write(&file, "clouds: [c4n4ry").unwrap();
    let text = reason(&addresses(&server, "cloud=prod", &env).await.unwrap_err());
    assert!(
        text.contains("isn't valid YAML") && !text.contains("c4n4ry"),
        "{text}"
    );
}

#[tokio::test]
async fn several_regions_are_one_result_and_a_missing_one_is_named() {
    let server = start().await;
    let join = format!("auth_url=SERVER {USER} project_id=P");
    assert_eq!(addresses(&server, &join, &[]).await.unwrap(), ["10.0.0.1"]);
    assert_eq!(
        addresses(&server, &format!("{join} region=RegionOne,two"), &[])
            .await
            .unwrap(),
        ["10.0.0.1", "10.0.0.3"]
    );
    let error = addresses(&server, &format!("{join} region=RegionOne,three"), &[])
        .await
        .unwrap_err();
    let text = reason(&error);
    assert!(
        text.contains("the catalog has none in region `three` with interface `public`")
            && !error.is_transient(),
        "{text}"
    );
    assert!(
        text.contains("set `region` to one of `RegionOne`, `two`"),
        "{text}"
    );
}

#[tokio::test]
async fn the_project_is_by_default_that_of_this_server() {
    let server = start().await;
    let join = format!("auth_url=SERVER {USER}");
    let error = addresses(&server, &join, &[]).await.unwrap_err();
    assert!(
        reason(&error).contains("add `project_id=...` or `project_name=...`"),
        "{}",
        reason(&error)
    );
    let metadata =
        ResponseTemplate::new(200).set_body_json(json!({"uuid": "s", "project_id": "own"}));
    Mock::given(path("/openstack/latest/meta_data.json"))
        .respond_with(metadata)
        .mount(&server)
        .await;
    assert_eq!(addresses(&server, &join, &[]).await.unwrap(), ["10.0.0.1"]);
    assert_eq!(
        token_request(&server).await["auth"]["scope"],
        json!({"project": {"id": "own"}})
    );
}

#[tokio::test]
async fn networks_floating_addresses_and_an_endpoint_can_be_chosen() {
    let server = start().await;
    let join = format!("tag.role=Server auth_url=SERVER {USER} project_id=P");
    let found = async |options: &str| {
        let discovery = discover_with(
            &server,
            &format!("{join} {options}"),
            &[],
            Detail::Everything,
        )
        .await
        .unwrap();
        discovery
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["10.0.0.1", "10.9.0.9"]);
    assert_eq!(found("network=back").await, ["10.9.0.9"]);
    assert_eq!(
        found("network=front address_type=public_v4").await,
        ["203.0.113.1"]
    );
    assert_eq!(
        found("network=front endpoint=SERVER/two/public region=RegionOne,two").await,
        ["10.0.0.3"]
    );
    let discovery = discover_with(
        &server,
        &format!("{join} network=other"),
        &[],
        Detail::Everything,
    )
    .await
    .unwrap();
    assert_eq!(
        discovery.nodes()[0].excluded[0].to_string(),
        "not part of network `other`"
    );
    assert_eq!(
        discovery.nodes()[0].attributes[..2],
        [
            ("project", "P".to_owned()),
            ("region", "RegionOne".to_owned())
        ]
    );
}

#[tokio::test]
async fn only_active_servers_are_requested_unless_all_are_to_be_explained() {
    let server = start().await;
    let join = format!("tag.role=Server auth_url=SERVER {USER} project_id=P");
    for (options, detail) in [
        ("", Detail::Addresses),
        ("power_state=any", Detail::Addresses),
        ("", Detail::Everything),
    ] {
        discover_with(&server, &format!("{join} {options}"), &[], detail)
            .await
            .unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let queries: Vec<&str> = requests
        .iter()
        .filter(|request| request.method == "GET")
        .map(|request| request.url.query().unwrap_or_default())
        .collect();
    assert_eq!(queries, ["status=ACTIVE", "", ""]);
}

#[tokio::test]
async fn servers_are_found_by_their_tags() {
    let server = start().await;
    let tagged = |name: &str, tags: Value| {
        let addresses = json!({"front": [{"addr": name, "OS-EXT-IPS:type": "fixed"}]});
        json!({"id": name, "name": name, "status": "ACTIVE", "addresses": addresses, "tags": tags})
    };
    let servers = [
        tagged("10.0.0.1", json!(["blue", "consul", "prod"])),
        tagged("10.0.0.2", json!(["consul"])),
    ];
    Mock::given(header("openstack-api-version", "compute 2.26"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "servers": servers })))
        .with_priority(1)
        .mount(&server)
        .await;
    let join = format!("server_tags=consul,prod auth_url=SERVER {USER} project_id=P");
    for detail in [Detail::Addresses, Detail::Everything] {
        let found = discover_with(&server, &join, &[], detail).await.unwrap();
        assert_eq!(found.addresses()[0].to_string(), "10.0.0.1");
        assert_eq!((found.examined(), found.matched()), (2, 1));
    }
    let requests = server.received_requests().await.unwrap();
    let queries = requests.iter().filter(|request| request.method == "GET");
    let queries: Vec<_> = queries.map(|request| request.url.query()).collect();
    assert_eq!(queries, [Some("status=ACTIVE&tags=consul%2Cprod"), None]);
}

#[tokio::test]
async fn the_value_self_is_that_of_this_server() {
    let server = start().await;
    let metadata = json!({"project_id": "own", "meta": {"role": "Server"}});
    Mock::given(path("/openstack/latest/meta_data.json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(metadata))
        .mount(&server)
        .await;
    let join = format!("auth_url=SERVER {USER} project_id=P");
    let found = async |tags: &str| {
        discover_with(&server, &format!("{tags} {join}"), &[], Detail::Addresses).await
    };
    assert_eq!(
        found("tag_key=role tag_value=self")
            .await
            .unwrap()
            .matched(),
        1
    );
    let error = found("tag.rack=self").await.unwrap_err();
    assert!(
        reason(&error).contains("this server has no metadata `rack`"),
        "{}",
        reason(&error)
    );
}

#[tokio::test]
async fn metadata_that_almost_matches_is_suggested() {
    let server = start().await;
    let join = format!("tag_key=role tag_value=server auth_url=SERVER {USER} project_id=P");
    let discovery = discover_with(&server, &join, &[], Detail::Addresses)
        .await
        .unwrap();
    assert_eq!(discovery.hint(), Some("set `tag_value=Server`"));
    let join = format!("tag.role=server auth_url=SERVER {USER} project_id=P");
    let found = discover_with(&server, &join, &[], Detail::Addresses).await;
    assert_eq!(found.unwrap().hint(), Some("set `tag.role=Server`"));
}

#[tokio::test]
async fn a_refused_password_is_explained() {
    let server = MockServer::start().await;
    let body = json!({"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}});
    Mock::given(path("/v3/auth/tokens"))
        .respond_with(ResponseTemplate::new(401).set_body_json(body))
        .mount(&server)
        .await;
    let error = addresses(
        &server,
        &format!("auth_url=SERVER {USER} project_id=P"),
        &[],
    )
    .await
    .unwrap_err();
    let text = reason(&error);
    assert!(
        text.starts_with("the credential `password` failed: ")
            && text.contains("check user, password and domain")
            && !error.is_transient(),
        "{text}"
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn certificates_are_those_of_a_file_or_any_with_a_warning() {
    let server = start().await;
    let join = format!("tag.role=Server auth_url=SERVER {USER} project_id=P");
    let found = async |options: &str| {
        discover_with(
            &server,
            &format!("{join} {options}"),
            &[],
            Detail::Addresses,
        )
        .await
    };
    let unverified = found("insecure=true").await.unwrap();
    let warning = &unverified.findings()[0].message;
    assert_eq!(
        warning,
        "the certificate of the cloud isn't verified (`insecure`)"
    );
    assert!(found("insecure=0").await.unwrap().findings().is_empty());
    let text = reason(&found("cacert=/nowhere/ca.pem").await.unwrap_err());
    assert!(
        text.contains("cannot read `/nowhere/ca.pem` (`cacert`)"),
        "{text}"
    );
}

#[tokio::test]
async fn the_connection_to_a_given_endpoint_is_opened_during_the_request_for_a_token() {
    let keystone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nova = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    let join = format!(
        "provider=os tag.role=server auth_url=http://{} endpoint=https://{} {USER} project_id=P",
        address(&keystone),
        address(&nova)
    );
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let provider = SPEC.build(&join.parse().unwrap(), &context).unwrap();
    let call = Call::new(context.clock(), Duration::from_secs(5));
    // Keystone never answers.
    let connected = async {
        (
            keystone.accept().await.unwrap(),
            nova.accept().await.unwrap(),
        )
    };
    tokio::select! {
        _ = connected => {}
        found = provider.discover(&call) => panic!("no connection: {found:?}"),
    }
}

fn problems(join: &str) -> Vec<String> {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let Err(Error::Config(error)) = SPEC.build(
        &ConfigString::parse(&format!("provider=os {join}")).unwrap(),
        &context,
    ) else {
        panic!("{join} builds")
    };
    error
        .problems()
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn every_problem_of_a_join_string_is_reported() {
    let found = problems("user_name=u insecure=maybe");
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(
        found[0].contains("`insecure`")
            && found[1].contains("`tag_key`")
            && found[2].contains("`auth_url`")
            && found[3].contains("no credential"),
        "{found:?}"
    );
    assert_eq!(
        problems("cloud=prod tag_key=a"),
        ["`tag_value` is missing (`tag_key` is given)"]
    );
}
