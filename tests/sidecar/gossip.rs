//! Real gossip: three of HashiCorp's own agents (serf) find each other through files that the
//! sidecar keeps, lose one, and find its successor without a restart.
//!
//! Runs where `serf` is installed; elsewhere it reports that it was skipped.

use std::fs;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::harness::{Sidecar, Workspace, join, pause, simulator, until};

const PROGRAM: &str = "/usr/bin/serf";

struct Agent {
    address: String,
    _child: Child,
}

/// An agent at this address, which reads its configuration from a file that the sidecar keeps.
fn agent(address: &str, config: &std::path::Path) -> Agent {
    let child = Command::new(PROGRAM)
        .args([
            "agent",
            &format!("-node=at-{address}"),
            &format!("-bind={address}:7946"),
            &format!("-rpc-addr={address}:7373"),
            "-profile=local",
            "-log-level=warn",
        ])
        .arg(format!("-config-file={}", config.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    Agent {
        address: address.to_owned(),
        _child: child,
    }
}

impl Agent {
    /// Who is alive, as this agent sees it.
    async fn sees(&self) -> Vec<String> {
        let rpc = format!("-rpc-addr={}:7373", self.address);
        let output = Command::new(PROGRAM)
            .args(["members", "-status=alive", "-format=json", &rpc])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let members: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let names = members["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| member["name"].as_str());
        let mut names: Vec<String> = names
            .map(|name| name.trim_start_matches("at-").to_owned())
            .collect();
        names.sort();
        names
    }
}

async fn all_see(agents: &[&Agent], wanted: &[&str], sidecar: &Sidecar) {
    let mut seen = Vec::new();
    for _ in 0..600 {
        seen.clear();
        for agent in agents {
            seen.push(agent.sees().await);
        }
        if seen.iter().all(|names| names == wanted) {
            return;
        }
        pause(std::time::Duration::from_millis(50)).await;
    }
    panic!(
        "wanted {wanted:?}, the agents see {seen:?}\n{}",
        sidecar.log()
    );
}

#[tokio::test]
async fn serf_agents_find_each_other_and_a_successor_through_the_sidecar() {
    if !fs::exists(PROGRAM).unwrap() {
        println!("skipped: serf is not installed (apt-get install serf)");
        return;
    }
    let (simulator, place) = (
        simulator(&["127.0.0.11", "127.0.0.12", "127.0.0.13"]).await,
        Workspace::new(),
    );
    let config = place.path("serf.json");
    let template = place.write("serf.tmpl", "{\"retry_join\": {{ addresses | map(attribute=\"host\") | list | tojson }}, \"retry_interval\": \"200ms\"}\n");
    // Each new peer is joined to one that is there already; serf gossips it to the others.
    let script = place.write(
        "join",
        "exec /usr/bin/serf join -rpc-addr=127.0.0.11:7373 $DISCOVER_ADDRESSES\n",
    );
    let sidecar = Sidecar::start(&place.write(
        "watch.toml",
        &format!(
            "listen = \"127.0.0.1:0\"\n[[watch]]\njoin = \"{}\"\ninterval = \"50ms\"\nmin = 3\nmax_shrink = 100\n[[watch.file]]\nkind = \"template\"\ntemplate = \"{}\"\npath = \"{}\"\n\
             [[watch.on_change]]\ncommand = [\"sh\", \"{}\"]\ndebounce = \"50ms\"\n",
            join(&simulator),
            template.display(),
            config.display(),
            script.display()
        ),
    ));
    until("the configuration", || config.exists(), || sidecar.log()).await;
    let (first, second, third) = (
        agent("127.0.0.11", &config),
        agent("127.0.0.12", &config),
        agent("127.0.0.13", &config),
    );
    all_see(
        &[&first, &second, &third],
        &["127.0.0.11", "127.0.0.12", "127.0.0.13"],
        &sidecar,
    )
    .await;

    // The third is replaced: its machine dies, another comes with another address, and its agent
    // knows no member.
    drop(third);
    let empty = place.write("empty.json", "{}\n");
    let members = simulator.with_world(|world| {
        world.subscriptions()[0].resource_groups[0]
            .members("servers")
            .map(|machine| machine.name.clone())
            .collect::<Vec<_>>()
    });
    let successor = simulator.with_world(|world| {
        world.replace_instance("servers", &members[2]).unwrap();
        let group = &world.subscriptions()[0].resource_groups[0];
        let machine = group.members("servers").last().unwrap();
        let interface = group
            .network_interface(&machine.network_interfaces[0].name)
            .unwrap();
        interface.ip_configurations[0]
            .private_address
            .unwrap()
            .to_string()
    });
    assert_ne!(successor, "127.0.0.13");
    let fourth = agent(&successor, &empty);
    let mut wanted = ["127.0.0.11", "127.0.0.12", &successor];
    wanted.sort_unstable();
    all_see(&[&first, &second, &fourth], &wanted, &sidecar).await;
    assert!(fs::read_to_string(&config).unwrap().contains(&successor));
    sidecar.stop().await;
    simulator.finish();
}
