//! Killed at any moment: every file that is read parses and is one of the results of the cloud,
//! and the next start goes on from the last good one.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin_simulator::azure::Simulator;
use cloud_autojoin_simulator::azure::world::World;

use crate::harness::{Sidecar, Workspace, join, pause, world_in};

const KILLS: usize = 300;

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_leaves_the_old_file_or_the_new_one() {
    let world = world_in("127.0.0.0/16", &["127.0.1.4", "127.0.1.5", "127.0.1.6"]);
    let (simulator, place) = (Simulator::start(world).await.unwrap(), Workspace::new());
    let (json, hcl, lines, state) = (
        place.path("join.json"),
        place.path("join.hcl"),
        place.path("lines"),
        place.path("state"),
    );
    let file = place.write(
        "watch.toml",
        &format!(
            "listen = \"none\"\nstate_directory = \"{}\"\n[[watch]]\nname = \"servers\"\njoin = \"{}\"\ninterval = \"1ms\"\nmax_shrink = 100\n\
             [[watch.file]]\nkind = \"consul\"\npath = \"{}\"\n[[watch.file]]\nkind = \"nomad-server\"\npath = \"{}\"\n[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
            state.display(),
            join(&simulator),
            json.display(),
            hcl.display(),
            lines.display()
        ),
    );
    // Every result that the cloud could have given so far; the list grows before the world changes.
    let addresses = |world: &World| -> Vec<String> {
        let group = &world.subscriptions()[0].resource_groups[0];
        let mut addresses: Vec<IpAddr> = group
            .members("servers")
            .flat_map(|machine| &machine.network_interfaces)
            .filter_map(|reference| group.network_interface(&reference.name))
            .flat_map(|interface| &interface.ip_configurations)
            .filter_map(|configuration| configuration.private_address)
            .collect();
        addresses.sort();
        addresses.iter().map(ToString::to_string).collect()
    };
    let given: Arc<Mutex<BTreeSet<Vec<String>>>> = Arc::default();
    given
        .lock()
        .unwrap()
        .insert(simulator.with_world(|world| addresses(world)));

    // Reads all the time, as agents do.
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (done, given, json, hcl, lines) = (
            Arc::clone(&done),
            Arc::clone(&given),
            json.clone(),
            hcl.clone(),
            lines.clone(),
        );
        std::thread::spawn(move || {
            let mut reads = 0_u64;
            let is_given = |found: Vec<String>, text: &str| {
                assert!(
                    given.lock().unwrap().contains(&found),
                    "no result of the cloud:\n{text}"
                )
            };
            while !done.load(Ordering::Relaxed) {
                if let Ok(text) = fs::read_to_string(&json) {
                    let read: serde_json::Value = serde_json::from_str(&text)
                        .unwrap_or_else(|error| panic!("{error} in {text:?}"));
                    is_given(
                        serde_json::from_value(read["retry_join"].clone()).unwrap(),
                        &text,
                    );
                    reads += 1;
                }
                if let Ok(text) = fs::read_to_string(&hcl) {
                    let read: serde_json::Value =
                        hcl::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"));
                    is_given(
                        serde_json::from_value(read["server"]["server_join"]["retry_join"].clone())
                            .unwrap(),
                        &text,
                    );
                }
                if let Ok(text) = fs::read_to_string(&lines) {
                    assert!(text.ends_with('\n'), "{text:?}");
                    is_given(text.lines().map(str::to_owned).collect(), &text);
                }
            }
            reads
        })
    };
    let mut dice = Dice(20_260_101);
    let mut changes = 0;
    let change = || {
        // Under the lock: a reader that sees the new result finds it in the list.
        let mut given = given.lock().unwrap();
        simulator.with_world(|world| {
            // One more and back: the cloud's lists are read one after another, and whatever mixture
            // of two moments is a result of a third.
            let members: Vec<String> = world.subscriptions()[0].resource_groups[0]
                .members("servers")
                .map(|machine| machine.name.clone())
                .collect();
            match members.get(3) {
                None => _ = world.add_instance("servers").unwrap(),
                Some(fourth) => world.remove_instance("servers", fourth).unwrap(),
            }
            given.insert(addresses(world));
        });
    };
    let mut first_written = false;
    for kill in 0..KILLS {
        let sidecar = Sidecar::start(&file);
        // From before the first line of `main` to some cycles after the first result.
        let moments = dice.below(20);
        for _ in 0..moments {
            change();
            changes += 1;
            pause(Duration::from_micros(500 + dice.below(8_000))).await;
        }
        assert!(
            !reader.is_finished(),
            "the reader saw what it should not, after {kill} kills"
        );
        first_written |= json.exists();
        sidecar.kill().await;
    }
    assert!(first_written, "nothing was ever written");
    // What was kept is whole too: with the cloud down, a start goes on from it.
    simulator.add_fault(cloud_autojoin_simulator::azure::Fault::status(503));
    let kept = fs::read_to_string(&json).unwrap();
    fs::remove_file(&json).unwrap();
    let sidecar = Sidecar::start(&file);
    crate::harness::until("the last good result", || json.exists(), || sidecar.log()).await;
    sidecar
        .logs("using the last good result of an earlier run")
        .await;
    sidecar.stop().await;
    done.store(true, Ordering::Relaxed);
    let reads = reader.join().unwrap();
    let left: Vec<String> = fs::read_dir(place.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".discover-tmp"))
        .collect();
    assert!(left.len() <= 3, "unfinished files pile up: {left:?}");
    println!(
        "{KILLS} kills, {changes} changes of the world, {} results, {reads} reads, the last file: {}",
        given.lock().unwrap().len(),
        kept.replace('\n', "")
    );
}
