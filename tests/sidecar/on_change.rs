//! What is done on change: commands and signals.

use std::fs;
use std::path::Path;

use rustix::process::{Signal, test_kill_process};

use crate::harness::{Place, Sidecar, file_says, join, simulator, until};

fn config(join: &str, more: &str) -> String {
    format!("listen = \"127.0.0.1:0\"\n[[watch]]\nname = \"servers\"\njoin = \"{join}\"\ninterval = \"20ms\"\nmax_shrink = 100\n{more}")
}

/// A script that is run by `sh`.
fn script(place: &Place, text: &str) -> String {
    let path = place.write("script", text);
    format!("[[watch.on_change]]\ncommand = [\"sh\", \"{}\"]\ndebounce = \"1ms\"\n", path.display())
}

#[tokio::test]
async fn a_command_gets_the_addresses_and_what_changed_after_the_files_are_written() {
    let (simulator, place) = (simulator(&["10.0.1.4", "10.0.1.5"]).await, Place::new());
    let (told, target) = (place.path("told"), place.path("a"));
    let text = format!(
        "echo \"$DISCOVER_WATCH|$DISCOVER_ADDRESSES|$DISCOVER_JOINED|$DISCOVER_LEFT|$(tr '\\n' ' ')|$(tr '\\n' ' ' < {})|$NOTIFY_SOCKET\" >> {}\n",
        target.display(),
        told.display()
    );
    let file = format!("[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n", target.display());
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &(file + &script(&place, &text)))));
    let first = "servers|10.0.1.4 10.0.1.5|10.0.1.4 10.0.1.5||10.0.1.4 10.0.1.5 |10.0.1.4 10.0.1.5 |\n";
    file_says(&told, first, &sidecar).await;
    let gone = simulator.with_world(|world| world.subscriptions()[0].resource_groups[0].members("servers").next().unwrap().name.clone());
    simulator.with_world(|world| world.remove_instance("servers", &gone).unwrap());
    file_says(&told, &format!("{first}servers|10.0.1.5||10.0.1.4|10.0.1.5 |10.0.1.5 |\n"), &sidecar).await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_command_that_fails_is_told_counted_and_in_nobodys_way() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Place::new());
    let target = place.path("a");
    let more = format!(
        "[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n{}[[watch.on_change]]\ncommand = [\"/no/such/program\"]\ndebounce = \"0s\"\n",
        target.display(),
        script(&place, "echo out of luck >&2; exit 3\n")
    );
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &more)));
    sidecar.says("command sh: exit status 3, out of luck").await;
    sidecar.says("command /no/such/program: cannot be started: No such file or directory (os error 2)").await;
    file_says(&target, "10.0.1.4\n", &sidecar).await;
    let (_, metrics) = sidecar.get("/metrics").await;
    assert!(metrics.contains("discover_on_change_runs_total{watch=\"servers\",action=\"command sh\",outcome=\"failed\"} 1"), "{metrics}");
    sidecar.stop().await;
    simulator.finish();
}

fn is_alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    // A zombie that nobody waits for is dead.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_ok() && !state.contains(") Z ")
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Place::new());
    let pid = place.path("child.pid");
    let text = format!("tail -f /dev/null & echo $! > {}.new; mv {}.new {}; wait\n", pid.display(), pid.display(), pid.display());
    let more = script(&place, &text) + "timeout = \"500ms\"\n";
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &more)));
    sidecar.says("command sh: killed after 0.5 s").await;
    until("the child to end", || !is_alive(&pid), || sidecar.log()).await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn the_end_of_the_sidecar_is_the_end_of_its_command() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Place::new());
    let pid = place.path("child.pid");
    let text = format!("tail -f /dev/null & echo $! > {}.new; mv {}.new {}; wait\n", pid.display(), pid.display(), pid.display());
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &script(&place, &text))));
    until("the command to start", || pid.exists(), || sidecar.log()).await;
    let (status, _, log) = sidecar.stop().await;
    assert_eq!(status, Some(0), "{log}");
    until("the child to end", || !is_alive(&pid), || log.clone()).await;
    simulator.finish();
}

#[tokio::test]
async fn a_signal_reaches_the_process_of_the_pid_file() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Place::new());
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
    file_says(&got, "usr1\n", &sidecar).await;
    assert!(agent.wait().await.unwrap().success());
    sidecar.says("cannot read the pid file /nowhere/agent.pid: No such file or directory (os error 2)").await;
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.stop_status().await, Some(0));
    simulator.finish();
}
