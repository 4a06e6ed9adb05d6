//! What the log looks like: for people with the time, for programs with each key once.

use crate::harness::{Sidecar, Workspace, command, join, simulator};

/// The log of a sidecar that has written its file.
async fn log(format: &str, journal: bool) -> String {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
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
    sidecar.logs("kept up to date").await;
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

/// A boot as the shipped units do it: `--once` before the agent, the daemon beside it, whose agent
/// needs a moment to listen.
#[tokio::test]
async fn a_normal_boot_logs_what_it_does_and_no_more() {
    let (simulator, place) = (
        simulator(&["127.0.0.4", "127.0.0.5"]).await,
        Workspace::new(),
    );
    let (target, state) = (place.path("peers"), place.path("state"));
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = unused.local_addr().unwrap();
    drop(unused);
    let file = format!("lines:{}", target.display());
    let consul = format!("consul:http://{agent}");
    let join = join(&simulator);
    let boot = [
        "--file",
        &file,
        "--state-directory",
        state.to_str().unwrap(),
        "--listen",
        "none",
    ];
    let lines = |log: &str| -> Vec<String> {
        let known = [
            (target.to_str().unwrap(), "FILE"),
            (state.to_str().unwrap(), "STATE"),
            (&*agent.to_string(), "AGENT"),
        ];
        log.lines()
            .map(|line| {
                known
                    .iter()
                    .fold(line.to_owned(), |line, (from, to)| line.replace(from, to))
            })
            .collect()
    };

    let mut once = command(&["--once"]);
    once.args(boot).arg(&join).env("JOURNAL_STREAM", "8:1");
    let output = once.output().await.unwrap();
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let written = " INFO written watch=\"peers\" kind=\"lines\" file=FILE addresses=2";
    let changed =
        " INFO the addresses changed watch=\"peers\" addresses=2 joined=\"127.0.0.4 127.0.0.5\"";
    assert_eq!(lines(&log), [changed, written]);

    let mut daemon = command(&["--agent", &consul]);
    daemon.args(boot).arg(&join).env("JOURNAL_STREAM", "8:1");
    let sidecar = Sidecar::spawn(daemon);
    sidecar.logs("INFO ready").await;
    sidecar.logs("not yet").await;
    let (_, _, log) = sidecar.stop().await;
    // An agent that is still down at the second try deserves a warning.
    let mut boot: Vec<String> = lines(&log)
        .into_iter()
        .take_while(|line| !line.contains("WARN") && line != " INFO stopping")
        .collect();
    boot.sort();
    let refused = "cannot read its members: no connection to http://AGENT: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
    let not_yet = format!(
        " INFO not yet: consul agent http://AGENT: {refused} watch=\"peers\" part=\"consul\""
    );
    let restored = " INFO the addresses equal those of the earlier run watch=\"peers\" addresses=2";
    assert_eq!(boot, [&*not_yet, " INFO ready", restored]);
    simulator.finish();
}
