//! Worlds put together from bodies of recorded shape (`tests/fixtures`), served as they stand.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_azure::credential::{AccessToken, Identity};
use cloud_autojoin_azure::select::{Lookup, TagCondition, Tags};
use cloud_autojoin_azure::{AzureBuilder, AzureConfig, Cloud, Selection};
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::HttpSettings;
use cloud_autojoin_core::{Call, Clock, Context, Detail, Discovery, Env, Error, Provider, Secret};
use wiremock::matchers::{bearer_token, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{SUBSCRIPTION, node, printed, reasons, shown};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name))
    };
}

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl CredentialSource for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    async fn token(&self, _scope: &str, _call: &Call) -> Result<AccessToken, SourceOutcome> {
        Ok(AccessToken::new(
            Secret::new("token"),
            SystemTime::now() + Duration::from_secs(3600),
        ))
    }
}

const GROUP: &str =
    "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/prod/providers";

/// Serves a body at a path of the group; everything else is 404 without a body.
pub(crate) async fn serve(server: &MockServer, status: u16, at: &str, body: &str) {
    Mock::given(method("GET"))
        .and(path(format!("{GROUP}/{at}")))
        .and(bearer_token("token"))
        .respond_with(
            ResponseTemplate::new(status)
                .set_body_string(body)
                .insert_header("x-ms-request-id", "request-1"),
        )
        .mount(server)
        .await;
}

pub(crate) async fn discover(
    server: &MockServer,
    selection: Selection,
) -> Result<Discovery, Error> {
    let mut http = HttpSettings::default();
    http.proxy_from_environment = false;
    let clock = Clock::auto_advancing();
    let context = Context::builder()
        .http(http)
        .env(Env::empty())
        .clock(clock.clone())
        .build()
        .unwrap();
    let mut cloud = Cloud::default();
    cloud.resource_manager = server.uri().parse().unwrap();
    let config = AzureConfig::new(SUBSCRIPTION, selection);
    let azure = AzureBuilder::new(&context, config)
        .cloud(cloud)
        .identity(Identity::Custom(Arc::new(Fixed)))
        .build()
        .unwrap();
    azure
        .discover(&Call::new(&clock, Duration::from_secs(60)).with_detail(Detail::Everything))
        .await
}

pub(crate) fn set() -> Selection {
    Selection::ScaleSet {
        resource_group: "prod".to_owned(),
        name: "web".to_owned(),
        orchestration_mode: None,
        tags: None,
    }
}

pub(crate) const U: &str = "Microsoft.Compute/virtualMachineScaleSets/web/networkInterfaces";
pub(crate) const V: &str = "Microsoft.Compute/virtualMachines";
pub(crate) const N: &str = "Microsoft.Network/networkInterfaces";

#[tokio::test]
async fn of_four_uniform_interfaces_the_two_of_living_instances_count() {
    let server = MockServer::start().await;
    serve(&server, 200, U, fixture!("uniform-network-interfaces.json")).await;
    serve(&server, 200, V, fixture!("virtual-machines-empty.json")).await;
    serve(&server, 200, N, fixture!("network-interfaces-empty.json")).await;
    serve(
        &server,
        200,
        "Microsoft.Compute/virtualMachineScaleSets/web/virtualMachines",
        fixture!("uniform-instances.json"),
    )
    .await;
    let found = discover(&server, set()).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.4", "10.9.0.7"]);
    assert_eq!(found.excluded()["instance_gone"], 2);
    let last = found
        .nodes()
        .iter()
        .find(|node| node.parent("instance") == Some("web_3"))
        .unwrap();
    assert_eq!(
        last.attribute("zone"),
        Some("2"),
        "the list of instances says more than the interfaces do"
    );
}

#[tokio::test]
async fn flexible_machines_join_with_interfaces_spelled_in_another_case() {
    let server = MockServer::start().await;
    serve(&server, 404, U, fixture!("error-404-network.json")).await;
    Mock::given(method("GET"))
        .and(path(format!("{GROUP}/{V}")))
        .and(query_param("$filter", format!("'virtualMachineScaleSet/id' eq '{GROUP}/Microsoft.Compute/virtualMachineScaleSets/web'")))
        .respond_with(ResponseTemplate::new(200).set_body_string(fixture!("flexible-virtual-machines.json")))
        .mount(&server)
        .await;
    serve(
        &server,
        200,
        N,
        fixture!("network-interfaces-of-group.json"),
    )
    .await;
    let found = discover(&server, set()).await.unwrap();
    assert_eq!(printed(&found), ["10.9.1.4", "10.9.1.5"]);
    assert!(found.nodes().iter().all(|node| {
        node.attribute("resource group") == Some("prod")
            && node
                .parent("instance")
                .is_some_and(|name| name.starts_with("web_"))
    }));
}

#[tokio::test]
async fn tags_are_read_off_interfaces_of_every_kind() {
    let server = MockServer::start().await;
    serve(
        &server,
        200,
        N,
        fixture!("network-interfaces-of-group.json"),
    )
    .await;
    let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
    let found = discover(
        &server,
        Selection::Tag {
            tags,
            resource_groups: vec!["prod".to_owned()],
            lookup: Lookup::List,
        },
    )
    .await
    .unwrap();
    assert_eq!(
        printed(&found),
        ["10.9.1.6", "10.9.1.7", "10.9.1.8", "10.9.1.9"]
    );
    assert_eq!(reasons(node(&found, "dual")), ["no private address yet"]);
    assert_eq!(
        reasons(node(&found, "deallocated")),
        ["tag `consul` is `client`, not `server`"]
    );
    assert_eq!((found.examined(), found.matched()), (10, 3));
}

#[tokio::test]
async fn an_unknown_set_shows_when_it_is_read() {
    let server = MockServer::start().await;
    serve(&server, 404, U, fixture!("error-404-parent.json")).await;
    serve(&server, 200, V, fixture!("virtual-machines-empty.json")).await;
    serve(
        &server,
        200,
        N,
        fixture!("network-interfaces-of-group.json"),
    )
    .await;
    serve(
        &server,
        404,
        "Microsoft.Compute/virtualMachineScaleSets/web",
        fixture!("error-404-resource.json"),
    )
    .await;
    let text = shown(&discover(&server, set()).await.unwrap_err());
    assert!(
        text.starts_with("cannot read scale set `web`: status 404 `ResourceNotFound`")
            && text.contains("[request id request-1]"),
        "{text}"
    );
    assert!(text.contains("hint: no such scale set"), "{text}");
}

#[tokio::test]
async fn a_set_of_before_orchestration_modes_is_uniform() {
    let server = MockServer::start().await;
    serve(&server, 404, U, fixture!("error-404-network.json")).await;
    serve(&server, 200, V, fixture!("virtual-machines-empty.json")).await;
    serve(
        &server,
        200,
        "Microsoft.Compute/virtualMachineScaleSets/web",
        fixture!("scale-set-before-orchestration-mode.json"),
    )
    .await;
    let text = shown(
        &discover(&server, set())
            .await
            .unwrap()
            .require_addresses()
            .unwrap_err(),
    );
    assert!(
        text.contains(
            "the scale set `web` is there (Uniform) with a capacity of 2, and has no instances yet"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn errors_keep_azures_words_whatever_their_shape() {
    for (status, body, words) in [
        (
            403,
            fixture!("error-403.json"),
            "status 403 `AuthorizationFailed`",
        ),
        (
            401,
            fixture!("error-401-expired.json"),
            "status 401 `ExpiredAuthenticationToken`",
        ),
        (
            404,
            fixture!("error-404-resource-group.json"),
            "Resource group 'prod' could not be found.",
        ),
        (
            409,
            fixture!("error-409.json"),
            "status 409 `OperationNotAllowed`",
        ),
        (
            429,
            fixture!("error-429-network.json"),
            "RetryableErrorDueToAnotherOperation",
        ),
        (
            429,
            fixture!("error-429-other-shape.json"),
            "Cannot acquire exclusive lock",
        ),
        (
            500,
            fixture!("error-500.json"),
            "status 500 `InternalServerError`",
        ),
        (
            503,
            fixture!("error-503.html"),
            "Our services aren't available right now",
        ),
    ] {
        let server = MockServer::start().await;
        serve(&server, status, N, body).await;
        let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
        let text = shown(
            &discover(
                &server,
                Selection::Tag {
                    tags,
                    resource_groups: vec!["prod".to_owned()],
                    lookup: Lookup::List,
                },
            )
            .await
            .unwrap_err(),
        );
        assert!(
            text.contains(words) && text.contains("request-1"),
            "{status}: {text}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_page_is_an_error_and_not_an_empty_list() {
    for body in [
        "{}",
        "[]",
        "null",
        r#"{"value":{}}"#,
        r#"{"values":[]}"#,
        r#"{"value":[null]}"#,
        r#"{"value":["10.0.0.4"]}"#,
    ] {
        let server = MockServer::start().await;
        serve(&server, 200, N, body).await;
        let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
        let error = discover(
            &server,
            Selection::Tag {
                tags,
                resource_groups: vec!["prod".to_owned()],
                lookup: Lookup::List,
            },
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error, Error::Decode(_)),
            "{body}: {}",
            shown(&error)
        );
    }
}

#[tokio::test]
async fn a_machine_that_names_another_set_is_no_member_though_the_filter_let_it_pass() {
    let server = MockServer::start().await;
    serve(&server, 404, U, fixture!("error-404-network.json")).await;
    let machines = fixture!("flexible-virtual-machines.json").replacen(
        "virtualMachineScaleSets/web\"",
        "virtualMachineScaleSets/web2\"",
        1,
    );
    serve(&server, 200, V, &machines).await;
    serve(
        &server,
        200,
        N,
        fixture!("network-interfaces-of-group.json"),
    )
    .await;
    let found = discover(&server, set()).await.unwrap();
    assert_eq!(printed(&found), ["10.9.1.5"]);
    assert_eq!(
        reasons(node(&found, "web_0000000a")),
        ["not part of scale set `web`"]
    );
}

#[tokio::test]
async fn machines_that_all_name_another_set_make_no_flexible_set() {
    let server = MockServer::start().await;
    serve(&server, 404, U, fixture!("error-404-network.json")).await;
    serve(
        &server,
        200,
        V,
        &fixture!("flexible-virtual-machines.json").replace(
            "virtualMachineScaleSets/web\"",
            "virtualMachineScaleSets/web2\"",
        ),
    )
    .await;
    serve(
        &server,
        200,
        N,
        fixture!("network-interfaces-of-group.json"),
    )
    .await;
    serve(
        &server,
        200,
        "Microsoft.Compute/virtualMachineScaleSets/web",
        fixture!("scale-set-flexible-without-profile.json"),
    )
    .await;
    let text = shown(
        &discover(&server, set())
            .await
            .unwrap()
            .require_addresses()
            .unwrap_err(),
    );
    assert!(
        text.contains("the scale set `web` is there (Flexible), and has no instances"),
        "{text}"
    );
}

#[tokio::test]
async fn the_missing_permission_is_the_one_azure_names() {
    let server = MockServer::start().await;
    serve(
        &server,
        403,
        N,
        &fixture!("error-403.json")
            .replace("networkInterfaces/read", "networkInterfaces/list/action"),
    )
    .await;
    let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
    let error = discover(
        &server,
        Selection::Tag {
            tags,
            resource_groups: vec!["prod".to_owned()],
            lookup: Lookup::List,
        },
    )
    .await
    .unwrap_err();
    let Error::Api(error) = error else {
        panic!("{error}")
    };
    assert_eq!(
        error.missing_permission(),
        Some("Microsoft.Network/networkInterfaces/list/action")
    );
}
