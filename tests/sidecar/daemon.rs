//! The life of the daemon: flags, files, status, reload, service manager, end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use cloud_autojoin_simulator::azure::{Endpoint, Fault};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::UnixDatagram;

use crate::harness::{
    Sidecar, Workspace, command, file_is, get, join, run, simulator, until, world,
};

fn config(join: &str, more: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\nname = \"servers\"\njoin = \"{join}\"\ninterval = \"20ms\"\nmax_shrink = 100\n{more}"
    )
}

fn lines(path: &std::path::Path) -> String {
    format!(
        "[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        path.display()
    )
}

#[tokio::test]
async fn flags_keep_a_file_up_to_date_and_the_status_shows_it() {
    let (simulator, place) = (
        simulator(&["127.0.0.4", "127.0.0.5"]).await,
        Workspace::new(),
    );
    let target = place.path("join.json");
    let file = format!("consul:{}", target.display());
    let sidecar = Sidecar::spawn(command(&[
        "--file",
        &file,
        "--interval",
        "20ms",
        "--min",
        "2",
        "--listen",
        "127.0.0.1:0",
        &join(&simulator),
    ]));
    file_is(
        &target,
        "{\n  \"retry_join\": [\n    \"127.0.0.4\",\n    \"127.0.0.5\"\n  ]\n}\n",
        &sidecar,
    )
    .await;
    let before = fs::metadata(&target).unwrap();
    simulator.with_world(|world| world.add_instance("servers").unwrap());
    sidecar.logs("written, 3 addresses").await;
    let read: Value = serde_json::from_str(&fs::read_to_string(&target).unwrap()).unwrap();
    assert_eq!(read["retry_join"].as_array().unwrap().len(), 3);
    let after = fs::metadata(&target).unwrap();
    assert_eq!(
        (before.mode(), before.uid(), before.gid()),
        (after.mode(), after.uid(), after.gid())
    );

    assert_eq!(sidecar.get("/live").await, (200, "live\n".to_owned()));
    assert_eq!(sidecar.get("/ready").await, (200, "ready\n".to_owned()));
    let groups: Value =
        serde_json::from_str(&sidecar.get("/addresses?watch=peers&port=9100").await.1).unwrap();
    assert_eq!(groups[0]["targets"], json!(["127.0.0.4:9100"]));
    assert_eq!(groups.as_array().unwrap().len(), 3);
    assert_eq!(sidecar.get("/addresses?watch=others").await.0, 404);
    assert_eq!(sidecar.get("/nothing").await.0, 404);
    let (_, metrics) = sidecar.get("/metrics").await;
    for line in [
        "discover_ready{} 1",
        "discover_watch_addresses{watch=\"peers\"} 3",
        "discover_watch_changes_total{watch=\"peers\"} 2",
        "# EOF",
    ] {
        assert!(
            metrics
                .lines()
                .any(|found| found == line || found == format!("{line}.0")),
            "{line}\n{metrics}"
        );
    }
    let written = format!(
        "discover_file_writes_total{{watch=\"peers\",kind=\"consul\",path=\"{}\",outcome=\"replaced\"}} 2",
        target.display()
    );
    assert!(metrics.contains(&written), "{written}\n{metrics}");
    let (status, head, page) = get(&sidecar.address().await, "/").await;
    assert_eq!(status, 200);
    assert!(head.contains("default-src 'none'"), "{head}");
    for part in [
        "3 in use",
        "127.0.0.4",
        "scale set `servers` of resource group `cluster`",
        "written, 3 addresses",
        &target.display().to_string(),
    ] {
        let part = part.replace('/', "&#x2f;");
        assert!(page.contains(&part), "{part}\n{page}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );

    let (status, took, log) = sidecar.stop().await;
    assert_eq!(status, Some(0), "{log}");
    // A poll may take a minute: this one isn't waited for. How long the rest takes depends on
    // the machine's load.
    assert!(took < Duration::from_secs(30), "{took:?}");
    simulator.finish();
}

#[tokio::test]
async fn it_ends_within_a_second_also_while_the_cloud_hangs() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    simulator.add_fault(Fault::hang());
    let target = place.path("a");
    let sidecar =
        Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &lines(&target))));
    let (status, response) = sidecar.get("/ready").await;
    assert_eq!(
        (status, response.as_str()),
        (503, "not ready: servers: no result yet\n")
    );
    assert_eq!(sidecar.get("/addresses").await.0, 503);
    let (status, took, log) = sidecar.stop().await;
    assert_eq!(status, Some(0), "{log}");
    // A poll may take a minute: this one isn't waited for. How long the rest takes depends on
    // the machine's load.
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!target.exists());
}

#[tokio::test]
async fn ready_reports_what_a_guard_holds_back() {
    let (simulator, place) = (
        simulator(&["10.0.1.4", "10.0.1.5", "10.0.1.6"]).await,
        Workspace::new(),
    );
    let target = place.path("a");
    let join = join(&simulator);
    let config = |min: usize| config(&join, &format!("min = {min}\n{}", lines(&target)));
    let file = place.write("watch.toml", &config(5));
    let sidecar = Sidecar::start(&file);
    sidecar.logs("of at least 5").await;
    assert_eq!(
        sidecar.get("/ready").await,
        (
            503,
            "not ready: servers: held: 3 of at least 5 addresses\n".to_owned()
        )
    );
    assert!(!target.exists());

    place.write("watch.toml", &config(3));
    sidecar.signal(Signal::HUP);
    file_is(&target, "10.0.1.4\n10.0.1.5\n10.0.1.6\n", &sidecar).await;
    until(
        "ready",
        || sidecar.log().contains("ready"),
        || sidecar.log(),
    )
    .await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn once_writes_the_files_and_its_exit_status_is_the_outcome() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let (target, state) = (place.path("a"), place.path("state"));
    let file = format!("lines:{}", target.display());
    let join = join(&simulator);
    let arguments = [
        "--once",
        "--timeout",
        "2s",
        "--file",
        &file,
        "--state-directory",
        state.to_str().unwrap(),
        "--listen",
        "none",
        &join,
    ];
    let (status, stdout, stderr) = run(&arguments).await;
    assert_eq!((status, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.1.4\n");

    // The cloud is down: the last good result serves, also where the file is gone.
    fs::remove_file(&target).unwrap();
    simulator.add_fault(Fault::status(503));
    let (status, _, stderr) = run(&arguments).await;
    assert_eq!(status, Some(0), "{stderr}");
    assert!(
        stderr.contains("no poll succeeded in time; the files have the last good result"),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.1.4\n");

    // And without one it is a failure.
    let (status, _, stderr) = run(&[
        "--once",
        "--timeout",
        "1s",
        "--file",
        &file,
        "--listen",
        "none",
        &join,
    ])
    .await;
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("discover: watch `peers`: "), "{stderr}");

    simulator.clear_faults();
    let members = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .map(|machine| machine.name.clone())
            .collect::<Vec<_>>()
    });
    simulator.with_world(|world| world.remove_instance("servers", &members[0]).unwrap());
    let (status, _, stderr) = run(&[
        "--once",
        "--timeout",
        "1s",
        "--file",
        &file,
        "--listen",
        "none",
        &join,
    ])
    .await;
    assert_eq!(status, Some(3), "{stderr}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.1.4\n");
}

#[tokio::test]
async fn check_reports_all_problems_without_a_request() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let good = place.write(
        "good.toml",
        &config(&join(&simulator), &lines(&place.path("a"))),
    );
    assert_eq!(
        run(&["--check", "--config", good.to_str().unwrap()]).await,
        (Some(0), "ok\n".to_owned(), String::new())
    );
    let bad = place.write(
        "bad.toml",
        "listen = \"x\"\n[[watch]]\njoin = \"provider=azure client_secret=canary\"\nmin = 0\n",
    );
    let (status, stdout, stderr) = run(&["--check", "--config", bad.to_str().unwrap()]).await;
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("discover: "))
        .collect();
    assert!(lines.len() >= 5, "{stderr}");
    assert!(
        lines[0].contains("`listen` must be")
            && lines.iter().any(|line| line.contains("`min` must be"))
            && lines.iter().any(|line| line.contains("nothing is done")),
        "{stderr}"
    );
    assert!(!stderr.contains("canary"), "{stderr}");
    assert_eq!(
        run(&["--check", "--file", "xml:/a", "a=b"]).await.0,
        Some(1)
    );
    assert!(simulator.requests().is_empty());
    simulator.finish();
}

#[tokio::test]
async fn a_hangup_takes_a_good_configuration_and_refuses_a_wrong_one() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let (first, second) = (place.path("first"), place.path("second"));
    let string = place.write("join", &join(&simulator));
    let join = format!("@{}", string.display());
    let file = place.write("watch.toml", &config(&join, &lines(&first)));
    let sidecar = Sidecar::start(&file);
    file_is(&first, "10.0.1.4\n", &sidecar).await;
    sidecar.logs("INFO ready").await;

    place.write("watch.toml", "[[watch]]\nmin = 0\n");
    sidecar.signal(Signal::HUP);
    sidecar.logs(&format!("the new configuration is invalid, the old one stays in use: {}:1: watch `peers`: `join` is missing", file.display())).await;
    fs::remove_file(&first).unwrap();
    file_is(&first, "10.0.1.4\n", &sidecar).await;
    assert!(
        sidecar
            .get("/metrics")
            .await
            .1
            .contains("discover_reloads_total{outcome=\"failed\"} 1")
    );
    assert!(
        sidecar
            .get("/")
            .await
            .1
            .contains("The new configuration is wrong")
    );

    place.write("watch.toml", &config(&join, &lines(&second)));
    sidecar.signal(Signal::HUP);
    file_is(&second, "10.0.1.4\n", &sidecar).await;
    sidecar.logs("the configuration was read again").await;
    fs::remove_file(&first).unwrap();
    assert_eq!(sidecar.get("/ready").await.0, 200);
    assert!(
        !sidecar
            .get("/")
            .await
            .1
            .contains("The new configuration is wrong")
    );
    assert!(!first.exists(), "the old watch still works");
    let (status, _, log) = sidecar.stop().await;
    assert_eq!(status, Some(0), "{log}");
    simulator.finish();
}

#[tokio::test]
async fn a_hangup_polls_now_even_if_the_cloud_requests_a_day_of_waiting() {
    for config_is_good in [true, false] {
        let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
        simulator.add_fault(
            Fault::status(503)
                .retry_after(86_400)
                .endpoint(Endpoint::Arm),
        );
        let target = place.path("a");
        let file = place.write("watch.toml", &config(&join(&simulator), &lines(&target)));
        let sidecar = Sidecar::start(&file);
        sidecar.logs("status 503").await;
        simulator.clear_faults();
        if !config_is_good {
            place.write("watch.toml", "[[watch]]\nmin = 0\n");
        }
        sidecar.signal(Signal::HUP);
        file_is(&target, "10.0.1.4\n", &sidecar).await;
        sidecar.stop().await;
        simulator.finish();
    }
}

#[tokio::test]
async fn the_service_manager_gets_ready_after_the_first_result_and_watchdog_messages() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    simulator.add_fault(Fault::status(503).times(1));
    let socket = place.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let target = place.path("a");
    let file = place.write("watch.toml", &config(&join(&simulator), &lines(&target)));
    let mut command = command(&["--config", file.to_str().unwrap()]);
    command
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "300000");
    let sidecar = Sidecar::spawn(command);
    let mut heard = Vec::new();
    let mut hear = async |until: &str| {
        // It sends watchdog messages all the time, so a missing one must be noticed by
        // the count.
        for _ in 0..300 {
            let mut bytes = [0; 4096];
            let length = tokio::time::timeout(Duration::from_secs(30), manager.recv(&mut bytes))
                .await
                .unwrap()
                .unwrap();
            let lines = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
            let is_it = lines.contains(until);
            heard.push(lines);
            if is_it {
                return heard.clone();
            }
        }
        panic!("never sent {until}: {heard:?}");
    };
    let before = hear("READY=1").await;
    assert_eq!(
        fs::read_to_string(&target).unwrap(),
        "10.0.1.4\n",
        "ready before the file was there"
    );
    assert!(
        before
            .iter()
            .any(|lines| lines.contains("STATUS=servers: no result yet")),
        "{before:?}"
    );
    let later = hear("WATCHDOG=1").await;
    assert!(
        later
            .iter()
            .any(|lines| lines.contains("STATUS=servers: 1 addresses")),
        "{later:?}"
    );
    sidecar.signal(Signal::HUP);
    let reloaded = hear("RELOADING=1").await;
    assert!(
        reloaded.last().unwrap().contains("MONOTONIC_USEC="),
        "{reloaded:?}"
    );
    hear("READY=1").await;
    sidecar.signal(Signal::TERM);
    hear("STOPPING=1").await;
    assert_eq!(sidecar.stop_status().await, Some(0));
    simulator.finish();
}

#[tokio::test]
async fn the_last_good_result_is_used_while_the_cloud_is_down() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let target = place.path("a");
    let config = format!(
        "state_directory = \"{}\"\n{}",
        place.path("state").display(),
        config(&join(&simulator), &lines(&target))
    );
    let file = place.write("watch.toml", &config);
    let sidecar = Sidecar::start(&file);
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    let kept = place.path("state/servers.json");
    until("the last good result", || kept.exists(), || sidecar.log()).await;
    sidecar.stop().await;
    fs::remove_file(&target).unwrap();
    simulator.add_fault(Fault::status(503));
    let sidecar = Sidecar::start(&file);
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    sidecar
        .logs("using the last good result of an earlier run")
        .await;
    sidecar.logs("INFO ready").await;
    assert_eq!(sidecar.get("/ready").await.0, 200);
    assert!(sidecar.get("/").await.1.contains("from an earlier run"));
    sidecar.stop().await;
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let canary = "Zx8Q~canary-0123456789";
    let place = Workspace::new();
    let simulator = cloud_autojoin_simulator::azure::Simulator::start(world(&["10.0.1.4"]))
        .await
        .unwrap();
    let string = place.write(
        "join",
        &format!("{} tenant_id=11111111-1111-4111-8111-111111111111 client_secret={canary} authority_host={}", join(&simulator), simulator.authority_host()),
    );
    let token = place.write("token", canary);
    let more = format!(
        "{}[[watch.agent]]\nkind = \"consul\"\nurl = \"{}\"\ntoken_file = \"{}\"\n",
        lines(&place.path("a")),
        simulator.arm_endpoint(),
        token.display()
    );
    let file = place.write(
        "watch.toml",
        &config(&format!("@{}", string.display()), &more),
    );
    for log in ["text", "json"] {
        let mut command = command(&["-vv", "--log", log, "--config", file.to_str().unwrap()]);
        command.env("SSL_CERT_FILE", simulator.ca_file());
        let sidecar = Sidecar::spawn(command);
        sidecar.logs("the poll failed: ").await;
        if log == "text" {
            for path in ["/", "/metrics", "/addresses", "/ready"] {
                let (_, response) = sidecar.get(path).await;
                assert!(!response.contains("canary"), "{path}\n{response}");
            }
        } else {
            for line in sidecar.log().lines() {
                assert!(
                    serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()),
                    "{line}"
                );
            }
        }
        let (_, _, log) = sidecar.stop().await;
        assert!(!log.contains("canary"), "{log}");
    }
}

#[tokio::test]
async fn a_held_back_result_is_logged_once_and_leaves_the_good_file() {
    let (simulator, place) = (simulator(&["10.0.1.4", "10.0.1.5"]).await, Workspace::new());
    let target = place.path("a");
    let config = config(&join(&simulator), &lines(&target)).replace("max_shrink = 100", "min = 2");
    let sidecar = Sidecar::start(&place.write("watch.toml", &config));
    file_is(&target, "10.0.1.4\n10.0.1.5\n", &sidecar).await;
    let first = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .next()
            .unwrap()
            .name
            .clone()
    });
    simulator.with_world(|world| world.remove_instance("servers", &first).unwrap());
    sidecar
        .logs("a result is held back: 1 of at least 2 addresses")
        .await;
    let held = async || {
        let (_, metrics) = sidecar.get("/metrics").await;
        metrics
            .lines()
            .find_map(|line| {
                line.strip_prefix(
                    "discover_watch_poll_results_total{watch=\"servers\",outcome=\"held\"} ",
                )
            })
            .map_or(0, |count| count.parse::<u64>().unwrap())
    };
    while held().await < 5 {}
    assert_eq!(
        sidecar.log().matches("held back").count(),
        1,
        "{}",
        sidecar.log()
    );
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.1.4\n10.0.1.5\n");
    assert!(
        sidecar
            .get("/")
            .await
            .1
            .contains("held back: 1 of at least 2 addresses")
    );
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_file_that_someone_else_changes_is_restored_and_warned_of_once() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let target = place.path("a");
    let sidecar =
        Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &lines(&target))));
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    sidecar.logs("written, 1 addresses").await;
    for _ in 0..2 {
        fs::write(&target, "mine\n").unwrap();
        file_is(&target, "10.0.1.4\n", &sidecar).await;
    }
    sidecar
        .logs("someone else changed or removed this file")
        .await;
    assert_eq!(sidecar.stop().await.2.matches("someone else").count(), 1);
    simulator.finish();
}
