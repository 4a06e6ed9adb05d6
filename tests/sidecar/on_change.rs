//! What is done on change: commands and signals.

use std::fs;
use std::path::Path;

use rustix::process::{Signal, test_kill_process};

use crate::harness::{Sidecar, Workspace, file_is, join, simulator, until};

fn config(join: &str, more: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\nname = \"servers\"\njoin = \"{join}\"\ninterval = \"20ms\"\nmax_shrink = 100\n{more}"
    )
}

/// A script that is run by `sh`.
fn script(place: &Workspace, text: &str) -> String {
    let path = place.write("script", text);
    format!(
        "[[watch.on_change]]\ncommand = [\"sh\", \"{}\"]\ndebounce = \"1ms\"\n",
        path.display()
    )
}

#[tokio::test]
async fn a_command_gets_the_addresses_and_what_changed_after_the_files_are_written() {
    let (simulator, place) = (simulator(&["10.0.1.4", "10.0.1.5"]).await, Workspace::new());
    let (log, target) = (place.path("log"), place.path("a"));
    let text = format!(
        "echo \"$DISCOVER_WATCH|$DISCOVER_ADDRESSES|$DISCOVER_JOINED|$DISCOVER_LEFT|$(tr '\\n' ' ')|$(tr '\\n' ' ' < {})|$NOTIFY_SOCKET\" >> {}\n",
        target.display(),
        log.display()
    );
    let file = format!(
        "[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        target.display()
    );
    let sidecar = Sidecar::start(&place.write(
        "watch.toml",
        &config(&join(&simulator), &(file + &script(&place, &text))),
    ));
    let first =
        "servers|10.0.1.4 10.0.1.5|10.0.1.4 10.0.1.5||10.0.1.4 10.0.1.5 |10.0.1.4 10.0.1.5 |\n";
    file_is(&log, first, &sidecar).await;
    let gone = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .next()
            .unwrap()
            .name
            .clone()
    });
    simulator.with_world(|world| world.remove_instance("servers", &gone).unwrap());
    file_is(
        &log,
        &format!("{first}servers|10.0.1.5||10.0.1.4|10.0.1.5 |10.0.1.5 |\n"),
        &sidecar,
    )
    .await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_failing_command_is_logged_and_counted_and_blocks_nothing() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let target = place.path("a");
    let more = format!(
        "[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n{}[[watch.on_change]]\ncommand = [\"/no/such/program\"]\ndebounce = \"0s\"\n",
        target.display(),
        script(&place, "echo out of luck >&2; exit 3\n")
    );
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &more)));
    sidecar.logs("command sh: exit status 3, out of luck").await;
    sidecar
        .logs("command /no/such/program: cannot be started: No such file or directory (os error 2)")
        .await;
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    let (_, metrics) = sidecar.get("/metrics").await;
    assert!(metrics.contains("discover_on_change_runs_total{watch=\"servers\",action=\"command sh\",outcome=\"failed\"} 1"), "{metrics}");
    sidecar.stop().await;
    simulator.finish();
}

fn is_alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // A zombie that isn't waited for is dead.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok()
        && !state.contains(") Z ")
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let pid = place.path("child.pid");
    let text = format!(
        "tail -f /dev/null & echo $! > {}.new; mv {}.new {}; wait\n",
        pid.display(),
        pid.display(),
        pid.display()
    );
    let more = script(&place, &text) + "timeout = \"500ms\"\n";
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &more)));
    sidecar.logs("command sh: killed after 0.5 s").await;
    until("the child to end", || !is_alive(&pid), || sidecar.log()).await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn the_end_of_the_sidecar_is_the_end_of_its_command() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let pid = place.path("child.pid");
    let text = format!(
        "tail -f /dev/null & echo $! > {}.new; mv {}.new {}; wait\n",
        pid.display(),
        pid.display(),
        pid.display()
    );
    let sidecar = Sidecar::start(&place.write(
        "watch.toml",
        &config(&join(&simulator), &script(&place, &text)),
    ));
    until("the command to start", || pid.exists(), || sidecar.log()).await;
    let (status, _, log) = sidecar.stop().await;
    assert_eq!(status, Some(0), "{log}");
    until("the child to end", || !is_alive(&pid), || log.clone()).await;
    simulator.finish();
}

#[tokio::test]
async fn a_signal_reaches_the_process_of_the_pid_file() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let (pid, got) = (place.path("agent.pid"), place.path("got"));
    let mut agent = tokio::process::Command::new("sh")
        .args([
            "-c",
            // Not HUP: a shell cannot trap what was ignored when it started, as under nohup.
            "trap 'echo usr1 > $1' USR1; echo $$ > $0.new; mv $0.new $0; while [ ! -e $1 ]; do sleep 0.05; done",
            pid.to_str().unwrap(),
            got.to_str().unwrap(),
        ])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("the agent to start", || pid.exists(), String::new).await;
    let more = format!(
        "[[watch.on_change]]\nsignal = \"USR1\"\npid_file = \"{}\"\ndebounce = \"0s\"\n[[watch.on_change]]\nsignal = \"HUP\"\npid_file = \"/nowhere/agent.pid\"\ndebounce = \"0s\"\n",
        pid.display()
    );
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &more)));
    file_is(&got, "usr1\n", &sidecar).await;
    assert!(agent.wait().await.unwrap().success());
    sidecar
        .logs("cannot read the pid file /nowhere/agent.pid: No such file or directory (os error 2)")
        .await;
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.stop_status().await, Some(0));
    simulator.finish();
}

/// What a hook doesn't need and must not get: every program that it starts could read it.
/// `ARM_CLIENT_SECRET` would be used for the polls here; a unit test has it.
const SECRETS: [&str; 6] = [
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "IDENTITY_HEADER",
    "CONSUL_HTTP_TOKEN",
    "NOMAD_TOKEN",
    "VAULT_TOKEN",
];

#[tokio::test]
async fn a_command_gets_no_secret_of_the_environment_and_its_output_goes_to_the_log() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let text = "echo \"kept: $KEPT, secrets: $(env | grep -c canary)\"\necho careful >&2\nprintf '\\033[31mred\\n'\nseq -f 'line %g.' 1 150\nexit 3\n";
    let file = place.write(
        "watch.toml",
        &config(&join(&simulator), &script(&place, text)),
    );
    let mut command = crate::harness::command(&["--config", file.to_str().unwrap()]);
    // The metadata service of the join string is there, so that none of these is used.
    command
        .env("KEPT", "plain")
        .envs(SECRETS.map(|name| (name, "canary")));
    let sidecar = Sidecar::spawn(command);
    sidecar.logs("exit status 3, careful").await;
    let log = sidecar.log();
    let has = |text: &str| {
        log.lines()
            .any(|line| line.contains(text) && line.contains("action=\"command sh\""))
    };
    assert!(has("INFO kept: plain, secrets: 0 "), "{log}");
    assert!(has("WARN careful "), "{log}");
    assert!(has("INFO \\u{1b}[31mred "), "{log}");
    // Two lines came before.
    assert!(has("INFO line 98. ") && !log.contains("line 99."), "{log}");
    assert!(has("INFO 52 more lines of output are dropped "), "{log}");
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn each_run_of_a_command_that_fails_is_in_the_log() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let sidecar = Sidecar::start(&place.write(
        "watch.toml",
        &config(&join(&simulator), &script(&place, "exit 3\n")),
    ));
    let runs = || {
        sidecar
            .log()
            .matches("WARN command sh: exit status 3")
            .count()
    };
    for run in 1..=3 {
        until(
            "the failed run to be logged",
            || runs() == run,
            || sidecar.log(),
        )
        .await;
        simulator.with_world(|world| world.add_instance("servers").unwrap());
    }
    sidecar.stop().await;
    simulator.finish();
}
