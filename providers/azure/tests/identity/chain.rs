//! The order of the sources, what each reports when it is passed over, and what narrows them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_azure::SPEC;
use cloud_autojoin_azure::credential::{AccessToken, Identity};
use cloud_autojoin_azure::select::{Selection, TagCondition, Tags};
use cloud_autojoin_azure::{AzureBuilder, AzureConfig, Cloud};
use cloud_autojoin_core::command::CommandOutput;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin_core::{Call, Clock, Context, Env, Error, Secret};
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use crate::stage::{
    Commands, SUBSCRIPTION, Stage, TOKEN_PATH, found, metadata_token, with_metadata_header,
    without_metadata_header,
};

const AZ: &str = r#"{"accessToken":"of-a-person","expires_on":4102444800}"#;

fn az() -> Arc<Commands> {
    Commands::new(|program, _| {
        if program == "az" {
            Ok(CommandOutput::new(0, AZ, ""))
        } else {
            Err(std::io::ErrorKind::NotFound.into())
        }
    })
}

/// Another cloud's metadata service.
fn no_service() -> ResponseTemplate {
    ResponseTemplate::new(404).insert_header("server", "EC2ws")
}

#[tokio::test]
async fn the_sources_are_tried_in_the_order_of_the_sdks() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "a.b.c").unwrap();
    let file = file.to_str().unwrap();
    let table = [
        (
            [
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_ID", "c"),
                ("AZURE_CLIENT_SECRET", "s"),
                ("AZURE_FEDERATED_TOKEN_FILE", file),
            ],
            true,
            "environment of application `c`",
        ),
        (
            [
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_ID", "c"),
                ("A", ""),
                ("AZURE_FEDERATED_TOKEN_FILE", file),
            ],
            true,
            "workload identity of client id `c`",
        ),
        (
            [("A", ""), ("B", ""), ("C", ""), ("D", "")],
            true,
            "managed identity of this machine",
        ),
        (
            [("A", ""), ("B", ""), ("C", ""), ("D", "")],
            false,
            "Azure CLI",
        ),
    ];
    for (variables, in_azure, identity) in table {
        let stage = Stage::new().await.variables(variables).commands(az());
        stage.entra_gives("t").await;
        if in_azure {
            stage
                .mount(
                    Mock::given(path(TOKEN_PATH)).and(with_metadata_header),
                    metadata_token("t"),
                )
                .await;
        } else {
            Mock::given(path(TOKEN_PATH))
                .respond_with(no_service())
                .with_priority(1)
                .mount(&stage.server)
                .await;
        }
        assert_eq!(found(stage.discover("").await).1, identity);
    }
}

#[tokio::test]
async fn another_server_at_the_metadata_address_costs_no_retry_before_the_next_source() {
    // From public reports of proxies, captive portals and other clouds at this address.
    let strangers = [
        (200, "text/html", "<html><body>welcome</body></html>"),
        (200, "application/json", r#"{"status":"ok"}"#),
        (200, "text/plain", ""),
        (
            403,
            "text/html",
            "<html><body>refused by policy</body></html>",
        ),
        (401, "text/html", ""),
        (405, "text/plain", "method not allowed"),
        (404, "text/html", ""),
        (404, "application/json", r#"{"message":"no such route"}"#),
        (302, "text/html", ""),
        (502, "text/html", "<html><body>Bad Gateway</body></html>"),
    ];
    for (status, kind, body) in strangers {
        let stage = Stage::new().await.commands(az());
        let answer = ResponseTemplate::new(status).set_body_raw(body, kind);
        Mock::given(path(TOKEN_PATH))
            .respond_with(answer)
            .with_priority(1)
            .mount(&stage.server)
            .await;
        assert_eq!(
            found(stage.discover("").await).1,
            "Azure CLI",
            "{status} {body}"
        );
        let probes = stage
            .requests(|request| {
                request.url.path() == TOKEN_PATH && without_metadata_header(request)
            })
            .await;
        assert!(
            stage.queries().await.len() <= 1 && probes.len() <= 1,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn an_emulator_that_serves_token_requests_only_counts() {
    let stage = Stage::new().await.commands(az());
    Mock::given(path(TOKEN_PATH))
        .and(without_metadata_header)
        .respond_with(ResponseTemplate::new(404))
        .with_priority(1)
        .mount(&stage.server)
        .await;
    stage
        .mount(
            Mock::given(path(TOKEN_PATH)).and(with_metadata_header),
            metadata_token("t"),
        )
        .await;
    assert_eq!(
        found(stage.discover("").await).1,
        "managed identity of this machine"
    );
}

#[tokio::test]
async fn when_all_are_absent_each_says_why_and_the_hint_says_what_to_do() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let stage = Stage::new().await;
    let error = stage
        .discover(&format!("metadata_endpoint={closed}"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no credential found: environment: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` are not set; \
             workload identity: `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` are not set; \
             managed identity: no instance metadata service at {closed}; \
             Azure CLI: there is no program `az` on `PATH`; Azure Developer CLI: there is no program `azd` on `PATH`"
        )
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("`az login`") && hint.contains("ARM_CLIENT_SECRET")),
        "{:?}",
        error.hint()
    );
    // On a machine that starts, the service may be late.
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_source_that_is_configured_and_fails_is_not_hidden_by_the_next() {
    let stage = Stage::new()
        .await
        .variables([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"),
        ])
        .commands(az());
    stage
        .mount(
            Mock::given(path(TOKEN_PATH)).and(with_metadata_header),
            metadata_token("t"),
        )
        .await;
    assert_eq!(
        stage.discover("").await.unwrap_err().to_string(),
        "the credential `workload identity` failed"
    );
    assert!(stage.queries().await.is_empty() && stage.commands.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_chain_is_narrowed_by_the_string_and_by_the_variable() {
    let sources = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = [
        "environment",
        "workload identity",
        "managed identity",
        "Azure CLI",
        "Azure Developer CLI",
    ];
    let table = [
        ("", sources(&all)),
        ("prod", sources(&all[..3])),
        ("dev", sources(&all[3..])),
        ("EnvironmentCredential", sources(&all[..1])),
        ("workloadidentitycredential", sources(&all[1..2])),
        ("ManagedIdentityCredential", sources(&all[2..3])),
        ("AzureCLICredential", sources(&all[3..4])),
        ("AzureDeveloperCLICredential", sources(&all[4..])),
    ];
    for (word, expected) in table {
        let by_key = if word.is_empty() {
            String::new()
        } else {
            format!("token_credentials={word}")
        };
        for (keys, variable) in [(by_key.as_str(), ""), ("", word)] {
            let stage = Stage::new()
                .await
                .variables([("AZURE_TOKEN_CREDENTIALS", variable)]);
            Mock::given(path(TOKEN_PATH))
                .respond_with(no_service())
                .with_priority(1)
                .mount(&stage.server)
                .await;
            let Err(Error::Credential(error)) = stage.discover(keys).await else {
                panic!("{word}")
            };
            assert_eq!(
                error
                    .reports()
                    .iter()
                    .map(|report| report.source.to_owned())
                    .collect::<Vec<_>>(),
                expected,
                "{word}"
            );
        }
    }
}

#[tokio::test]
async fn an_id_that_only_managed_identities_have_means_that_one() {
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
    ]);
    stage.entra_gives("wrong").await;
    stage
        .mount(
            Mock::given(path(TOKEN_PATH)).and(with_metadata_header),
            metadata_token("right"),
        )
        .await;
    found(stage.discover("identity_resource_id=r").await);
    assert_eq!(stage.bearers().await, ["Bearer right"]);
}

/// A network where packets vanish.
#[derive(Debug)]
struct BlackHole;

#[async_trait]
impl Transport for BlackHole {
    async fn send(
        &self,
        _request: &Request,
        _: cloud_autojoin_core::Instant,
    ) -> Result<RawResponse, TransportCause> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn off_azure_a_network_that_swallows_packets_costs_one_second() {
    let clock = Clock::system();
    let context = Context::builder()
        .env(Env::empty())
        .http_client(HttpClient::with_transport(
            Arc::new(BlackHole),
            HttpSettings::default(),
        ))
        .clock(clock.clone())
        .commands(Commands::none())
        .build()
        .unwrap();
    let string = format!(
        "subscription_id={SUBSCRIPTION} tag_name=a tag_value=b metadata_endpoint=http://127.0.0.1:9"
    );
    let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
    let call = Call::new(&clock, Duration::from_secs(60));
    let error = provider.discover(&call).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("managed identity: no instance metadata service at http://127.0.0.1:9;"),
        "{error}"
    );
    assert!(
        call.elapsed() <= Duration::from_millis(1001),
        "{:?}",
        call.elapsed()
    );
}

/// A program's own source of tokens.
#[derive(Debug)]
struct Vault;

#[async_trait]
impl CredentialSource for Vault {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        assert_eq!(scope, "https://management.azure.com/.default");
        Ok(AccessToken::new(
            Secret::new("of-the-vault"),
            call.clock().wall() + Duration::from_secs(3600),
        ))
    }
}

#[tokio::test]
async fn a_program_may_bring_its_own_source() {
    let stage = Stage::new().await;
    let context = Context::builder()
        .env(Env::empty())
        .clock(stage.clock.clone())
        .build()
        .unwrap();
    let mut cloud = Cloud::default();
    cloud.resource_manager = stage.uri().parse().unwrap();
    let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
    let config = AzureConfig::new(SUBSCRIPTION, Selection::tags(tags));
    let azure = AzureBuilder::new(&context, config)
        .identity(Identity::Custom(Arc::new(Vault)))
        .cloud(cloud)
        .build()
        .unwrap();
    assert_eq!(
        found(stage.discover_with(&azure).await),
        (vec!["10.0.0.4".to_owned()], "vault".to_owned())
    );
    assert_eq!(stage.bearers().await, ["Bearer of-the-vault"]);
}
