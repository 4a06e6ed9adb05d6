//! Join strings that cannot be right: each error has the problem and a hint, exits with 1,
//! prints nothing on standard output, and sends nothing.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::command::{Ended, NOMAD_CONSUL, discover};

async fn addrs(words: &[&str]) -> Ended {
    discover(["addrs"].iter().chain(words)).run().await
}

fn file(contents: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(contents).unwrap();
    file
}

/// Runs `addrs` with a string that has `provider=azure` and a subscription already, and asserts
/// what is reported.
#[track_caller]
fn azure(rest: &str, message: &str, hint: &str) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    let text = format!("provider=azure subscription_id={NOMAD_CONSUL} {rest}");
    let hint = if hint.is_empty() {
        String::new()
    } else {
        format!("hint: {hint}\n")
    };
    let expected = Ended {
        status: Some(1),
        stdout: String::new(),
        stderr: format!("discover: {message}\n{hint}"),
    };
    async move { assert_eq!(addrs(&[&text]).await, expected, "at {at}") }
}

#[tokio::test]
async fn an_empty_string_is_refused_with_a_hint_to_name_a_provider() {
    let expected = "discover: no provider\nhint: write `provider=NAME`; known here: PROVIDERS\n";
    addrs(&[]).await.is(1, "", expected);
    addrs(&[""]).await.is(1, "", expected);
    addrs(&["  ", ""]).await.is(1, "", expected);
    addrs(&["tag_name=consul tag_value=server"])
        .await
        .is(1, "", expected);
    addrs(&[r#"provider="" tag_name=consul"#])
        .await
        .is(1, "", expected);
}

#[tokio::test]
async fn an_unknown_provider_is_refused_with_the_known_ones() {
    addrs(&["provider=azrue tag_name=a"]).await.is(
        1,
        "",
        "discover: unknown provider `azrue`\nhint: did you mean `azure`? known here: PROVIDERS\n",
    );
    addrs(&["provider=acme"]).await.is(
        1,
        "",
        "discover: unknown provider `acme`\nhint: known here: PROVIDERS\n",
    );
}

#[tokio::test]
async fn a_string_without_a_selection_is_refused_with_the_possible_ones() {
    azure(
        "",
        "nothing is selected",
        "add `tag_name=... tag_value=...`, or `resource_group=... vm_scale_set=...`",
    )
    .await;
    azure(
        "resource_group=cluster",
        "`resource_group` alone selects nothing",
        "add `vm_scale_set=...`, or `tag_name=... tag_value=...`",
    )
    .await;
}

#[tokio::test]
async fn half_of_a_pair_names_the_other_half() {
    azure(
        "tag_name=consul",
        "`tag_value` is missing (`tag_name` is given)",
        "add `tag_value=...`",
    )
    .await;
    azure(
        "tag_value=server",
        "`tag_name` is missing (`tag_value` is given)",
        "add `tag_name=...`",
    )
    .await;
    azure(
        "vm_scale_set=consul-servers",
        "`resource_group` is missing (`vm_scale_set` is given)",
        "add `resource_group=...`",
    )
    .await;
    azure(
        "tag_name=a tag_value=b secret_access_key=c",
        "`tenant_id` is missing (`secret_access_key` is given); `client_id` is missing (`secret_access_key` is given)",
        "add `tenant_id=...`, or set `ARM_TENANT_ID`; add `client_id=...`, or set `ARM_CLIENT_ID`",
    )
    .await;
}

#[tokio::test]
async fn selections_that_contradict_each_other_are_refused() {
    azure(
        "tag_name=role tag_value=a tag.Role=b",
        "`tag.Role` and `tag_name` require two values of one tag, `role`, which no resource can have",
        "keep one of the two",
    )
    .await;
    azure(
        "resource_group=a,b vm_scale_set=consul",
        "`resource_group` must be one with `vm_scale_set`: a scale set is in one resource group",
        "name the resource group of the scale set alone",
    )
    .await;
    azure(
        "resource_group=a vm_scale_set=consul tag_name=a tag_value=b lookup=index",
        "`lookup=index` finds tagged resources and has no meaning with `vm_scale_set`",
        "leave `lookup` out, or leave `vm_scale_set` out",
    )
    .await;
    azure(
        "tag_name=a tag_value=b orchestration_mode=flexible",
        "`orchestration_mode` is given without `vm_scale_set`",
        "add `vm_scale_set=...` and `resource_group=...`",
    )
    .await;
    azure(
        "tag_name=a tag_value=b tenant_id=t client_id=c client_secret=x secret_access_key=y",
        "`secret_access_key` and `client_secret` are two names of one option and have different values: keep one",
        "",
    )
    .await;
}

#[tokio::test]
async fn all_problems_are_reported_at_once() {
    azure(
        "tag_name=consul tag_on=disk power_state=on address_type=v4",
        "`tag_on` must be a comma-separated list of nic, vm, scale_set, not \"disk\"; \
         `address_type` must be one of private, private_v4, private_v6, public, public_v4, public_v6, not \"v4\"; \
         `power_state` must be one of any, running, not \"on\"; `tag_value` is missing (`tag_name` is given)",
        "add `tag_value=...`",
    )
    .await;
}

#[tokio::test]
async fn an_empty_value_that_something_needs_is_named() {
    azure(
        r#"tag_name="" tag_value=b"#,
        "`tag_name` is empty: give it a value or omit it",
        "add `tag_name=...`",
    )
    .await;
    let ended = discover([
        "addrs",
        r#"provider=azure subscription_id="" tag_name=a tag_value=b"#,
    ])
    .env("ARM_SUBSCRIPTION_ID", NOMAD_CONSUL)
    .run()
    .await;
    ended.is(1, "", "discover: `subscription_id` is empty: give it a value or omit it\nhint: add `subscription_id=...`, or set `ARM_SUBSCRIPTION_ID`\n");
}

#[tokio::test]
async fn a_subscription_that_is_no_guid_is_refused_from_any_source() {
    let guid = "must be a GUID such as 00000000-0000-0000-0000-000000000000, or `self`, not \"production\"";
    addrs(&["provider=azure subscription_id=production tag_name=a tag_value=b"])
        .await
        .is(1, "", &format!("discover: `subscription_id` {guid}\n"));
    let ended = discover(["addrs", "provider=azure tag_name=a tag_value=b"])
        .env("ARM_SUBSCRIPTION_ID", "production")
        .run()
        .await;
    ended.is(
        1,
        "",
        &format!("discover: environment variable `ARM_SUBSCRIPTION_ID` {guid}\n"),
    );
}

#[tokio::test]
async fn tokens_are_not_sent_over_plain_http_to_another_machine() {
    let message = |key: &str| {
        format!(
            "`{key}` must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there"
        )
    };
    for key in ["arm_endpoint", "authority_host"] {
        azure(
            &format!("tag_name=a tag_value=b {key}=http://management.example"),
            &message(key),
            "",
        )
        .await;
        azure(
            &format!("tag_name=a tag_value=b {key}=http://127.0.0.1.example:80"),
            &message(key),
            "",
        )
        .await;
    }
    azure(
        "tag_name=a tag_value=b metadata_endpoint=http://metadata.example",
        "`metadata_endpoint` must begin with https:// (http only to a loopback or link-local address), since a token is read from there",
        "",
    )
    .await;
}

#[tokio::test]
async fn a_syntax_error_is_reported_in_go_discovers_words() {
    let missing = r#"pairs are written key=value, separated by spaces; a value with spaces goes in double quotes: key="a b" (single quotes have no meaning)"#;
    addrs(&["provider=azure tag_name"]).await.is(
        1,
        "",
        &format!("discover: tag_name: missing '='\nhint: {missing}\n"),
    );
    // A word that is no key may be a piece of a secret.
    addrs(&["provider=azure tag_value=a b"]).await.is(
        1,
        "",
        &format!("discover: missing '=' (pair 3 of the join string)\nhint: {missing}\n"),
    );
    addrs(&["provider=azure tag_value="]).await.is(
        1,
        "",
        "discover: tag_value: missing value\nhint: omit the key, or write key=\"\" for an empty value\n",
    );
    addrs(&["provider=azure tag_name=a tag_name=b"]).await.is(
        1,
        "",
        "discover: tag_name: duplicate key\nhint: keep one of the two\n",
    );
    addrs(&["provider=azure secret_access_key=abc=="]).await.is(
        1,
        "",
        "discover: secret_access_key: - equals in key's value, enclosing double-quote needed secret_access_key=\"value-with-=-symbol\"\n\
         hint: a value with `=` in it goes in double quotes: key=\"abc==\" (in a shell: 'key=\"abc==\"')\n",
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    addrs(&["@/no/such/file"]).await.is(
        1,
        "",
        "discover: cannot read the join string from /no/such/file: No such file or directory (os error 2)\nhint: check that /no/such/file exists and that this user may read it\n",
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    discover(["addrs".to_owned(), format!("@{path}")]).replace(path, "DIRECTORY").run().await.is(
        1,
        "",
        "discover: cannot read the join string from DIRECTORY: Is a directory (os error 21)\nhint: check that DIRECTORY exists and that this user may read it\n",
    );
    addrs(&["@"]).await.is(1, "", "discover: there is no file name after `@`\nhint: write `@FILE`, as @/etc/discover/consul\n");
}

#[tokio::test]
async fn a_file_without_a_join_string_is_named() {
    for contents in [
        &b""[..],
        b"\n\n",
        b"# provider=azure\n  # nothing else\n",
        b"\xef\xbb\xbf",
    ] {
        let file = file(contents);
        let ended = discover(["addrs".to_owned(), format!("@{}", file.path().display())])
            .replace(file.path().display(), "FILE")
            .run()
            .await;
        ended.is(1, "", "discover: there is no join string in FILE\nhint: write one into it, as provider=NAME KEY=VALUE ...\n");
    }
}

#[tokio::test]
async fn a_file_that_is_not_utf8_is_named_with_the_place() {
    let file = file(b"provider=azure tag_name=\xff");
    let ended = discover(["addrs".to_owned(), format!("@{}", file.path().display())])
        .replace(file.path().display(), "FILE")
        .run()
        .await;
    ended.is(1, "", "discover: the join string in FILE is not UTF-8 (after 24 bytes)\nhint: save the file as UTF-8\n");
}

#[tokio::test]
async fn a_file_that_has_no_end_is_refused() {
    addrs(&["@/dev/zero"]).await.is(
        1,
        "",
        "discover: /dev/zero is too large for a join string: more than 1048576 bytes\nhint: name the file that holds the join string alone\n",
    );
}

#[tokio::test]
async fn a_pipe_without_a_writer_ends_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let ended = discover([
        "addrs".to_owned(),
        "--timeout=100ms".to_owned(),
        format!("@{}", pipe.display()),
    ])
    .replace(pipe.display(), "PIPE")
    .run()
    .await;
    ended.is(1, "", "discover: cannot read the join string from PIPE: timed out\nhint: check that PIPE exists and that this user may read it\n");
}

#[cfg(unix)]
#[tokio::test]
async fn words_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let word = std::ffi::OsString::from_vec(b"provider=\xff".to_vec());
    discover([std::ffi::OsString::from("addrs"), word])
        .run()
        .await
        .is(
            1,
            "",
            "discover: the join string is not UTF-8\nhint: write it in UTF-8\n",
        );
}

#[tokio::test]
async fn quiet_keeps_one_line_with_the_error_and_what_to_do() {
    discover(["-q", "addrs", "provider=azrue"]).run().await.is(
        1,
        "",
        "discover: unknown provider `azrue`; did you mean `azure`? known here: PROVIDERS\n",
    );
}

#[tokio::test]
async fn an_unknown_key_is_an_error_when_strict() {
    let text = format!("provider=azure subscription_id={NOMAD_CONSUL} tag_nmae=a region=b");
    discover(["addrs", "--strict", &text]).run().await.is(
        1,
        "",
        "discover: unknown key `region`; unknown key `tag_nmae`\nhint: `discover providers azure` lists the keys; did you mean `tag_name`?\n",
    );
}
