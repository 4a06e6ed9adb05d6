//! The messages when the cloud refuses, fails, hangs, or has nothing: one line with the reason, and
//! what to do next.

use cloud_autojoin_simulator::azure::world::{Principal, World};
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultBody, Simulator};

use crate::command::{
    CLIENT_ID, Command, NOMAD_CONSUL, TAGGED, TENANT_ID, UNIFORM, discover, until_reached,
};

async fn start(world: &str) -> Simulator {
    Simulator::start(World::shipped(world).unwrap())
        .await
        .unwrap()
}

/// `discover addrs` of this string against `simulator`.
fn addrs(simulator: &Simulator, string: &str) -> Command {
    within("60s", simulator, string)
}

fn within(timeout: &str, simulator: &Simulator, string: &str) -> Command {
    discover([
        "addrs",
        "--timeout",
        timeout,
        &format!("provider=azure {string} {}", simulator.join_settings()),
    ])
    .against(simulator)
}

fn set(name: &str) -> String {
    format!("subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set={name}")
}

fn take_away(simulator: &Simulator, action: &str) {
    let change = |principal: &mut Principal| principal.not_actions = vec![action.to_owned()];
    simulator.with_world(|world| world.principals_mut().iter_mut().for_each(change));
}

#[tokio::test]
async fn a_missing_permission_names_the_action_and_where_to_grant_it() {
    let nomad_consul = set("consul-servers");
    let group = format!("/subscriptions/{NOMAD_CONSUL}/resourceGroups/cluster/providers");
    let uniform = format!("subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault");
    let tagged = format!("subscription_id={TAGGED} tag_name=consul tag_value=server");
    for (world, string, operation, action, scope, place) in [
        (
            "nomad-consul",
            &nomad_consul,
            "list the network interfaces of resource group `cluster`",
            "Microsoft.Network/networkInterfaces/read",
            format!("{group}/Microsoft.Network"),
            "resource group `cluster`",
        ),
        (
            "nomad-consul",
            &nomad_consul,
            "list the virtual machines of scale set `consul-servers`",
            "Microsoft.Compute/virtualMachines/read",
            format!("{group}/Microsoft.Compute"),
            "resource group `cluster`",
        ),
        (
            "uniform",
            &uniform,
            "list the network interfaces of scale set `vault`",
            "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
            format!(
                "/subscriptions/{UNIFORM}/resourceGroups/uniform/providers/Microsoft.Compute/virtualMachineScaleSets/vault"
            ),
            "resource group `uniform`",
        ),
        (
            "tagged",
            &tagged,
            "list the network interfaces of the subscription",
            "Microsoft.Network/networkInterfaces/read",
            format!("/subscriptions/{TAGGED}"),
            "subscription `77777777-7777-4777-8777-777777777777`",
        ),
    ] {
        let simulator = start(world).await;
        take_away(&simulator, action);
        addrs(&simulator, string).run().await.is(
            1,
            "",
            &format!(
                "discover: cannot {operation}: status 403 `AuthorizationFailed`: The client '{CLIENT_ID}' with object id '33333333-aaaa-4333-8333-333333333333' \
                 does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. \
                 If access was recently granted, please refresh your credentials. [request id ID]\n\
                 hint: grant the action `{action}` over {place} to this identity (the role Reader has it); a new grant takes effect after some minutes\n"
            ),
        );
        simulator.finish();
    }
}

#[tokio::test]
async fn a_credential_that_is_refused_shows_entras_code_and_words() {
    let simulator = start("nomad-consul").await;
    let unknown = "99999999-9999-4999-8999-999999999999";
    for (variable, value, client, message, hint) in [
        (
            "ARM_CLIENT_SECRET",
            "Zx8Q~canary",
            CLIENT_ID,
            format!(
                "status 401 `AADSTS7000215`: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{CLIENT_ID}'."
            ),
            "give the value of a client secret (`secret_access_key`, `ARM_CLIENT_SECRET`), not its id; a value is shown only once, when the secret is made",
        ),
        (
            "ARM_CLIENT_ID",
            unknown,
            unknown,
            format!(
                "status 400 `AADSTS700016`: Application with identifier '{unknown}' was not found in the directory '{TENANT_ID}'. \
                 You may have sent your authentication request to the wrong tenant."
            ),
            "check `client_id`, and that `tenant_id` is the tenant the application is in",
        ),
        (
            "ARM_TENANT_ID",
            unknown,
            CLIENT_ID,
            format!(
                "status 400 `AADSTS90002`: Tenant '{unknown}' not found. \
                 Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
            "check `tenant_id`, and `environment` if the tenant is not in public Azure",
        ),
    ] {
        addrs(&simulator, &set("consul-servers")).env(variable, value).run().await.is(
            1,
            "",
            &format!("discover: the credential `client secret` failed: cannot sign in as application `{client}`: {message} [request id ID]\nhint: {hint}\n"),
        );
    }
    simulator.finish();
}

#[tokio::test]
async fn a_set_group_or_subscription_that_is_not_there_is_named() {
    let simulator = start("nomad-consul").await;
    addrs(&simulator, &set("consul")).run().await.is(
        1,
        "",
        &format!(
            "discover: cannot read scale set `consul`: status 404 `ResourceNotFound`: The Resource 'Microsoft.Compute/virtualMachineScaleSets/consul' under resource group 'cluster' \
             was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix [request id ID]\n\
             hint: no such scale set: resource group `cluster` of subscription `{NOMAD_CONSUL}` has no scale set `consul`; check `vm_scale_set` and `resource_group`\n"
        ),
    );
    let tags =
        format!("subscription_id={NOMAD_CONSUL} resource_group=clusters tag_name=a tag_value=b");
    // Azure's index spells names of groups as it likes.
    let elsewhere = "; there is a scale set `consul-servers` in resource group `CLUSTER`";
    for (string, operation, elsewhere) in [
        (
            set("consul-servers").replace("cluster", "clusters"),
            "list the virtual machines of scale set `consul-servers`",
            elsewhere,
        ),
        (
            tags,
            "list the network interfaces of resource group `clusters`",
            "",
        ),
    ] {
        addrs(&simulator, &string).run().await.is(
            1,
            "",
            &format!(
                "discover: cannot {operation}: status 404 `ResourceGroupNotFound`: Resource group 'clusters' could not be found. [request id ID]\n\
                 hint: check `resource_group`: subscription `{NOMAD_CONSUL}` has no resource group `clusters`{elsewhere}\n"
            ),
        );
    }
    let tags = format!("subscription_id={TAGGED} tag_name=a tag_value=b");
    for (string, operation) in [
        (
            set("consul-servers").replace(NOMAD_CONSUL, TAGGED),
            "list the virtual machines of scale set `consul-servers`",
        ),
        (tags, "list the network interfaces of the subscription"),
    ] {
        addrs(&simulator, &string).run().await.is(
            1,
            "",
            &format!(
                "discover: cannot {operation}: status 404 `SubscriptionNotFound`: The subscription '{TAGGED}' could not be found. [request id ID]\n\
                 hint: check `subscription_id` and `environment`: this cloud has no subscription `{TAGGED}`, or this identity has no role in it\n"
            ),
        );
    }
    simulator.finish();
}

#[tokio::test]
async fn nothing_matched_exits_with_three_and_reports_what_was_examined_and_the_likely_cause() {
    let simulator = start("nomad-consul").await;
    let tags = format!("subscription_id={NOMAD_CONSUL} tag_name=consul tag_value=server");
    addrs(&simulator, &tags).run().await.is(
        3,
        "",
        "discover: no address found for tag `consul` = `server` on the network interface: tag `consul` = `server` is set on the scale set `consul-servers`; examined 14 network interfaces: 14 tag missing\n\
         hint: add `tag_on=scale_set`\n",
    );
    simulator.with_world(|world| {
        let members: Vec<_> = world.subscriptions()[0].resource_groups[0]
            .members("consul-servers")
            .map(|machine| machine.name.clone())
            .collect();
        members
            .iter()
            .for_each(|name| world.remove_instance("consul-servers", name).unwrap());
    });
    let empty = addrs(&simulator, &set("consul-servers")).run().await;
    empty.is(
        3,
        "",
        "discover: no address found for scale set `consul-servers` of resource group `cluster`: the scale set `consul-servers` is there (Flexible), and has no instances\n\
         hint: scale `consul-servers` out, or add virtual machines to it\n",
    );
    simulator.finish();

    let simulator = start("tagged").await;
    let quiet = format!(
        "provider=azure subscription_id={TAGGED} tag_name=consul tag_value=servre {}",
        simulator.join_settings()
    );
    discover(["-q", "addrs", &quiet]).against(&simulator).run().await.is(
        3,
        "",
        "discover: no address found for tag `consul` = `servre` on the network interface: 6 of the network interfaces have tag `consul` with other values: `client`, `server`; \
         none of 8 network interfaces has tag `consul` = `servre`; examined 8 network interfaces: 6 tag differs, 2 tag missing; \
         did you mean `server`?\n",
    );
    simulator.finish();
}

#[tokio::test]
async fn a_hanging_call_ends_at_its_deadline_and_reports_what_it_waited_for() {
    let simulator = start("nomad-consul").await;
    for (endpoint, message) in [
        (
            Endpoint::Authority,
            format!("the credential `client secret` failed: cannot sign in as application `{CLIENT_ID}`: the deadline passed before https://ENTRA responded"),
        ),
        (Endpoint::Arm, "cannot list the virtual machines of scale set `consul-servers`: the deadline passed before http://ARM responded".to_owned()),
    ] {
        simulator.clear_faults();
        simulator.add_fault(Fault::hang().endpoint(endpoint));
        let run = async |deadline| {
            simulator.reset_record();
            within(deadline, &simulator, &set("consul-servers")).run().await
        };
        let expected_count = if endpoint == Endpoint::Arm { 3 } else { 1 };
        let ended = until_reached(run, |_| simulator.requests().iter().filter(|request| !request.faults.is_empty()).count() == expected_count).await;
        ended.is(1, "", &format!("discover: {message}\nhint: retry, or allow more time with `--timeout`\n"));
    }
    simulator.finish();
}

#[tokio::test]
async fn throttling_beyond_the_deadline_reports_when_to_retry() {
    let simulator = start("nomad-consul").await;
    simulator.add_fault(Fault::status(429).retry_after(90).endpoint(Endpoint::Arm));
    let ended = addrs(&simulator, &set("consul-servers")).run().await;
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended.stderr.starts_with(
            "discover: cannot list the virtual machines of scale set `consul-servers`: status 429 `"
        ),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .ends_with(" [request id ID]\nhint: throttled: retry in 90 s\n"),
        "{ended:?}"
    );
    simulator.finish();
}

#[tokio::test]
async fn an_error_is_one_line_even_if_the_cloud_responds_with_an_html_page() {
    let simulator = start("nomad-consul").await;
    simulator.add_fault(
        Fault::status(503)
            .body(FaultBody::Html)
            .endpoint(Endpoint::Arm),
    );
    let string = format!(
        "provider=azure {} {}",
        set("consul-servers"),
        simulator.join_settings()
    );
    let run = async |deadline| {
        let ended = discover(["-q", "addrs", "--timeout", deadline, &string])
            .against(&simulator)
            .run()
            .await;
        assert_eq!(
            (
                ended.status,
                ended.stdout.as_str(),
                ended.stderr.lines().count()
            ),
            (Some(1), "", 1),
            "{ended:?}"
        );
        ended
    };
    let ended = until_reached(run, |ended| ended.stderr.contains("`: status 503")).await;
    assert!(
        ended.stderr.starts_with(
            "discover: cannot list the virtual machines of scale set `consul-servers`: status 503"
        ),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .ends_with("; the service failed: retry later\n"),
        "{ended:?}"
    );
    simulator.finish();
}

#[tokio::test]
async fn a_page_that_is_lost_fails_the_call_and_no_short_list_is_printed() {
    let simulator = start("tagged").await;
    let tags = format!("subscription_id={TAGGED} tag_name=consul tag_value=server");
    let run = async |deadline| {
        simulator.clear_faults();
        simulator.add_fault(Fault::status(500).path_contains("skiptoken").skip(1));
        let ended = within(deadline, &simulator, &tags).run().await;
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (Some(1), ""),
            "{ended:?}"
        );
        ended
    };
    let ended = until_reached(run, |ended| {
        ended.stderr.contains("subscription: status 500")
    })
    .await;
    assert!(
        ended.stderr.starts_with(
            "discover: cannot list the network interfaces of the subscription: status 500"
        ),
        "{ended:?}"
    );
    simulator.finish();
}
