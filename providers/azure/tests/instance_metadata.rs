//! `self`: what the machine this runs on knows of itself, for Uniform and Flexible instances, and
//! off Azure.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::http::HttpSettings;
use cloud_autojoin_core::{Call, Clock, Context, Env, Error, Provider};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SUBSCRIPTION: &str = "77777777-7777-4777-8777-777777777777";
const GIVEN: &str = "subscription_id=88888888-8888-4888-8888-888888888888";

/// A server that is metadata service, Entra and ARM, which knows nothing and says so with an empty
/// list.
async fn server(compute: &Value) -> MockServer {
    let server = MockServer::start().await;
    // shape: learn.microsoft.com/azure/virtual-machines/instance-metadata-service, 2021-03-01
    let instance = json!({ "compute": compute, "network": { "interface": [] } });
    Mock::given(method("GET"))
        .and(path("/metadata/instance"))
        .and(header("metadata", "true"))
        .and(query_param("api-version", "2021-03-01"))
        .respond_with(ResponseTemplate::new(200).set_body_json(instance))
        .mount(&server)
        .await;
    let token = json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "t" });
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(token))
        .mount(&server)
        .await;
    Mock::given(|request: &wiremock::Request| request.url.path().starts_with("/subscriptions/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "value": [] })))
        .mount(&server)
        .await;
    server
}

fn compute(uniform: &str, flexible_id: &str) -> Value {
    json!({
        "azEnvironment": "AzurePublicCloud",
        "name": "here_3",
        "subscriptionId": SUBSCRIPTION.to_uppercase(),
        "resourceGroupName": "Own-Group",
        "vmScaleSetName": uniform,
        "virtualMachineScaleSet": { "id": flexible_id },
    })
}

fn provider(server: &MockServer, keys: &str) -> Box<dyn Provider> {
    let uri = server.uri();
    let string = format!(
        "{keys} tenant_id=t client_id=c client_secret=s audience=https://management.azure.com/ arm_endpoint={uri} authority_host={uri}{}",
        if keys.contains("metadata_endpoint") {
            String::new()
        } else {
            format!(" metadata_endpoint={uri}")
        }
    );
    let mut settings = HttpSettings::default();
    settings.proxy_from_environment = false;
    let context = Context::builder()
        .env(Env::empty())
        .http(settings)
        .build()
        .unwrap();
    SPEC.build(&string.parse().unwrap(), &context).unwrap()
}

async fn ask(provider: &dyn Provider) -> Result<(), Error> {
    provider
        .discover(&Call::new(
            &Clock::auto_advancing(),
            Duration::from_secs(600),
        ))
        .await
        .map(drop)
}

/// The paths that ARM was asked for, once each.
async fn asked(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    let mut paths: Vec<_> = requests
        .iter()
        .map(|request| request.url.path().to_owned())
        .filter(|path| path.starts_with("/subscriptions/"))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

async fn metadata_requests(server: &MockServer) -> usize {
    server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .filter(|request| request.url.path() == "/metadata/instance")
        .count()
}

#[tokio::test]
async fn a_uniform_instance_finds_its_own_set() {
    let server = server(&compute("uni", "")).await;
    let provider = provider(
        &server,
        "subscription_id=self vm_scale_set=self resource_group=self",
    );
    assert!(
        !provider
            .scope()
            .iter()
            .any(|(name, _)| *name == "subscription_id")
    );
    _ = ask(provider.as_ref()).await;
    assert!(
        provider
            .scope()
            .contains(&("subscription_id", SUBSCRIPTION.to_owned())),
        "{:?}",
        provider.scope()
    );
    let set = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/Own-Group/providers/microsoft.Compute/virtualMachineScaleSets/uni/networkInterfaces"
    );
    assert!(
        asked(&server)
            .await
            .iter()
            .any(|path| path.eq_ignore_ascii_case(&set)),
        "{:?}",
        asked(&server).await
    );
    assert_eq!(metadata_requests(&server).await, 1);
}

#[tokio::test]
async fn a_flexible_instance_finds_its_own_set_and_group() {
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/Own-Group/providers/Microsoft.Compute/virtualMachineScaleSets/flex"
    );
    let server = server(&compute("", &id)).await;
    // The group need not be said: metadata name it together with the set.
    _ = ask(provider(&server, "subscription_id=self vm_scale_set=self").as_ref()).await;
    let set = format!("{id}/networkInterfaces");
    assert!(
        asked(&server)
            .await
            .iter()
            .any(|path| path.eq_ignore_ascii_case(&set)),
        "{:?}",
        asked(&server).await
    );
}

#[tokio::test]
async fn only_what_is_self_is_replaced() {
    let server = server(&compute("uni", "")).await;
    _ = ask(provider(
        &server,
        &format!("{GIVEN} resource_group=self tag_name=a tag_value=b"),
    )
    .as_ref())
    .await;
    let interfaces = "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/Own-Group/providers/Microsoft.Network/networkInterfaces";
    assert_eq!(asked(&server).await[0], interfaces);
}

#[tokio::test]
async fn of_several_groups_only_self_is_replaced() {
    let server = server(&compute("uni", "")).await;
    _ = ask(provider(
        &server,
        &format!("{GIVEN} resource_group=self,other tag_name=a tag_value=b"),
    )
    .as_ref())
    .await;
    let asked = asked(&server).await;
    for group in ["Own-Group", "other"] {
        assert!(
            asked
                .iter()
                .any(|path| path.contains(&format!("/resourceGroups/{group}/"))),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn without_a_subscription_it_is_that_of_the_machine() {
    let server = server(&compute("", "")).await;
    _ = ask(provider(&server, "tag_name=a tag_value=b").as_ref()).await;
    assert_eq!(
        asked(&server).await[0],
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/networkInterfaces")
    );
}

#[tokio::test]
async fn nothing_is_requested_when_everything_is_named() {
    let server = server(&compute("uni", "")).await;
    _ = ask(provider(&server, &format!("{GIVEN} tag_name=a tag_value=b")).as_ref()).await;
    assert_eq!(metadata_requests(&server).await, 0);
}

#[tokio::test]
async fn a_machine_in_no_scale_set_is_an_error() {
    let server = server(&compute("", "")).await;
    let error = ask(provider(&server, "vm_scale_set=self").as_ref())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Config(_)));
    assert_eq!(
        error.to_string(),
        "`vm_scale_set` is `self`, and this machine (`here_3`) is in no scale set"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("name the scale set, or look for a tag")
    );
}

#[tokio::test]
async fn a_busy_service_is_retried() {
    for status in [404, 410, 429, 503] {
        let server = server(&compute("", "")).await;
        Mock::given(path("/metadata/instance"))
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(2)
            .with_priority(1)
            .mount(&server)
            .await;
        ask(provider(&server, "tag_name=a tag_value=b").as_ref())
            .await
            .unwrap();
        assert_eq!(metadata_requests(&server).await, 3, "{status}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_service_is_shown() {
    let server = server(&compute("", "")).await;
    let refusal = json!({ "error": "Bad request. api-version is invalid" });
    Mock::given(path("/metadata/instance"))
        .respond_with(ResponseTemplate::new(400).set_body_json(refusal))
        .with_priority(1)
        .mount(&server)
        .await;
    let error = ask(provider(&server, "tag_name=a tag_value=b").as_ref())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the metadata of this machine: status 400 `Bad request. api-version is invalid`"
    );
}

#[tokio::test]
async fn off_azure_the_error_names_the_key_and_what_to_write() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let server = server(&compute("", "")).await;
    let late = "the metadata service of this machine may not be up yet; outside Azure";
    let table = [
        (
            "tag_name=a tag_value=b",
            "`subscription_id` is not given",
            "add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`",
        ),
        (
            "tag_name=a tag_value=b subscription_id=self",
            "`subscription_id` is `self`",
            "add `subscription_id=...`",
        ),
        (
            &format!("{GIVEN} vm_scale_set=self"),
            "`vm_scale_set` is `self`",
            "add `vm_scale_set=...`",
        ),
        (
            &format!("{GIVEN} vm_scale_set=web resource_group=self"),
            "`resource_group` is `self`",
            "add `resource_group=...`",
        ),
    ];
    for (keys, reason, hint) in table {
        let error = ask(provider(&server, &format!("{keys} metadata_endpoint={nobody}")).as_ref())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read the metadata of this machine: no connection to {nobody}")
        );
        assert_eq!(
            error.hint().as_deref(),
            Some(format!("{reason}; {late} {hint}").as_str())
        );
        assert!(error.is_transient());
    }
    let other = ResponseTemplate::new(401).insert_header("server", "EC2ws");
    Mock::given(path("/metadata/instance"))
        .respond_with(other)
        .with_priority(1)
        .mount(&server)
        .await;
    let error = ask(provider(&server, "tag_name=a tag_value=b").as_ref())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read the metadata of this machine: status 401: the server at {} is not the instance metadata service of Azure",
            server.uri()
        )
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "`subscription_id` is not given; outside Azure add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`"
        )
    );
    assert_eq!(metadata_requests(&server).await, 1);
}
