//! Several join strings in one call: the union, all or nothing, or any.

#![cfg(unix)]

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::command::discover;

const ONE: &str = "provider=exec command=\"echo 10.0.0.10 10.0.0.9\"";
const TWO: &str = "provider=exec command=\"echo 10.0.0.9 10.0.0.1\"";
const EMPTY: &str = "provider=exec command=true";
const FAILING: &str = "provider=exec command=false";
/// What every example of a missing key lacks.
const BROKEN: &str = "provider=dns port=1";

#[tokio::test]
async fn the_addresses_of_all_join_strings_are_printed_once_and_sorted() {
    discover(["addrs", ONE, TWO])
        .run()
        .await
        .is(0, "10.0.0.1 10.0.0.9 10.0.0.10\n", "");
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(format!("# members\n{ONE}\n").as_bytes())
        .unwrap();
    let file = format!("@{}", file.path().display());
    discover(["addrs", "--output", "lines", &file, TWO])
        .run()
        .await
        .is(0, "10.0.0.1\n10.0.0.9\n10.0.0.10\n", "");
    let ended = discover(["addrs", "--output", "json", ONE, TWO])
        .run()
        .await;
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let lengths = |value: &Value| value.as_array().map(Vec::len);
    assert_eq!(
        (
            lengths(&document["addresses"]),
            lengths(&document["sources"][1]["addresses"])
        ),
        (Some(3), Some(2)),
        "{document}"
    );
}

#[tokio::test]
async fn one_that_fails_leaves_nothing_printed() {
    let ended = discover(["addrs", ONE, FAILING]).run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("provider `exec`: cannot run `false`")
            && ended.stderr.contains("the other source has addresses"),
        "{ended:?}"
    );
    let ended = discover(["addrs", ONE, EMPTY]).run().await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(3), ""),
        "{ended:?}"
    );
    let ended = discover(["-q", "addrs", ONE, BROKEN]).run().await;
    assert_eq!(
        (
            ended.status,
            ended.stdout.as_str(),
            ended.stderr.lines().count()
        ),
        (Some(1), "", 1),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("provider `dns`: `name` is missing"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn any_prints_what_there_is_and_warns_of_the_rest() {
    let ended = discover(["addrs", "--any", ONE, FAILING, EMPTY, BROKEN])
        .run()
        .await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), "10.0.0.9 10.0.0.10\n"),
        "{ended:?}"
    );
    let warnings = ended
        .stderr
        .lines()
        .filter(|line| line.contains("addresses are missing: provider `"))
        .count();
    assert_eq!(warnings, 3, "{ended:?}");
    discover(["-q", "addrs", "--any", FAILING, TWO])
        .run()
        .await
        .is(0, "10.0.0.1 10.0.0.9\n", "");
    for (string, status) in [(FAILING, 1), (EMPTY, 3)] {
        let ended = discover(["addrs", "--any", EMPTY, string]).run().await;
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (Some(status), ""),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn explain_shows_each_source() {
    let ended = discover(["explain", ONE, FAILING]).run().await;
    assert_eq!(ended.status, Some(1), "{ended:?}");
    for text in [
        "searched for the addresses that `echo` prints",
        "10.0.0.10",
        "searched for the addresses that `false` prints",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {ended:?}");
    }
    let ended = discover(["explain", "--output", "json", ONE, TWO])
        .run()
        .await;
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (
            ended.status,
            document["sources"][1]["discovery"]["matched"].as_u64()
        ),
        (Some(0), Some(2)),
        "{document}"
    );
}

#[tokio::test]
async fn the_words_of_one_string_are_one_source() {
    discover(["addrs", "provider=exec", "command=echo 10.0.0.1"])
        .run()
        .await
        .is(0, "10.0.0.1\n", "");
    let ended = discover(["addrs", "provider=exec", "provider=exec"])
        .run()
        .await;
    assert!(
        ended.status == Some(1) && ended.stderr.contains("duplicate key"),
        "{ended:?}"
    );
}
