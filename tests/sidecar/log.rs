//! What the log looks like: for people with the time, for programs with each key once.

use crate::harness::{Place, Sidecar, command, join, simulator};

/// The log of a sidecar that has written its file.
async fn log(format: &str, journal: bool) -> String {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Place::new());
    let file = format!("lines:{}", place.path("a").display());
    let mut command = command(&[
        "--log",
        format,
        "--file",
        &file,
        "--listen",
        "none",
        &join(&simulator),
    ]);
    if journal {
        command.env("JOURNAL_STREAM", "8:1");
    }
    let sidecar = Sidecar::spawn(command);
    sidecar.says("kept up to date").await;
    let (_, _, log) = sidecar.stop().await;
    simulator.finish();
    log
}

#[tokio::test]
async fn lines_begin_with_the_time_unless_the_journal_adds_it() {
    let begins_with_a_date = |line: &str| {
        line.len() > 20
            && line.as_bytes()[..4].iter().all(u8::is_ascii_digit)
            && line.as_bytes()[4] == b'-'
    };
    let seen = log("text", false).await;
    assert!(seen.lines().all(begins_with_a_date), "{seen}");
    let seen = log("text", true).await;
    assert!(!seen.lines().any(begins_with_a_date), "{seen}");
}

#[tokio::test]
async fn objects_have_each_key_once() {
    let seen = log("json", true).await;
    for line in seen.lines() {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        for key in object.keys() {
            assert_eq!(
                line.matches(&format!("\"{key}\":")).count(),
                1,
                "{key}: {line}"
            );
        }
        assert!(object.contains_key("timestamp"), "{line}");
    }
}
