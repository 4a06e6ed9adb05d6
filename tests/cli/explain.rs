//! `discover explain`: everything that was looked at, and what to do, for people, for programs, as
//! a picture.

use cloud_autojoin_simulator::azure::world::{Named, PowerState, World};
use cloud_autojoin_simulator::azure::{Endpoint, Fault, Simulator};
use serde_json::{Value, json};

use crate::command::{CLIENT_ID, Command, NOMAD_CONSUL, TAGGED, UNIFORM, discover};

async fn start(world: &str) -> Simulator {
    Simulator::start(World::shipped(world).unwrap())
        .await
        .unwrap()
}

/// `discover explain` of this string in eighty columns. It finds the endpoints through the proxy,
/// so that they are not in the output.
fn explain(simulator: &Simulator, format: &str, string: &str) -> Command {
    discover(["explain", "-o", format, &format!("provider=azure {string}")])
        .against(simulator)
        .through_proxy(simulator)
        .env("COLUMNS", "80")
}

fn tagged(value: &str) -> String {
    format!("subscription_id={TAGGED} tag_name=consul tag_value={value}")
}

#[tokio::test]
async fn people_see_each_interface_with_its_verdict_and_each_request_in_eighty_columns() {
    let simulator = start("tagged").await;
    let ended = explain(&simulator, "text", &tagged("server")).run().await;
    ended.is(
        0,
        "\
searched for tag `consul` = `server` on the network interface
authenticated by client secret of application
  `33333333-3333-4333-8333-333333333333`
5 of 8 network interfaces are in
all of them: resource group machines

     address       instance                    network interface
in   10.0.3.4      consul-0                    consul-0VMNic
in   10.0.3.5      consul-1                    consul-1VMNic
in   10.0.3.6      consul-2                    consul-2VMNic
in   10.0.3.7      consul-two-interfaces       front
in   10.0.3.9      consul-other-case           consul-other-caseVMNic
out  no tag        consul-two-interfaces       back
     `consul`
out  tag `consul`  consul-client               consul-clientVMNic
     is `client`,
     not `server`
out  no tag        tagged-on-the-machine-only  tagged-on-the-machine-onlyVMNic
     `consul`

request                                          status      time
sign in as application                           200         N ms
`33333333-3333-4333-8333-333333333333`
list the network interfaces of the subscription  200         N ms
list the network interfaces of the subscription  200         N ms
list the network interfaces of the subscription  200         N ms
list the network interfaces of the subscription  200         N ms
",
        "",
    );
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 80));
    assert!(!ended.stdout.contains('\x1b'), "colour in a pipe");
    simulator.finish();
}

#[tokio::test]
async fn no_line_is_broken_in_a_pipe() {
    let simulator = start("tagged").await;
    let ended = discover(["explain", &format!("provider=azure {}", tagged("server"))])
        .against(&simulator)
        .through_proxy(&simulator)
        .run()
        .await;
    for line in [
        "out  tag `consul` is `client`, not `server`  consul-client               consul-clientVMNic",
        "sign in as application `33333333-3333-4333-8333-333333333333`  200         N ms",
    ] {
        assert!(
            ended.stdout.lines().any(|shown| shown == line),
            "{line}: {ended:?}"
        );
    }
    simulator.finish();
}

#[tokio::test]
async fn resources_can_be_selected_and_limited() {
    let simulator = start("tagged").await;
    let explain = async |words: &[&str]| {
        let string = format!("provider=azure {}", tagged("server"));
        let words = ["explain"]
            .into_iter()
            .chain(words.iter().copied())
            .chain([string.as_str()]);
        discover(words)
            .against(&simulator)
            .through_proxy(&simulator)
            .run()
            .await
    };
    let verdicts = async |words: &[&str]| {
        let ended = explain(words).await;
        assert!(
            ended
                .stdout
                .contains("\n5 of 8 network interfaces are in\n"),
            "{ended:?}"
        );
        let count = |verdict: &str| {
            ended
                .stdout
                .lines()
                .filter(|line| line.starts_with(verdict))
                .count()
        };
        (
            count("in "),
            count("out "),
            ended.stdout.contains("consul-clientVMNic"),
        )
    };
    assert_eq!(verdicts(&[]).await, (5, 3, true));
    assert_eq!(verdicts(&["--only", "matched"]).await, (5, 0, false));
    assert_eq!(verdicts(&["--only", "excluded"]).await, (0, 3, true));
    assert_eq!(verdicts(&["--only", "near"]).await, (0, 1, true));
    assert_eq!(verdicts(&["--limit", "6"]).await, (5, 1, false));
    let ended = explain(&["--limit", "6"]).await;
    assert!(
        ended
            .stdout
            .contains("\n2 more; use a larger `--limit` or `--only`\n"),
        "{ended:?}"
    );

    let ended = explain(&["--only", "excluded", "--limit", "2", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let nodes = document["discovery"]["nodes"].as_array().unwrap();
    assert!(
        nodes.len() == 2 && nodes.iter().all(|node| node["excluded"] != json!([])),
        "{document}"
    );
    explain(&["--only", "near", "-o", "mermaid"]).await.is(
        2,
        "",
        "discover: `--only` and `--limit` don't apply to `--output mermaid`\nhint: omit them, or use text or JSON\n",
    );
    simulator.finish();
}

#[tokio::test]
async fn a_string_that_finds_nothing_ends_with_the_cause_and_the_string_that_works() {
    let simulator = start("nomad-consul").await;
    let tags = format!("subscription_id={NOMAD_CONSUL} tag_name=consul tag_value=server");
    let ended = explain(&simulator, "text", &tags).run().await;
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(3), ""));
    let (_, end) = ended
        .stdout
        .split_once("\n\nlikely cause: ")
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert!(end.starts_with("tag `consul` = `server` is set on the scale set `consul-servers`\nhint: add `tag_on=scale_set`\n"), "{ended:?}");
    let working = end
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("try: "))
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(
        working,
        format!(
            "provider=azure subscription_id={NOMAD_CONSUL} tag_name=consul tag_on=scale_set tag_value=server"
        )
    );
    let ended = discover(["addrs", working])
        .against(&simulator)
        .through_proxy(&simulator)
        .run()
        .await;
    ended.is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    simulator.finish();
}

#[tokio::test]
async fn a_mode_that_is_not_the_sets_own_is_noticed() {
    let simulator = start("uniform").await;
    let string = format!(
        "subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault orchestration_mode=flexible"
    );
    let ended = explain(&simulator, "text", &string).run().await;
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(ended.stdout.ends_with(&format!("try: provider=azure resource_group=uniform subscription_id={UNIFORM} vm_scale_set=vault\n")), "{ended:?}");
    simulator.finish();
}

#[tokio::test]
async fn a_rule_that_leaves_everything_out_is_named() {
    let simulator = start("tagged").await;
    let ended = explain(
        &simulator,
        "text",
        &format!("{} address_type=private_v6", tagged("server")),
    )
    .run()
    .await;
    assert_eq!(ended.status, Some(3), "{ended:?}");
    let (_, end) = ended
        .stdout
        .split_once("\n\nlikely cause: ")
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(
        end,
        format!(
            "5 of the network interfaces match the selection, and none of them\n  has an address of the requested type\nhint: leave `address_type=private_v6` out\n\
             try: provider=azure subscription_id={TAGGED} tag_name=consul tag_value=server\n"
        )
    );
    let ended = explain(
        &simulator,
        "text",
        &format!("{} address_type=public_v4", tagged("server")),
    )
    .run()
    .await;
    assert!(
        ended.status == Some(3)
            && ended
                .stdout
                .contains("\nhint: leave `address_type=public_v4` out\n"),
        "{ended:?}"
    );
    simulator.finish();

    let simulator = start("nomad-consul").await;
    simulator.with_world(|world| {
        let names: Vec<_> = world.subscriptions()[0].resource_groups[0]
            .members("consul-servers")
            .map(|machine| machine.name.clone())
            .collect();
        names.iter().for_each(|name| {
            world
                .set_power_state(Named::VirtualMachine(name), PowerState::Deallocated)
                .unwrap()
        });
    });
    let string = format!(
        "subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers power_state=running"
    );
    let ended = explain(&simulator, "text", &string).run().await;
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("\nhint: leave `power_state=running` out\n"),
        "{ended:?}"
    );
    simulator.finish();
}

#[tokio::test]
async fn quiet_keeps_one_line_of_what_was_not_found() {
    let simulator = start("tagged").await;
    let string = format!("provider=azure {}", tagged("servre"));
    let ended = discover(["-q", "explain", &string])
        .against(&simulator)
        .through_proxy(&simulator)
        .run()
        .await;
    assert_eq!(
        (ended.status, ended.stderr.lines().count()),
        (Some(3), 1),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .starts_with("discover: no address found for tag `consul` = `servre`")
            && ended.stderr.ends_with("; did you mean `server`?\n"),
        "{ended:?}"
    );
    simulator.finish();
}

#[tokio::test]
async fn programs_get_one_object_with_every_node_and_request() {
    let simulator = start("tagged").await;
    let ended = explain(&simulator, "json", &tagged("server")).run().await;
    assert_eq!(
        (
            ended.status,
            ended.stderr.as_str(),
            ended.stdout.lines().count()
        ),
        (Some(0), "", 1),
        "{ended:?}"
    );
    let mut document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let nodes = document["discovery"]["nodes"].take();
    assert_eq!(nodes.as_array().map(Vec::len), Some(8));
    let of = |name: &str| {
        nodes
            .as_array()
            .unwrap()
            .iter()
            .find(|node| node["name"] == name)
            .cloned()
            .unwrap()
    };
    let id = |name: &str| {
        format!(
            "/subscriptions/{TAGGED}/resourceGroups/machines/providers/Microsoft.Network/networkInterfaces/{name}"
        )
    };
    assert_eq!(
        of("front"),
        json!({"kind": "network interface", "id": id("front"), "name": "front",
            "parents": [{"kind": "instance", "name": "consul-two-interfaces"}], "attributes": {"resource group": "machines"},
            "tags": [["consul", "server"]], "addresses": ["10.0.3.7"], "excluded": []})
    );
    assert_eq!(
        of("consul-clientVMNic")["excluded"],
        json!([{"reason": "tag_differs", "message": "tag `consul` is `client`, not `server`"}])
    );

    let requests = document["requests"].take();
    let list = format!(
        "GET https://management.azure.com/subscriptions/{TAGGED}/providers/Microsoft.Network/networkInterfaces?api-version="
    );
    let asked: Vec<_> = requests
        .as_array()
        .unwrap()
        .iter()
        .map(|request| {
            (
                request["outcome"].clone(),
                request["target"].as_str().unwrap().starts_with(&list),
            )
        })
        .collect();
    assert_eq!(
        asked,
        [false, true, true, true, true].map(|of_arm| (json!({"status": 200}), of_arm))
    );

    document["elapsed_ms"].take();
    let rows = document["addresses"].take();
    assert_eq!(
        rows[0],
        json!({"address": "10.0.3.4", "host": "10.0.3.4", "port": null, "instance": "consul-0", "network_interface": "consul-0VMNic"})
    );
    assert_eq!(
        document,
        json!({
            "subject": "tag `consul` = `server` on the network interface",
            "addresses": null,
            "discovery": {"provider": "azure", "subject": "tag `consul` = `server` on the network interface", "identity": format!("client secret of application `{CLIENT_ID}`"),
                "examined": 8, "matched": 5, "excluded": {"tag_differs": 1, "tag_missing": 2}, "nodes": null, "findings": []},
            "requests": null, "elapsed_ms": null, "suggestion": null, "error": null,
        })
    );
    simulator.finish();
}

#[tokio::test]
async fn a_picture_leads_from_the_set_over_instances_and_interfaces_to_addresses() {
    let simulator = start("uniform").await;
    let string = format!("subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault");
    explain(&simulator, "mermaid", &string).run().await.is(
        0,
        "\
%% scale set `vault` of resource group `uniform`
flowchart LR
  n0[[\"vault\"]]
  n1[\"vault_0\"]
  n2(\"vaultNic\")
  n3([\"10.0.2.4\"])
  n4[\"vault_1\"]
  n5(\"vaultNic\")
  n6([\"10.0.2.5\"])
  n7[\"vault_2\"]
  n8(\"vaultNic\")
  n9([\"10.0.2.6\"])
  n0 --> n1
  n1 --> n2
  n2 --> n3
  n0 --> n4
  n4 --> n5
  n5 --> n6
  n0 --> n7
  n7 --> n8
  n8 --> n9
",
        "",
    );
    simulator.finish();
}

#[tokio::test]
async fn a_failed_call_shows_its_requests() {
    let simulator = start("tagged").await;
    simulator.add_fault(Fault::status(403).endpoint(Endpoint::Arm).skip(1));
    let ended = explain(&simulator, "text", &tagged("server")).run().await;
    assert_eq!(ended.status, Some(1));
    assert_eq!(
        ended.stdout,
        "\
searched for tag `consul` = `server` on the network interface

request                                          status      time
sign in as application                           200         N ms
`33333333-3333-4333-8333-333333333333`
list the network interfaces of the subscription  200         N ms
list the network interfaces of the subscription  403         N ms
"
    );
    assert!(
        ended.stderr.starts_with(
            "discover: cannot list the network interfaces of the subscription: status 403"
        ) && ended.stderr.contains("\nhint: "),
        "{ended:?}"
    );

    simulator.clear_faults();
    simulator.add_fault(Fault::status(403).endpoint(Endpoint::Arm));
    let ended = explain(&simulator, "json", &tagged("server")).run().await;
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.status, Some(1));
    assert_eq!(
        (
            &document["discovery"],
            &document["addresses"],
            document["requests"].as_array().map(Vec::len)
        ),
        (&Value::Null, &Value::Null, Some(2))
    );
    assert!(
        document["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("cannot list the network interfaces of the subscription: status 403"),
        "{document}"
    );
    simulator.finish();
}

#[tokio::test]
async fn an_invalid_string_is_refused_as_by_addrs() {
    discover(["explain", "provider=azrue"]).run().await.is(
        1,
        "",
        "discover: unknown provider `azrue`\nhint: did you mean `azure`? known here: PROVIDERS\n",
    );
}

#[tokio::test]
async fn reasons_of_every_kind_reach_the_table() {
    let simulator = start("nomad-consul").await;
    simulator.with_world(|world| {
        let names: Vec<_> = world.subscriptions()[0].resource_groups[0]
            .members("consul-servers")
            .map(|machine| machine.name.clone())
            .collect();
        world
            .set_power_state(Named::VirtualMachine(&names[0]), PowerState::Deallocated)
            .unwrap();
    });
    let string = format!(
        "subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers power_state=running"
    );
    let ended = explain(&simulator, "text", &string).run().await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("\n2 of 3 network interfaces are in\n")
            && ended.stdout.contains("deallocated"),
        "{ended:?}"
    );
    simulator.finish();
}
