//! A token of Kubernetes in exchange for one of Entra.

use std::time::Duration;

use crate::stage::{Stage, found, lines};

#[tokio::test]
async fn the_token_file_is_sent_without_its_line_end_and_read_again_for_the_next_token() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "first.of.kubernetes\n").unwrap();
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ]);
    stage.entra_gives("token").await;
    let provider = stage.provider("");
    assert_eq!(
        found(stage.discover_with(provider.as_ref()).await),
        (
            vec!["10.0.0.4".to_owned()],
            "workload identity of client id `c`".to_owned()
        )
    );
    std::fs::write(&file, "second.of.kubernetes").unwrap();
    stage.clock.sleep(Duration::from_secs(3600)).await;
    found(stage.discover_with(provider.as_ref()).await);

    let forms = stage.forms().await;
    let assertions: Vec<_> = forms
        .iter()
        .map(|form| form["client_assertion"].as_str())
        .collect();
    assert_eq!(assertions, ["first.of.kubernetes", "second.of.kubernetes"]);
    assert_eq!(
        forms[0]["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(
        stage
            .requests(|request| request.url.path() == "/t/oauth2/v2.0/token")
            .await
            .len(),
        2
    );
}

#[tokio::test]
async fn client_and_tenant_of_the_string_go_before_those_of_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "a.b.c").unwrap();
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ]);
    stage.entra_gives("token").await;
    assert_eq!(
        found(stage.discover("client_id=own tenant_id=own.example").await).1,
        "workload identity of client id `own`"
    );
    assert_eq!(stage.forms().await[0]["client_id"], "own");
    assert_eq!(
        stage
            .requests(|request| request.url.path() == "/own.example/oauth2/v2.0/token")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_token_file_that_cannot_be_read_is_the_error() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let absent = directory.path().join("absent");
    for (file, reason) in [
        (&absent, "No such file or directory"),
        (&empty, "it is empty"),
    ] {
        let file = file.to_str().unwrap();
        let stage = Stage::new().await.variables([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", file),
        ]);
        let error = stage.discover("").await.unwrap_err();
        let lines = lines(&error);
        assert_eq!(lines[0], "the credential `workload identity` failed");
        assert!(
            lines[1].starts_with(&format!(
                "cannot read the token file `{file}` of `AZURE_FEDERATED_TOKEN_FILE`: {reason}"
            )),
            "{lines:?}"
        );
    }
}
