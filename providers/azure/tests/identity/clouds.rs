//! Every identity in every cloud: whom each asks for a token for, on the wire.

use std::sync::Arc;

use cloud_autojoin_core::command::CommandOutput;
use wiremock::Mock;
use wiremock::matchers::path;

use crate::stage::{
    Commands, Stage, TOKEN_PATH, found, metadata_token, query, with_metadata_header,
};

/// The keys of a cloud, its audience, its scope.
const CLOUDS: [(&str, &str, &str); 4] = [
    (
        "environment=public",
        "https://management.azure.com/",
        "https://management.azure.com/.default",
    ),
    (
        "environment=usgovernment",
        "https://management.core.usgovcloudapi.net/",
        "https://management.core.usgovcloudapi.net/.default",
    ),
    (
        "environment=china",
        "https://management.core.chinacloudapi.cn/",
        "https://management.core.chinacloudapi.cn/.default",
    ),
    (
        "audience=https://management.stack.example/4de154de",
        "https://management.stack.example/4de154de",
        "https://management.stack.example/4de154de/.default",
    ),
];

const AZ: &str = r#"{"accessToken":"t","expires_on":4102444800}"#;
const AZD: &str = r#"{"token":"t","expiresOn":"2099-12-31T23:00:00Z"}"#;

fn commands() -> Arc<Commands> {
    Commands::new(|program, _| {
        Ok(CommandOutput::new(
            0,
            if program == "az" { AZ } else { AZD },
            "",
        ))
    })
}

#[tokio::test]
async fn applications_request_the_clouds_scope() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "a.b.c").unwrap();
    let certificate = format!(
        "{}/tests/fixtures/identity/application.pem",
        env!("CARGO_MANIFEST_DIR")
    );
    for (cloud, _, scope) in CLOUDS {
        for (keys, variable, value) in [
            ("tenant_id=t client_id=c client_secret=s", "A", ""),
            ("", "AZURE_CLIENT_SECRET", "s"),
            ("", "AZURE_CLIENT_CERTIFICATE_PATH", certificate.as_str()),
            ("", "AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ] {
            let stage = Stage::new().await.variables([
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_ID", "c"),
                (variable, value),
            ]);
            stage.entra_gives("t").await;
            found(stage.discover(&format!("{cloud} {keys}")).await);
            let forms = stage.forms().await;
            assert_eq!(
                (forms.len(), forms[0]["scope"].as_str()),
                (1, scope),
                "{cloud} {variable}"
            );
        }
    }
}

#[tokio::test]
async fn managed_identities_request_the_clouds_audience() {
    for (cloud, audience, _) in CLOUDS {
        let stage = Stage::new().await;
        stage
            .mount(
                Mock::given(path(TOKEN_PATH)).and(with_metadata_header),
                metadata_token("t"),
            )
            .await;
        found(stage.discover(cloud).await);
        assert_eq!(stage.queries().await[0]["resource"], audience);

        let endpoint = format!("{}/msi/token", stage.uri());
        let stage = stage.variables([("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", "h")]);
        stage
            .mount(Mock::given(path("/msi/token")), metadata_token("t"))
            .await;
        found(stage.discover(cloud).await);
        let requests = stage
            .requests(|request| request.url.path() == "/msi/token")
            .await;
        assert_eq!(query(&requests[0])["resource"], audience);
    }
}

#[tokio::test]
async fn command_lines_request_the_clouds_audience_or_scope() {
    for (cloud, audience, scope) in CLOUDS {
        let stage = Stage::new().await.commands(commands());
        for narrow in ["AzureCLICredential", "AzureDeveloperCLICredential"] {
            found(
                stage
                    .discover(&format!("{cloud} token_credentials={narrow}"))
                    .await,
            );
        }
        let seen = stage.commands.seen.lock().unwrap().clone();
        assert_eq!(
            seen,
            [
                format!("az account get-access-token -o json --resource {audience}"),
                format!("azd auth token -o json --no-prompt --scope {scope}")
            ]
        );
    }
}
