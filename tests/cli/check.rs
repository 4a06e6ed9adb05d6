//! `discover check`: what is reported of join strings, to programs and to people, without
//! anybody.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::command::{Ended, NOMAD_CONSUL, discover};

async fn check(words: &[&str]) -> Ended {
    discover(["check"].iter().chain(words)).run().await
}

fn rows(ended: &Ended) -> Vec<Value> {
    ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The parts of a row that the grammar decides.
fn grammar(row: &Value) -> Value {
    json!([row["input"], row["values"], row["error"], row["normalized"]])
}

#[tokio::test]
async fn json_is_one_object_a_string_whatever_the_provider() {
    let strings = [
        "a=b  c = \"d e\"",
        "provider=nimbus tag_key=x",
        "",
        " \t",
        "z=\"\" provider=p",
    ];
    let ended = check(&[&["--output", "json"], &strings[..]].concat()).await;
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    let expected = [
        json!(["a=b  c = \"d e\"", {"a": "b", "c": "d e"}, null, "a=b c=\"d e\""]),
        json!(["provider=nimbus tag_key=x", {"provider": "nimbus", "tag_key": "x"}, null, "provider=nimbus tag_key=x"]),
        json!(["", {}, null, ""]),
        json!([" \t", {}, null, ""]),
        json!(["z=\"\" provider=p", {"provider": "p", "z": ""}, null, "provider=p z=\"\""]),
    ];
    assert_eq!(
        rows(&ended).iter().map(grammar).collect::<Vec<_>>(),
        expected
    );
    assert!(rows(&ended).iter().all(|row| row["problems"].is_null()));
}

#[tokio::test]
async fn json_has_go_discovers_own_words_for_what_does_not_parse() {
    for (string, error) in [
        (
            "a=b=c",
            r#"a: - equals in key's value, enclosing double-quote needed a="value-with-=-symbol""#,
        ),
        ("canary", "canary: missing '='"),
        ("a=", "a: missing value"),
        ("a=b a=c", "a: duplicate key"),
        (r#"a="b"#, "a: unbalanced quotes"),
        (r#""a"#, ": error with key=value pair unbalanced quotes"),
        (r#"a="\q""#, "a: invalid syntax"),
    ] {
        let ended = check(&["-o", "json", "--", string]).await;
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert_eq!(
            rows(&ended).iter().map(grammar).collect::<Vec<_>>(),
            [json!([string, {}, error, null])]
        );
    }
}

#[tokio::test]
async fn a_dash_reads_lines_of_standard_input_unchanged() {
    let ended = discover(["check", "-o", "json", "-"])
        .stdin(&b"a=b\n\n# c=d\n@file=x\r\n-=\"\xff\"\n"[..])
        .run()
        .await;
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let expected = [
        json!(["a=b", {"a": "b"}, null, "a=b"]),
        json!(["", {}, null, ""]),
        json!(["# c=d", {}, "#: missing '='", null]),
        json!(["@file=x\r", {"@file": "x"}, null, "@file=x"]),
        json!([
            "-=\"\u{fffd}\"",
            {},
            "the join string is not UTF-8 (after 3 bytes)",
            null
        ]),
    ];
    assert_eq!(
        rows(&ended).iter().map(grammar).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        rows(&discover(["check", "-o", "json", "-"]).run().await),
        [Value::Null; 0]
    );
}

#[tokio::test]
async fn a_valid_string_is_described() {
    let string = format!(
        "vm_scale_set=consul-servers  resource_group=cluster subscription_id={NOMAD_CONSUL} provider=azure"
    );
    let ended = check(&[&string]).await;
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    assert!(
        ended.stdout.starts_with(&format!(
            "provider=azure resource_group=cluster subscription_id={NOMAD_CONSUL} vm_scale_set=consul-servers\nsearches for: scale set `consul-servers` of resource group `cluster`\n"
        )),
        "{ended:?}"
    );
}

#[tokio::test]
async fn all_problems_of_a_string_are_listed_with_what_to_write() {
    let string = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} tag_name=consul power_state=on regoin=west"
    );
    let shown = format!(
        "provider=azure power_state=on regoin=*** subscription_id={NOMAD_CONSUL} tag_name=consul"
    );
    let expected = format!(
        "{shown}\n\
         error: `power_state` must be one of any, running, not \"on\"\n\
         error: `tag_value` is missing (`tag_name` is given)\n  hint: add `tag_value=...`\n\
         warning: unknown key `regoin` is ignored\n  hint: `discover providers azure` lists the keys\n"
    );
    let ended = check(&[&string]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stdout.starts_with(&expected), "{ended:?}");

    let row = rows(&check(&["-o", "json", &string]).await).remove(0);
    assert_eq!(
        (&row["problems"], &row["warnings"]),
        (
            &json!([
                {"key": "power_state", "message": "`power_state` must be one of any, running, not \"on\"", "hint": null},
                {"key": "tag_value", "message": "`tag_value` is missing (`tag_name` is given)", "hint": "add `tag_value=...`"},
            ]),
            &json!([{"key": null, "message": "unknown key `regoin` is ignored", "hint": "`discover providers azure` lists the keys"}]),
        )
    );
}

#[tokio::test]
async fn warnings_are_errors_only_when_strict() {
    let string =
        format!("provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b region=west");
    assert_eq!(check(&[&string]).await.status, Some(0));
    assert_eq!(check(&["--strict", &string]).await.status, Some(1));
    assert_eq!(
        check(&["--strict", "-o", "json", &string]).await.status,
        Some(1)
    );
}

#[tokio::test]
async fn an_unknown_provider_is_reported() {
    check(&["provider=acme tag_key=a"]).await.is(
        1,
        "error: unknown provider `acme`\n  hint: known here: PROVIDERS\n",
        "",
    );
}

#[tokio::test]
async fn words_are_judged_as_one_string_and_several_strings_one_by_one() {
    let string = format!("provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b");
    let whole = check(&[&string]).await;
    let words: Vec<&str> = string.split(' ').collect();
    assert_eq!(
        (whole.status, check(&words).await),
        (Some(0), whole.clone())
    );
    // A shell has taken the quotes off, as before `discover addrs`.
    let ended = check(&[&words[..3], &["tag_value=b c"]].concat()).await;
    assert!(
        ended.status == Some(0) && ended.stdout.contains("tag_value=\"b c\""),
        "{ended:?}"
    );
    check(&["tag_name=a", "tag_value=b"]).await.is(
        1,
        "error: no provider\n  hint: write `provider=NAME`; known here: PROVIDERS\n",
        "",
    );

    let ended = check(&["provider=azure", "provider=acme a=b"]).await;
    ended.is(
        1,
        "string 1: provider=azure\nerror: nothing is selected\n  hint: add `tag_name=... tag_value=...`, or `resource_group=... vm_scale_set=...`\n\
         go-discover: fails: `subscription_id not provided as argument or environment variable`\n\n\
         string 2: error: unknown provider `acme`\n  hint: known here: PROVIDERS\n",
        "",
    );
}

#[tokio::test]
async fn what_does_not_parse_in_a_file_is_named_with_its_line() {
    let hint = "pairs are written key=value, separated by spaces; a value with spaces goes in double quotes: key=\"a b\" (single quotes have no meaning)";
    for (contents, line, expected) in [
        (
            "# seeds\nprovider=azure # here\ntag_name\n",
            3,
            "tag_name: missing '='",
        ),
        (
            "provider=azure\ntag_name\ntag_value=b",
            2,
            "tag_name: missing '='",
        ),
        (
            "provider=azure tag_name=a\n\n\ntag_name=b\ntag_value=c\n",
            4,
            "tag_name: duplicate key",
        ),
    ] {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(contents.as_bytes()).unwrap();
        let path = format!("@{}", file.path().display());
        for action in ["check", "addrs"] {
            let ended = discover([action, &path])
                .replace(file.path().display(), "FILE")
                .run()
                .await;
            let expected = format!(": FILE:{line}: {expected}\n");
            assert!(
                ended.status == Some(1) && ended.everything().contains(&expected),
                "{contents:?}: {ended:?}"
            );
        }
    }
    // A word beside the file is in no line of it.
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "provider=azure").unwrap();
    let ended = discover(["addrs", &format!("@{}", file.path().display()), "tag_name"])
        .run()
        .await;
    ended.is(
        1,
        "",
        &format!("discover: tag_name: missing '='\nhint: {hint}\n"),
    );
}

#[tokio::test]
async fn a_value_that_a_file_gives_is_named_with_its_line() {
    let contents = format!(
        "provider=azure subscription_id={NOMAD_CONSUL}\n# here\ntag_name=a tag_value=b\n  power_state=sleepy\nsecret_access_key=\"\"\n"
    );
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    let path = format!("@{}", file.path().display());
    for words in [
        &["check", &path][..],
        &["addrs", &path],
        &["check", "--role", &path],
        &["watch", "--check", "--file", "lines:/tmp/addresses", &path],
    ] {
        let ended = discover(words)
            .replace(file.path().display(), "FILE")
            .run()
            .await;
        assert!(
            ended.status == Some(1)
                && ended
                    .everything()
                    .contains("FILE:4: `power_state` must be "),
            "{words:?}: {ended:?}"
        );
    }
    // A word beside the file is in no line of it.
    let mut file = NamedTempFile::new().unwrap();
    writeln!(
        file,
        "provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b"
    )
    .unwrap();
    let ended = discover([
        "addrs",
        &format!("@{}", file.path().display()),
        "power_state=sleepy",
    ])
    .run()
    .await;
    assert!(
        ended.stderr.starts_with("discover: `power_state` must be "),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_exposed_secret_is_a_warning_with_a_hint() {
    let string = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} tag_name=a tag_value=b tenant_id=t client_id=c client_secret=Zx8Q~canary"
    );
    let ended = check(&[&string]).await;
    assert_eq!(ended.status, Some(0));
    let expected = "warning: the secret in `client_secret` is exposed: other users can see it in the process list, and agents log their join strings\n  \
                hint: set `ARM_CLIENT_SECRET` instead, or keep the string in a file that only the agent's user can read and pass `@FILE`, or use an identity without a secret\n";
    assert!(
        ended.stdout.contains(expected) && !ended.stdout.contains("canary"),
        "{ended:?}"
    );

    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "# kept\n{string}").unwrap();
    let path = format!("@{}", file.path().display());
    let mode = |mode| {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    let with_file = || discover(["check", &path]).replace(file.path().display(), "FILE");
    mode(0o644);
    let open = with_file().run().await;
    let expected = "warning: the secret in `client_secret` is exposed: every user of this machine can read FILE\n  hint: chmod o-r FILE\n";
    assert!(
        open.stdout.contains(expected) && !open.stdout.contains("canary"),
        "{open:?}"
    );
    mode(0o600);
    let kept = with_file().run().await;
    assert!(
        kept.status == Some(0)
            && !kept.stdout.contains("warning")
            && !kept.stdout.contains("canary"),
        "{kept:?}"
    );
}

#[tokio::test]
async fn pieces_of_secrets_that_lost_their_quotes_are_not_shown_to_people() {
    for string in [
        "provider=azure client_secret=a Zx8Q~canary",
        "provider=azure client_secret=a Zx8Q~canary=b",
        "provider=azure client_secert=Zx8Q~canary",
        "provider=Zx8Q~canary",
        "Zx8Q~canary",
        "client_secret=Zx8Q~canary",
    ] {
        let ended = check(&[string]).await;
        assert!(
            !ended.everything().contains("canary"),
            "{string}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn variables_count_as_they_do_for_addrs() {
    let string = "provider=azure tag_name=a tag_value=b secret_access_key=x tenant_id=t";
    let ended = check(&[string]).await;
    assert!(
        ended.status == Some(1)
            && ended
                .stdout
                .contains("error: `client_id` is missing (`secret_access_key` is given)\n"),
        "{ended:?}"
    );
    let ended = discover(["check", string])
        .env("ARM_CLIENT_ID", "c")
        .run()
        .await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_of_that_string() {
    let ended = check(&["@/no/such/file"]).await;
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    assert!(
        ended
            .stdout
            .starts_with("error: cannot read the join string from /no/such/file: "),
        "{ended:?}"
    );
    assert_eq!(check(&[]).await.status, Some(2));
}

#[tokio::test]
async fn it_reports_what_go_discover_would_have_done() {
    let azure = |rest: &str| format!("provider=azure subscription_id={NOMAD_CONSUL} {rest}");
    for (string, expected) in [
        (
            azure("tag_name=a tag_value=b"),
            "takes every network interface of the subscription whose own tag fits, with case in the tag's name",
        ),
        (
            azure("resource_group=a vm_scale_set=b"),
            "finds nothing in a Flexible scale set, and in a Uniform one lists instances that are gone",
        ),
        (
            azure("tag_name=a tag_value=b resource_group=c"),
            "fails: `unclear configuration. use (tag name and value) or (resouce_group and vm_scale_set)`",
        ),
        (
            "provider=azure tag_name=a tag_value=b".to_owned(),
            "fails: `subscription_id not provided as argument or environment variable`",
        ),
        (azure("tag_name"), "fails with the same message"),
        (
            r#"a="\xff""#.to_owned(),
            "accepts it, with bytes that aren't UTF-8",
        ),
    ] {
        let ended = check(&[&string]).await;
        assert!(
            ended
                .stdout
                .ends_with(&format!("go-discover: {expected}\n")),
            "{string}: {ended:?}"
        );
        assert_eq!(
            rows(&check(&["-o", "json", &string]).await)[0]["go_discover"]
                .as_array()
                .unwrap()
                .last()
                .unwrap(),
            expected
        );
    }
    let ended = check(&[&azure("tag_name=a tag_value=b tag_on=vm environment=china")]).await;
    assert!(
        ended
            .stdout
            .contains("\ngo-discover: ignores `environment`, `tag_on`\n"),
        "{ended:?}"
    );
}
