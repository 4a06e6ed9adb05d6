//! The identity of the place this runs in: a machine, App Service, Azure Arc.

use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::stage::{
    Stage, TOKEN_PATH, found, lines, metadata_token, query, with_metadata_header,
    without_metadata_header,
};

fn token_endpoint() -> wiremock::MockBuilder {
    Mock::given(method("GET"))
        .and(path(TOKEN_PATH))
        .and(with_metadata_header)
}

#[tokio::test]
async fn the_identity_is_chosen_on_the_wire_by_each_kind_of_id() {
    let table = [
        ("", "managed identity of this machine", None),
        (
            "client_id=c",
            "managed identity of client id `c`",
            Some(("client_id", "c")),
        ),
        (
            "identity_object_id=o",
            "managed identity of object id `o`",
            Some(("object_id", "o")),
        ),
        (
            "identity_resource_id=/subscriptions/s/i",
            "managed identity of resource id `/subscriptions/s/i`",
            Some(("msi_res_id", "/subscriptions/s/i")),
        ),
    ];
    for (keys, identity, choice) in table {
        let stage = Stage::new().await;
        stage
            .mount(token_endpoint(), metadata_token("of-the-machine"))
            .await;
        assert_eq!(
            found(stage.discover(keys).await),
            (vec!["10.0.0.4".to_owned()], identity.to_owned())
        );
        let queries = stage.queries().await;
        assert_eq!(queries.len(), 1);
        let mut expected = vec![
            ("api-version", "2018-02-01"),
            ("resource", "https://management.azure.com/"),
        ];
        expected.extend(choice);
        expected.sort_unstable();
        let seen: Vec<_> = queries[0]
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(stage.bearers().await, ["Bearer of-the-machine"]);
    }
}

#[tokio::test]
async fn the_client_id_of_the_sdks_variable_counts_too() {
    let stage = Stage::new().await.variables([("AZURE_CLIENT_ID", "c")]);
    stage.mount(token_endpoint(), metadata_token("t")).await;
    assert_eq!(
        found(stage.discover("").await).1,
        "managed identity of client id `c`"
    );
}

#[tokio::test]
async fn the_probe_is_one_request_in_the_life_of_a_provider() {
    let stage = Stage::new().await;
    stage.mount(token_endpoint(), metadata_token("t")).await;
    let provider = stage.provider("");
    found(stage.discover_with(provider.as_ref()).await);
    let probes = || {
        stage.requests(|request| {
            request.url.path() == TOKEN_PATH && without_metadata_header(request)
        })
    };
    // None where the token came before it was sent.
    let first = probes().await.len();
    assert!(first <= 1);
    stage.clock.sleep(Duration::from_secs(86_400)).await;
    found(stage.discover_with(provider.as_ref()).await);
    assert_eq!(probes().await.len(), first);
    assert_eq!(stage.queries().await.len(), 2);
}

#[tokio::test]
async fn a_token_does_not_wait_for_the_probe_and_a_refusal_does() {
    // The probe is never answered: only its limit ends it.
    let silent = ResponseTemplate::new(400).set_delay(Duration::from_secs(3600));
    let stage = Stage::new().await;
    Mock::given(path(TOKEN_PATH))
        .and(without_metadata_header)
        .respond_with(silent)
        .with_priority(1)
        .mount(&stage.server)
        .await;
    token_endpoint()
        .respond_with(metadata_token("t"))
        .up_to_n_times(1)
        .mount(&stage.server)
        .await;
    assert_eq!(found(stage.discover("").await).0, ["10.0.0.4"]);

    stage
        .mount(token_endpoint(), ResponseTemplate::new(403))
        .await;
    let error = stage.discover("").await.unwrap_err();
    assert!(
        error.to_string().contains(&format!(
            "managed identity: no instance metadata service at {};",
            stage.uri()
        )),
        "{error}"
    );
}

#[tokio::test]
async fn requests_are_retried_while_the_service_is_updated_or_throttles() {
    for status in [404, 410, 429, 500, 503] {
        let stage = Stage::new().await;
        token_endpoint()
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(2)
            .mount(&stage.server)
            .await;
        stage.mount(token_endpoint(), metadata_token("t")).await;
        assert_eq!(found(stage.discover("").await).0, ["10.0.0.4"], "{status}");
        assert_eq!(stage.queries().await.len(), 3, "{status}");
    }
}

#[tokio::test]
async fn other_refusals_are_final() {
    for status in [401, 403, 405] {
        let stage = Stage::new().await;
        stage
            .mount(token_endpoint(), ResponseTemplate::new(status))
            .await;
        let error = stage.discover("").await.unwrap_err();
        assert_eq!(
            lines(&error),
            [
                "the credential `managed identity` failed".to_owned(),
                format!("cannot get a token from the instance metadata service: status {status}")
            ]
        );
        assert_eq!(stage.queries().await.len(), 1);
    }
}

/// shape: recorded instance metadata refusal (another one), 2021; words as documented for managed
/// identities
fn not_found(words: &str) -> ResponseTemplate {
    ResponseTemplate::new(400)
        .set_body_json(json!({ "error": "invalid_request", "error_description": words }))
}

#[tokio::test]
async fn a_chosen_identity_that_does_not_exist_is_the_error() {
    let stage = Stage::new().await;
    stage
        .mount(token_endpoint(), not_found("Identity not found"))
        .await;
    let error = stage.discover("client_id=c").await.unwrap_err();
    assert_eq!(
        lines(&error),
        [
            "the credential `managed identity` failed",
            "cannot get a token from the instance metadata service: status 400 `invalid_request`: Identity not found",
        ]
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "assign the identity with client id `c` to this machine (in a scale set: to the set), or correct the id"
        )
    );
}

#[tokio::test]
async fn a_machine_without_identity_passes_on_and_one_with_several_does_not() {
    let stage = Stage::new().await;
    stage
        .mount(token_endpoint(), not_found("Identity not found"))
        .await;
    let error = stage
        .discover("token_credentials=ManagedIdentityCredential")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no credential found: managed identity: this machine has no system-assigned identity (`invalid_request`: Identity not found)"
    );

    let stage = Stage::new().await;
    let words = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request";
    stage.mount(token_endpoint(), not_found(words)).await;
    let error = stage.discover("").await.unwrap_err();
    assert_eq!(
        lines(&error)[1],
        format!(
            "cannot get a token from the instance metadata service: status 400 `invalid_request`: {words}"
        )
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.ends_with("choose one with `client_id=...`")),
        "{:?}",
        error.hint()
    );
}

#[tokio::test]
async fn a_missing_service_or_that_of_another_cloud_is_skipped() {
    // A port that was free a moment ago: nobody listens.
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let stage = Stage::new().await;
    let error = stage
        .discover(&format!(
            "token_credentials=ManagedIdentityCredential metadata_endpoint={closed}"
        ))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no credential found: managed identity: no instance metadata service at {closed}")
    );

    let others = [
        ResponseTemplate::new(404).insert_header("server", "EC2ws"),
        ResponseTemplate::new(404).insert_header("metadata-flavor", "Google"),
        ResponseTemplate::new(403)
            .set_body_string("connecting to 169.254.169.254:80: dial tcp: host is unreachable"),
    ];
    for other in others {
        let stage = Stage::new().await;
        Mock::given(path(TOKEN_PATH))
            .respond_with(other)
            .with_priority(1)
            .mount(&stage.server)
            .await;
        let error = stage
            .discover("token_credentials=ManagedIdentityCredential")
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "no credential found: managed identity: the server at {} is not the instance metadata service of Azure",
                stage.uri()
            )
        );
    }
}

#[tokio::test]
async fn a_service_that_never_knows_the_path_is_passed_over_in_the_end() {
    let stage = Stage::new().await;
    stage
        .mount(Mock::given(path(TOKEN_PATH)), ResponseTemplate::new(404))
        .await;
    let error = stage
        .discover("token_credentials=ManagedIdentityCredential")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no credential found: managed identity: the server at {} is not the instance metadata service of Azure",
            stage.uri()
        )
    );
    assert_eq!(stage.queries().await.len(), 7);
}

const APP_SERVICE: &str = "/msi/token";

/// shape: learn.microsoft.com/azure/app-service/overview-managed-identity, 2019-08-01
fn app_service_token() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "access_token": "of-the-app", "expires_on": "4102444800", "resource": "https://management.azure.com/", "token_type": "Bearer", "client_id": "i" }))
}

#[tokio::test]
async fn app_service_gets_its_header() {
    for (keys, choice) in [
        ("", None),
        ("client_id=c", Some("client_id")),
        ("identity_object_id=c", Some("principal_id")),
        ("identity_resource_id=c", Some("mi_res_id")),
    ] {
        let stage = Stage::new().await;
        let endpoint = format!("{}{APP_SERVICE}", stage.uri());
        let stage = stage.variables([
            ("IDENTITY_ENDPOINT", &endpoint),
            ("IDENTITY_HEADER", "canary-header"),
        ]);
        stage
            .mount(
                Mock::given(path(APP_SERVICE)).and(header("x-identity-header", "canary-header")),
                app_service_token(),
            )
            .await;
        assert_eq!(found(stage.discover(keys).await).0, ["10.0.0.4"], "{keys}");
        let requests = stage
            .requests(|request| request.url.path() == APP_SERVICE)
            .await;
        let query = query(&requests[0]);
        assert_eq!(
            (query["api-version"].as_str(), query["resource"].as_str()),
            ("2019-08-01", "https://management.azure.com/")
        );
        assert_eq!(query.len(), 2 + usize::from(choice.is_some()));
        assert!(choice.is_none_or(|name| query[name] == "c"), "{query:?}");
        assert_eq!(stage.bearers().await, ["Bearer of-the-app"]);
        // The metadata service of the host is left alone.
        assert!(
            stage
                .requests(|request| request.url.path() == TOKEN_PATH)
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_refusal_of_app_service_says_what_to_do() {
    let stage = Stage::new().await;
    let endpoint = format!("{}{APP_SERVICE}", stage.uri());
    let stage = stage.variables([
        ("IDENTITY_ENDPOINT", &endpoint),
        ("IDENTITY_HEADER", "canary-header"),
    ]);
    // shape: App Service's error, as issue reports quote it
    let refusal = json!({ "statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId." });
    stage
        .mount(
            Mock::given(path(APP_SERVICE)),
            ResponseTemplate::new(400).set_body_json(refusal),
        )
        .await;
    let error = stage.discover("client_id=c").await.unwrap_err();
    assert_eq!(
        lines(&error)[1],
        "cannot get a token from App Service: status 400: No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("assign the identity with client id `c` to this app, or correct the id")
    );
    assert!(!format!("{error:?}").contains("canary-header"));
}

#[tokio::test]
async fn a_token_service_of_another_machine_gets_no_request_over_plain_http() {
    let stage = Stage::new().await.variables([
        ("IDENTITY_ENDPOINT", "http://10.0.0.9/msi/token"),
        ("IDENTITY_HEADER", "h"),
    ]);
    let error = stage.discover("").await.unwrap_err();
    assert_eq!(
        lines(&error)[1],
        "`IDENTITY_ENDPOINT` must be an https URL, or an http URL of a loopback or link-local address"
    );
}

#[tokio::test]
async fn service_fabric_is_passed_over_by_name() {
    let stage = Stage::new().await.variables([
        ("IDENTITY_ENDPOINT", "https://10.0.0.9"),
        ("IDENTITY_HEADER", "h"),
        ("IDENTITY_SERVER_THUMBPRINT", "00"),
    ]);
    let error = stage
        .discover("token_credentials=ManagedIdentityCredential")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Service Fabric"), "{error}");
}

#[tokio::test]
async fn arc_does_not_read_a_file_that_is_no_key_of_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("a.key");
    std::fs::write(&foreign, "canary-key").unwrap();
    let foreign = foreign.to_str().unwrap().to_owned();
    for realm in [
        foreign.as_str(),
        "/etc/shadow",
        "/var/opt/azcmagent/tokens/../../../../etc/a.key",
        "/var/opt/azcmagent/tokens/a.txt",
        "a.key",
    ] {
        let stage = Stage::new().await;
        let uri = stage.uri();
        let endpoint = format!("{uri}/arc");
        let stage = stage.variables([("IDENTITY_ENDPOINT", &endpoint), ("IMDS_ENDPOINT", &uri)]);
        let challenge = ResponseTemplate::new(401)
            .insert_header("www-authenticate", format!("Basic realm={realm}").as_str());
        stage.mount(Mock::given(path("/arc")), challenge).await;
        let error = stage.discover("").await.unwrap_err();
        assert_eq!(
            lines(&error)[1],
            "cannot get a token from the Azure Arc agent: the challenge names a file that is no key file of the agent in `/var/opt/azcmagent/tokens`"
        );
        assert_eq!(
            stage
                .requests(|request| request.url.path() == "/arc")
                .await
                .len(),
            1,
            "{realm}"
        );
    }
}
