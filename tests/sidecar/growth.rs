//! Thousands of cycles: memory, descriptors and tasks stay what they were. The bench `sidecar` does
//! 10,000 and measures an idle one.

use std::fs;
use std::time::Duration;

use cloud_autojoin_simulator::azure::Simulator;

use crate::harness::{Sidecar, Workspace, join, pause, until, world_in};

const CYCLES: u64 = 2_000;

/// Resident KiB, open descriptors, threads.
fn size(pid: u32) -> (u64, usize, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    (resident, count("fd"), count("task"))
}

#[tokio::test]
async fn thousands_of_cycles_leave_nothing_behind() {
    let (simulator, place) = (
        Simulator::start(world_in("10.0.0.0/16", &["10.0.1.4", "10.0.1.5"]))
            .await
            .unwrap(),
        Workspace::new(),
    );
    let target = place.path("a");
    let sidecar = Sidecar::start(&place.write(
        "watch.toml",
        &format!(
            "listen = \"127.0.0.1:0\"\nstate_directory = \"{}\"\n[[watch]]\nname = \"servers\"\njoin = \"{}\"\ninterval = \"1ms\"\nmax_shrink = 100\n[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
            place.path("state").display(),
            join(&simulator),
            target.display()
        ),
    ));
    let polls = async || {
        let (_, metrics) = sidecar.get("/metrics").await;
        metrics
            .lines()
            .find_map(|line| line.strip_prefix("discover_watch_polls_total{watch=\"servers\"} "))
            .map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let work = async |until_count: u64| {
        let mut toggles = 0;
        while polls().await < until_count {
            let name = simulator.with_world(|world| world.add_instance("servers").unwrap());
            pause(Duration::from_millis(20)).await;
            simulator.with_world(|world| world.remove_instance("servers", &name).unwrap());
            pause(Duration::from_millis(20)).await;
            simulator.reset_record();
            toggles += 1;
        }
        toggles
    };
    until("the first file", || target.exists(), || sidecar.log()).await;
    work(CYCLES / 4).await;
    let before = size(sidecar.pid());
    let toggles = work(CYCLES).await;
    let after = size(sidecar.pid());
    println!(
        "{CYCLES} cycles, {toggles} changes there and back: resident {} -> {} KiB, descriptors {} -> {}, threads {} -> {}",
        before.0, after.0, before.1, after.1, before.2, after.2
    );
    assert!(
        after.0 < before.0 + 2_048,
        "memory grows: {before:?} -> {after:?}"
    );
    assert!(
        after.1 <= before.1 + 4,
        "descriptors grow: {before:?} -> {after:?}"
    );
    assert!(
        after.2 <= before.2 + 4,
        "threads grow: {before:?} -> {after:?}"
    );
    sidecar.stop().await;
}
