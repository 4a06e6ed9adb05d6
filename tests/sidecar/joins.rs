//! Running agents: which peers the sidecar has them join, and what it logs while they aren't up
//! yet.
//!
//! The order of joins in time is tested in the command, on a paused clock.

use std::fs;
use std::net::TcpListener;

use crate::agents::{FakeAgent, Host, Kind, Network, serve};
use crate::harness::{Sidecar, Workspace, file_is, join, pause, run, simulator, until};

fn config(join: &str, url: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\nname = \"servers\"\njoin = \"{join}\"\ninterval = \"20ms\"\nmax_shrink = 40\nmax_shrink_hold = \"1h\"\n\
         [[watch.agent]]\nkind = \"consul\"\nurl = \"{url}\"\n"
    )
}

#[tokio::test]
async fn an_agent_that_is_not_up_yet_is_no_warning() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    // A port on which nothing listens.
    let url = format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    );
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &url)));
    sidecar
        .logs(&format!(
            "not yet: consul agent {url}: cannot read its members"
        ))
        .await;
    let (_, _, log) = sidecar.stop().await;
    assert!(!log.contains(" WARN "), "{log}");
    assert_eq!(log.matches("not yet").count(), 1, "{log}");
}

#[tokio::test]
async fn a_restarted_agent_joins_the_members_of_the_newest_result_and_no_retained_ones() {
    let (simulator, place) = (
        simulator(&["127.0.0.11", "127.0.0.12", "127.0.0.13"]).await,
        Workspace::new(),
    );
    let network = Network::of(&[
        ("127.0.0.11", Host::Live),
        ("127.0.0.12", Host::Live),
        ("127.0.0.13", Host::Live),
    ]);
    let agent = FakeAgent::new(Kind::Consul, "127.0.0.11", &network);
    let url = serve(agent.clone()).await;
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&join(&simulator), &url)));
    let sees = async |wanted: &[&str]| {
        let is_there = || {
            wanted.len() == agent.alive().len()
                && agent
                    .alive()
                    .iter()
                    .all(|address| wanted.contains(&address.as_str()))
        };
        until(&format!("the agent to know {wanted:?}"), is_there, || {
            format!("{:?}\n{}", agent.alive(), sidecar.log())
        })
        .await;
    };
    sees(&["127.0.0.11", "127.0.0.12", "127.0.0.13"]).await;

    // Two machines go, more than may leave at once, and the agent restarts without a memory.
    let names: Vec<String> = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .map(|machine| machine.name.clone())
            .collect()
    });
    simulator.with_world(|world| {
        names[1..]
            .iter()
            .for_each(|name| world.remove_instance("servers", name).unwrap())
    });
    sidecar.logs("2 of 3 addresses are missing").await;
    for address in ["127.0.0.12", "127.0.0.13"] {
        network.set(address, Host::Refuses);
    }
    network.set("127.0.0.11", Host::Live);
    agent.puts();
    let updates = async || {
        let (_, metrics) = sidecar.get("/metrics").await;
        let count = metrics.lines().find(|line| {
            line.starts_with("discover_agent_calls_total{")
                && line.contains("outcome=\"unchanged\"")
        });
        count.map_or(0, |line| {
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        })
    };
    let before = updates().await;
    while updates().await < before + 3 {
        pause(std::time::Duration::from_millis(5)).await;
    }
    assert!(agent.puts().is_empty(), "{}", sidecar.log());

    // Their successors are joined.
    let successors: Vec<String> = simulator.with_world(|world| {
        for _ in 0..2 {
            world.add_instance("servers").unwrap();
        }
        let group = &world.subscriptions()[0].resource_groups[0];
        let address = |name: &str| {
            group.network_interface(name).unwrap().ip_configurations[0]
                .private_address
                .unwrap()
                .to_string()
        };
        let successors: Vec<String> = group
            .members("servers")
            .skip(1)
            .map(|machine| address(&machine.network_interfaces[0].name))
            .collect();
        for address in &successors {
            network.set(address, Host::Live);
        }
        successors
    });
    let mut wanted = vec!["127.0.0.11"];
    wanted.extend(successors.iter().map(String::as_str));
    sees(&wanted).await;
    let puts = agent.puts();
    assert!(
        !puts
            .iter()
            .any(|put| put.ends_with(".12") || put.ends_with(".13")),
        "{puts:?}"
    );
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn files_list_the_newest_result_before_retained_addresses() {
    let (simulator, place) = (
        simulator(&["10.0.1.4", "10.0.1.5", "10.0.1.6"]).await,
        Workspace::new(),
    );
    let (target, once, state) = (place.path("a"), place.path("once"), place.path("state"));
    let (join, file) = (join(&simulator), format!("lines:{}", once.display()));
    let arguments = [
        "--once",
        "--file",
        &file,
        "--state-directory",
        state.to_str().unwrap(),
        "--listen",
        "none",
        &join,
    ];
    assert_eq!(run(&arguments).await.0, Some(0));
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\njoin = \"{join}\"\ninterval = \"20ms\"\n[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        target.display()
    );
    let sidecar = Sidecar::start(&place.write("watch.toml", &config));
    file_is(&target, "10.0.1.4\n10.0.1.5\n10.0.1.6\n", &sidecar).await;
    let names: Vec<String> = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .map(|machine| machine.name.clone())
            .collect()
    });
    simulator.with_world(|world| {
        names[..2]
            .iter()
            .for_each(|name| world.remove_instance("servers", name).unwrap())
    });
    file_is(&target, "10.0.1.6\n10.0.1.4\n10.0.1.5\n", &sidecar).await;
    sidecar.stop().await;

    // A machine that was replaced boots with the last good result of before.
    simulator.with_world(|world| (0..2).for_each(|_| drop(world.add_instance("servers").unwrap())));
    assert_eq!(run(&arguments).await.0, Some(0));
    assert_eq!(
        fs::read_to_string(&once).unwrap(),
        "10.0.1.6\n10.0.1.7\n10.0.1.8\n10.0.1.4\n10.0.1.5\n"
    );
    simulator.finish();
}
