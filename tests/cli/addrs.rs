//! What is printed when the cloud answers: text, lines and JSON, with the string in one argument,
//! in many, and in a file.

use std::ffi::OsStr;
use std::io::Write;
use std::process::Stdio;

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::{Named, VirtualMachine, World};
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultBody, Simulator};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::command::{Ended, NOMAD_CONSUL, TAGGED, UNIFORM, discover};

async fn start(world: &str) -> Simulator {
    Simulator::start(World::shipped(world).unwrap())
        .await
        .unwrap()
}

async fn run<A: AsRef<OsStr>>(
    simulator: &Simulator,
    arguments: impl IntoIterator<Item = A>,
) -> Ended {
    discover(arguments).against(simulator).run().await
}

fn flexible(simulator: &Simulator) -> String {
    format!(
        "provider=azure subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers {}",
        simulator.join_settings()
    )
}

#[tokio::test]
async fn a_flexible_scale_set_gives_one_line_as_go_discover_prints_it() {
    let simulator = start("nomad-consul").await;
    run(&simulator, ["addrs", &flexible(&simulator)]).await.is(
        0,
        "10.0.1.4 10.0.1.5 10.0.1.6\n",
        "",
    );
    run(&simulator, ["-q", "addrs", &flexible(&simulator)])
        .await
        .is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    simulator.finish();
}

#[tokio::test]
async fn a_uniform_scale_set_and_tags_over_several_pages_give_the_same_form() {
    let simulator = start("uniform").await;
    let text = format!(
        "provider=azure subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault {}",
        simulator.join_settings()
    );
    run(&simulator, ["addrs", &text])
        .await
        .is(0, "10.0.2.4 10.0.2.5 10.0.2.6\n", "");
    simulator.finish();

    let simulator = start("tagged").await;
    let text = format!(
        "provider=azure subscription_id={TAGGED} tag_name=consul tag_value=server {}",
        simulator.join_settings()
    );
    run(&simulator, ["addrs", &text]).await.is(
        0,
        "10.0.3.4 10.0.3.5 10.0.3.6 10.0.3.7 10.0.3.9\n",
        "",
    );
    simulator.finish();
}

#[tokio::test]
async fn one_connection_to_each_host_is_enough() {
    let simulator = start("nomad-consul").await;
    let text = format!(
        "provider=azure subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers"
    );
    discover(["addrs", &text])
        .against(&simulator)
        .through_proxy(&simulator)
        .run()
        .await
        .is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    let requests = simulator.requests();
    assert_eq!(requests.len(), 4, "{}", simulator.summary());
    // Each has two numbers: one as it came to the proxy, one as the tunnel that it became. A fifth
    // would be a connection that nothing came on.
    assert_eq!(
        requests.iter().map(|request| request.connection).max(),
        Some(4),
        "{requests:?}"
    );
    simulator.finish();
}

#[tokio::test]
async fn lines_has_one_address_a_line() {
    let simulator = start("nomad-consul").await;
    run(
        &simulator,
        ["addrs", "--output", "lines", &flexible(&simulator)],
    )
    .await
    .is(0, "10.0.1.4\n10.0.1.5\n10.0.1.6\n", "");
    simulator.finish();
}

#[tokio::test]
async fn json_has_the_source_of_each_address() {
    let simulator = start("nomad-consul").await;
    let ended = run(&simulator, ["addrs", "-o", "json", &flexible(&simulator)]).await;
    assert_eq!(
        (
            ended.status,
            ended.stderr.as_str(),
            ended.stdout.lines().count()
        ),
        (Some(0), "", 1),
        "{ended:?}"
    );
    let printed: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rows: Vec<Value> = simulator.with_world(|world| {
        let group = &world.subscriptions()[0].resource_groups[0];
        let row = |(index, machine): (usize, &VirtualMachine)| {
            let address = format!("10.0.1.{}", index + 4);
            json!({"address": address, "host": address, "port": null, "instance": machine.name, "network_interface": machine.network_interfaces[0].name})
        };
        group.members("consul-servers").enumerate().map(row).collect()
    });
    assert_eq!(
        printed,
        json!({
            "provider": "azure",
            "subject": "scale set `consul-servers` of resource group `cluster`",
            "addresses": rows,
        })
    );
    simulator.finish();
}

#[tokio::test]
async fn the_string_may_be_one_argument_or_many_and_a_shell_may_have_taken_its_quotes() {
    let simulator = start("tagged").await;
    let (arm, authority) = (
        format!(
            "audience=https://management.azure.com/ arm_endpoint={}",
            simulator.arm_endpoint()
        ),
        format!("authority_host={}", simulator.authority_host()),
    );
    let subscription = format!("subscription_id={TAGGED}");
    let start = ["addrs", "provider=azure", &subscription, &arm, &authority];
    let expected = "10.0.3.8\n";
    simulator.with_world(|world| {
        let tags = [("role name".to_owned(), "consul = a b".to_owned())]
            .into_iter()
            .collect();
        world
            .set_tags(Named::NetworkInterface("back"), tags)
            .unwrap();
    });
    for words in [
        &["tag_name=role name", "tag_value=consul = a b"][..],
        &[r#"tag_name="role name""#, r#"tag_value="consul = a b""#],
        &[r#"tag_name="role name" tag_value="consul = a b""#],
    ] {
        run(&simulator, start.iter().chain(words))
            .await
            .is(0, expected, "");
    }
    simulator.finish();
}

#[tokio::test]
async fn the_string_may_be_in_a_file_with_comments_and_lines() {
    let simulator = start("nomad-consul").await;
    let mut file = NamedTempFile::new().unwrap();
    write!(
        file,
        "\u{feff}# the servers\r\nprovider=azure\r\n  subscription_id={NOMAD_CONSUL}\r\n\r\n# vm_scale_set=other\r\nvm_scale_set=\"consul-servers\"\r\n{}\r\n",
        simulator.join_settings()
    )
    .unwrap();
    let path = format!("@{}", file.path().display());
    run(&simulator, ["addrs", &path, "resource_group=cluster"])
        .await
        .is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    run(&simulator, ["-q", "addrs", &path]).await.is(
        1,
        "",
        "discover: `resource_group` is missing (`vm_scale_set` is given); add `resource_group=...`\n",
    );
    simulator.finish();
}

#[tokio::test]
async fn a_result_with_a_gap_that_loses_no_machine_is_a_warning() {
    let simulator = start("tagged").await;
    let page = json!({ "value": [{ "name": "server-0", "tags": { "consul": "server" }, "properties": { "ipConfigurations": [
        { "name": "main", "properties": { "privateIPAddress": "10.0.3.4" } },
        { "name": "second" },
    ] } }] });
    let body = FaultBody::Text(page.to_string());
    simulator.add_fault(
        Fault::status(200)
            .body(body)
            .operation(Operation::ListNetworkInterfaces),
    );
    let text = format!(
        "provider=azure subscription_id={TAGGED} tag_name=consul tag_value=server {}",
        simulator.join_settings()
    );
    let warning = "warning: the response for network interface `server-0` is incomplete, and an address of it may be missing: its IP configuration `second` has no \
        properties; it may be changing just now: try again; if it stays like this, repair or delete it\n";
    run(&simulator, ["addrs", &text])
        .await
        .is(0, "10.0.3.4\n", warning);
    run(&simulator, ["-q", "addrs", &text])
        .await
        .is(0, "10.0.3.4\n", "");
    let ended = run(&simulator, ["explain", &text]).await;
    let shown = ended.stdout.replace("\n  ", " ");
    assert!(
        shown.contains("note: the response for network interface `server-0` is incomplete")
            && shown.contains("repair or delete it"),
        "{shown}"
    );
}

#[tokio::test]
async fn an_unknown_key_is_a_warning_and_the_addresses_are_printed_nevertheless() {
    let simulator = start("nomad-consul").await;
    let text = format!("{} resource_grup=x region=west", flexible(&simulator));
    run(&simulator, ["addrs", &text]).await.is(
        0,
        "10.0.1.4 10.0.1.5 10.0.1.6\n",
        "warning: unknown key `region` is ignored; `discover providers azure` lists the keys\nwarning: unknown key `resource_grup` is ignored; did you mean `resource_group`?\n",
    );
    run(&simulator, ["-q", "addrs", &text])
        .await
        .is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    simulator.finish();
}

#[tokio::test]
async fn addresses_that_cannot_be_written_are_a_failure() {
    let simulator = start("nomad-consul").await;
    let command = discover(["addrs", &flexible(&simulator)]).against(&simulator);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.run_into(Stdio::from(writer)).await.is(
        1,
        "",
        "discover: cannot print the addresses: Broken pipe (os error 32)\n",
    );
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    command.run_into(Stdio::from(full)).await.is(
        1,
        "",
        "discover: cannot print the addresses: No space left on device (os error 28)\n",
    );
    simulator.finish();
}

#[tokio::test]
async fn a_managed_identity_is_used_where_no_secret_is_given() {
    let simulator = start("nomad-consul").await;
    let text = format!(
        "provider=azure subscription_id=self resource_group=self vm_scale_set=self client_id=44444444-4444-4444-8444-444444444444 audience=https://management.azure.com/ metadata_endpoint={} arm_endpoint={}",
        simulator.metadata_endpoint(),
        simulator.arm_endpoint()
    );
    discover(["addrs", &text])
        .replace_ports(&simulator)
        .run()
        .await
        .is(0, "10.0.1.7 10.0.1.8 10.0.1.9\n", "");
    assert!(
        simulator
            .requests()
            .iter()
            .all(|request| request.endpoint != Endpoint::Authority)
    );
    simulator.finish();
}

#[tokio::test]
async fn verbose_logs_each_request_on_standard_error_only() {
    let simulator = start("nomad-consul").await;
    let ended = run(&simulator, ["-v", "addrs", &flexible(&simulator)]).await;
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), "10.0.1.4 10.0.1.5 10.0.1.6\n"),
        "{ended:?}"
    );
    let is_request = |line: &&str| {
        line.contains(" request finished ")
            && line.contains("request=\"GET http://ARM/subscriptions/")
            && line.contains("outcome=status 200")
    };
    assert!(
        ended.stderr.lines().any(|line| is_request(&line)),
        "{ended:?}"
    );
    let quiet = run(&simulator, ["-q", "-vv", "addrs", &flexible(&simulator)]).await;
    quiet.is(0, "10.0.1.4 10.0.1.5 10.0.1.6\n", "");
    simulator.finish();
}
