//! What is generated from the definition of the command line and the key tables: completions, the
//! manual page, the list of providers.

use serde_json::Value;

use crate::command::discover;

/// The keys of Azure as `discover providers` gives them to programs.
async fn keys() -> Vec<Value> {
    let ended = discover(["providers", "azure", "--output", "json"])
        .run()
        .await;
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let printed: Value = serde_json::from_str(&ended.stdout).unwrap();
    printed["keys"].as_array().unwrap().clone()
}

fn text<'a>(key: &'a Value, field: &str) -> &'a str {
    key[field].as_str().unwrap()
}

#[tokio::test]
async fn the_providers_are_listed_with_what_they_do() {
    let ended = discover(["providers"]).run().await;
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let azure = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("azure "))
        .unwrap();
    assert!(
        azure.contains("Microsoft Azure: finds network interfaces by tag"),
        "{ended:?}"
    );
    assert_eq!(
        ended.stdout.lines().count(),
        cloud_autojoin::Registry::compiled_in().providers().len()
    );
}

#[tokio::test]
async fn the_page_of_a_provider_keeps_within_the_columns() {
    for columns in [80, 120] {
        let page = discover(["providers", "azure"])
            .env("COLUMNS", columns.to_string())
            .run()
            .await
            .stdout;
        assert!(
            page.lines().all(|line| line.chars().count() <= columns),
            "{page}"
        );
        let lines: Vec<&str> = page.lines().collect();
        let key = lines.iter().position(|line| *line == "  tag_on").unwrap();
        assert!(
            lines[key + 1..key + 3]
                .iter()
                .all(|line| line.starts_with("      ") && !line.starts_with("       ")),
            "{page}"
        );
    }
}

#[tokio::test]
async fn help_json_manual_page_and_completions_have_the_same_keys() {
    let (page, manual) = (
        discover(["providers", "azure"]).run().await,
        discover(["man"]).run().await,
    );
    let bash = discover(["completions", "bash"]).run().await;
    let manual = manual
        .stdout
        .replace("\\-", "-")
        .replace("\\fR", "")
        .replace("\\fB", "")
        .replace("\\*(Aq", "'");
    let keys = keys().await;
    assert!(keys.len() > 20);
    for key in &keys {
        let (name, doc) = (text(key, "name"), text(key, "doc"));
        assert!(
            page.stdout.contains(&format!("\n  {name}\n      {doc}")),
            "{name}: {page:?}"
        );
        assert!(
            manual.contains(&format!("\n{name}\n{doc}")),
            "{name}: {manual}"
        );
        let word = name
            .strip_suffix("NAME")
            .map_or_else(|| format!(" {name}="), |family| format!(" {family}"));
        assert_eq!(
            bash.stdout.contains(&word),
            key["secret"] == false,
            "{word}"
        );
    }
    assert!(!bash.stdout.contains("secret_access_key"));
}

#[tokio::test]
async fn every_shell_has_its_script() {
    for (shell, sign, knows_keys) in [
        ("bash", "complete -F _discover", true),
        ("zsh", "#compdef discover", true),
        ("fish", "complete -c discover", true),
        ("elvish", "edit:completion", false),
        ("powershell", "Register-ArgumentCompleter", false),
    ] {
        let ended = discover(["completions", shell]).run().await;
        assert!(
            ended.status == Some(0) && ended.stderr.is_empty() && ended.stdout.contains(sign),
            "{shell}: {ended:?}"
        );
        assert_eq!(
            ended.stdout.contains("provider=azure"),
            knows_keys,
            "{shell}"
        );
    }
    assert_eq!(discover(["completions", "cmd"]).run().await.status, Some(2));
}

#[tokio::test]
async fn bash_takes_the_script_and_completes_keys() {
    let script = discover(["completions", "bash"]).run().await.stdout;
    let script = format!(
        "{script}\nCOMP_WORDS=(discover addrs tag_n) COMP_CWORD=2\n_discover discover tag_n addrs\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let Ok(output) = tokio::process::Command::new("bash")
        .args(["--norc", "-c", &script])
        .kill_on_drop(true)
        .output()
        .await
    else {
        println!("skipped: bash is not installed");
        return;
    };
    assert_eq!(
        (
            String::from_utf8_lossy(&output.stdout).as_ref(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        ("tag_name=\n", "")
    );
}

#[tokio::test]
async fn every_subcommand_has_a_page_of_its_own_and_all_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    discover([
        "man",
        "--out",
        directory.path().join("man1").to_str().unwrap(),
    ])
    .run()
    .await
    .is(0, "", "");
    let written: std::collections::BTreeSet<String> =
        std::fs::read_dir(directory.path().join("man1"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
    for page in [
        "discover.1",
        "discover-addrs.1",
        "discover-check.1",
        "discover-explain.1",
        "discover-man.1",
    ] {
        assert!(written.contains(page), "{page}: {written:?}");
    }
    let ended = discover(["man", "explain"]).run().await;
    assert!(
        ended.status == Some(0) && ended.stdout.contains(".TH discover-explain 1"),
        "{ended:?}"
    );
    assert_eq!(
        ended.stdout,
        std::fs::read_to_string(directory.path().join("man1/discover-explain.1")).unwrap()
    );
    let ended = discover(["man", "expalin"]).run().await;
    assert!(
        ended.status == Some(2)
            && ended.stderr.starts_with(
                "discover: there is no page for this subcommand\nhint: known: `addrs`"
            ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn help_shows_examples_and_the_exit_status() {
    for name in [
        "addrs",
        "explain",
        "check",
        "providers",
        "completions",
        "man",
    ] {
        let ended = discover([name, "--help"]).run().await;
        assert!(
            ended
                .stdout
                .contains(&format!("\nExamples:\n  discover {name}"))
                && ended.stdout.contains("\nExit status: 0 "),
            "{name}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn the_manual_page_is_roff_with_every_subcommand() {
    let ended = discover(["man"]).run().await;
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains(".TH discover 1"), "{ended:?}");
    for subcommand in [
        "ADDRS",
        "EXPLAIN",
        "CHECK",
        "PROVIDERS",
        "COMPLETIONS",
        "MAN",
    ] {
        assert!(
            ended
                .stdout
                .contains(&format!(".SH \"DISCOVER {subcommand}\"")),
            "{subcommand}"
        );
    }
}
