//! Who is signed in to `az` and `azd`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::command::CommandOutput;

use crate::stage::{Commands, Stage, found, lines, no_command};

const AZ: &str = "token_credentials=AzureCLICredential";
const AZD: &str = "token_credentials=AzureDeveloperCLICredential";

fn prints(program: &'static str, text: &'static str) -> Arc<Commands> {
    Commands::new(move |run, _| {
        if run == program {
            Ok(CommandOutput::new(0, text, "WARNING: noise"))
        } else {
            no_command()
        }
    })
}

fn fails(stderr: &'static str) -> Arc<Commands> {
    Commands::new(move |_, _| Ok(CommandOutput::new(1, "", stderr)))
}

#[tokio::test]
async fn az_is_run_for_a_token_of_the_audience() {
    // shape: `az account get-access-token` of version 2.54 and later
    let answer = r#"{"accessToken":"of-a-person","expiresOn":"2099-12-31 23:00:00.000000","expires_on":4102444800,"subscription":"s","tenant":"t","tokenType":"Bearer"}"#;
    let stage = Stage::new().await.commands(prints("az", answer));
    assert_eq!(
        found(stage.discover(AZ).await),
        (vec!["10.0.0.4".to_owned()], "Azure CLI".to_owned())
    );
    assert_eq!(stage.bearers().await, ["Bearer of-a-person"]);
    assert_eq!(
        *stage.commands.seen.lock().unwrap(),
        ["az account get-access-token -o json --resource https://management.azure.com/"]
    );

    let stage = Stage::new().await.commands(prints("az", answer));
    found(
        stage
            .discover(&format!("{AZ} tenant_id=contoso.example"))
            .await,
    );
    assert!(stage.commands.seen.lock().unwrap()[0].ends_with(" --tenant contoso.example"));
}

#[tokio::test]
async fn az_is_not_run_again_while_its_token_is_valid_and_soon_when_its_end_is_unknown() {
    let new = r#"{"accessToken":"t","expires_on":4102444800,"tokenType":"Bearer"}"#;
    let old =
        r#"{"accessToken":"t","expiresOn":"2021-04-10 11:33:14.000000","tokenType":"Bearer"}"#;
    for (answer, runs) in [(new, 1), (old, 2)] {
        let stage = Stage::new().await.commands(prints("az", answer));
        let provider = stage.provider(AZ);
        for _ in 0..2 {
            found(stage.discover_with(provider.as_ref()).await);
            stage.clock.sleep(Duration::from_secs(6 * 60)).await;
        }
        assert_eq!(stage.commands.seen.lock().unwrap().len(), runs, "{answer}");
    }
}

#[tokio::test]
async fn azd_is_run_for_the_scope() {
    // shape: `azd auth token`
    let stage = Stage::new().await.commands(prints(
        "azd",
        r#"{"token":"of-a-developer","expiresOn":"2099-12-31T23:00:00Z"}"#,
    ));
    assert_eq!(
        found(stage.discover(&format!("{AZD} tenant_id=t")).await),
        (
            vec!["10.0.0.4".to_owned()],
            "Azure Developer CLI".to_owned()
        )
    );
    assert_eq!(stage.bearers().await, ["Bearer of-a-developer"]);
    assert_eq!(
        stage.commands.seen.lock().unwrap()[0],
        "azd auth token -o json --no-prompt --scope https://management.azure.com/.default --tenant-id t"
    );
}

#[tokio::test]
async fn a_missing_program_or_one_without_a_signed_in_user_is_skipped() {
    let table = [
        (
            AZ,
            Commands::none(),
            "no credential found: Azure CLI: there is no program `az` on `PATH`",
        ),
        (
            AZD,
            Commands::none(),
            "no credential found: Azure Developer CLI: there is no program `azd` on `PATH`",
        ),
        (
            AZ,
            fails("WARNING: noise\nERROR: Please run 'az login' to setup account.\n"),
            "no credential found: Azure CLI: no user is signed in: run `az login` (`az account get-access-token` failed with status 1: Please run 'az login' to setup account.)",
        ),
        (
            AZD,
            fails(
                r#"{"type":"consoleMessage","timestamp":"2024-01-01T00:00:00Z","data":{"message":"\nERROR: not logged in, run `azd auth login` to login\n"}}"#,
            ),
            "no credential found: Azure Developer CLI: no user is signed in: run `azd auth login` (`azd auth token` failed with status 1: not logged in, run `azd auth login` to login)",
        ),
    ];
    for (keys, commands, message) in table {
        let stage = Stage::new().await.commands(commands);
        assert_eq!(stage.discover(keys).await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn a_failing_program_is_the_error_and_its_output_is_not_shown() {
    let table: [(Arc<Commands>, &str); 4] = [
        (
            fails("ERROR: AADSTS50020: User account does not exist in tenant."),
            "`az account get-access-token` failed with status 1: AADSTS50020: User account does not exist in tenant.",
        ),
        (
            Commands::new(|_, _| Err(io::ErrorKind::TimedOut.into())),
            "`az account get-access-token` did not end within 10s",
        ),
        (
            prints("az", r#"{"accessToken":"canary","#),
            "`az account get-access-token` didn't print the JSON of a credential",
        ),
        (
            prints("az", r#"{"accessToken":["canary"]}"#),
            "`az account get-access-token` didn't print the JSON of a credential",
        ),
    ];
    for (commands, message) in table {
        let stage = Stage::new().await.commands(commands);
        let error = stage.discover(AZ).await.unwrap_err();
        assert_eq!(
            lines(&error),
            ["the credential `Azure CLI` failed", message]
        );
        assert!(!format!("{error:?}").contains("canary"));
    }
}
