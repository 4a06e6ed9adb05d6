//! Help, version, and command lines that make no sense.

use crate::command::discover;

#[tokio::test]
async fn the_version_is_printed_on_standard_output() {
    let version = concat!("discover ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["--version", "-version", "-V"] {
        discover([flag]).run().await.is(0, version, "");
    }
}

#[tokio::test]
async fn help_goes_to_standard_output_and_exits_with_zero_however_it_is_requested() {
    let help = discover(["--help"]).run().await;
    assert_eq!(help.status, Some(0));
    assert!(
        help.stdout.contains("Usage: discover [OPTIONS] <COMMAND>") && help.stderr.is_empty(),
        "{help:?}"
    );
    for words in [&[][..], &["-help"], &["--h"], &["-q", "--help"], &["help"]] {
        let ended = discover(words).run().await;
        assert_eq!(
            (ended.status, &ended.stdout),
            (Some(0), &help.stdout),
            "{words:?}"
        );
    }
    let addrs = discover(["addrs", "--help"]).run().await;
    assert!(
        addrs.stdout.contains(
            "Exit status: 0 addresses printed, 1 failed, 2 invalid usage, 3 nothing matched."
        ),
        "{addrs:?}"
    );
}

#[tokio::test]
async fn a_reader_that_closes_the_pipe_has_read_what_it_wanted() {
    let mut commands: Vec<Vec<&str>> = [
        "addrs",
        "explain",
        "check",
        "providers",
        "watch",
        "completions",
        "man",
    ]
    .into_iter()
    .map(|name| vec![name, "--help"])
    .collect();
    commands.extend([
        vec![],
        vec!["--help"],
        vec!["--version"],
        vec!["man"],
        vec!["completions", "zsh"],
        vec!["providers", "azure"],
        vec!["check", "a=b", "-o", "json"],
    ]);
    for words in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        discover(&words).run_into(writer.into()).await.is(0, "", "");
    }
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    discover(["--help"]).run_into(full.into()).await.is(
        1,
        "",
        "discover: cannot print the help: No space left on device (os error 28)\n",
    );
}

#[tokio::test]
async fn wrong_usage_exits_with_two_and_leaves_standard_output_empty() {
    for words in [
        &["-x"][..],
        &["-q=maybe", "addrs"],
        &["adrs", "a=b"],
        &["addrs", "--timeout", "0s"],
        &["addrs", "--output", "xml"],
        &["providers", "acme"],
    ] {
        let ended = discover(words).run().await;
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {ended:?}"
        );
        assert!(!ended.stderr.is_empty());
    }
}

#[tokio::test]
async fn wrong_usage_reads_like_every_other_error() {
    discover(["adrs", "a=b"]).run().await.is(
        2,
        "",
        "discover: unrecognized subcommand 'adrs'\nhint: a similar subcommand exists: 'addrs'; see `discover --help`\n",
    );
    discover(["check"]).run().await.is(
        2,
        "",
        "discover: the following required arguments were not provided: <KEY=VALUE|@FILE|->...\nhint: see `discover check --help`\n",
    );
}

#[tokio::test]
async fn quiet_wrong_usage_is_one_line() {
    discover(["-q", "adrs", "a=b"]).run().await.is(
        2,
        "",
        "discover: unrecognized subcommand 'adrs'; see `discover --help`\n",
    );
    discover(["-q", "addrs", "--timeout=0s"]).run().await.is(
        2,
        "",
        "discover: invalid value '0s' for '--timeout <DURATION>': must be a duration such as 30s, 1m30s, 1.5h, above zero; see `discover addrs --help`\n",
    );
}

#[tokio::test]
async fn an_unknown_provider_has_no_page_and_the_known_ones_are_listed() {
    discover(["providers", "acme"]).run().await.is(
        2,
        "",
        "discover: unknown provider `acme`\nhint: known here: PROVIDERS\n",
    );
}

#[tokio::test]
async fn a_number_outside_its_range_is_refused_with_the_range() {
    for (words, expected) in [
        (
            ["watch", "--min", "x"],
            "discover: invalid value 'x' for '--min <NUMBER>': must be a whole number from 1 to 100000\n",
        ),
        (
            ["watch", "--min", "0"],
            "discover: invalid value '0' for '--min <NUMBER>': must be a whole number from 1 to 100000\n",
        ),
        (
            ["watch", "--max-shrink", "300"],
            "discover: invalid value '300' for '--max-shrink <PERCENT>': must be a whole number from 0 to 100\n",
        ),
        (
            ["explain", "--limit", "few"],
            "discover: invalid value 'few' for '--limit <NUMBER>': must be a whole number from 0 to 1000000\n",
        ),
    ] {
        let help = format!("hint: see `discover {} --help`\n", words[0]);
        discover(words)
            .run()
            .await
            .is(2, "", &format!("{expected}{help}"));
    }
}
