#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use http::HeaderMap;
use serde_json::Value;
use url::Url;

use super::*;
use crate::clouds::azure::world::{
    EmptyPages, Named, OrchestrationMode, PowerState, Tags, UniformListing,
};

const S: &str = "/subscriptions/22222222-2222-4222-8222-222222222222";

fn request(target: &str) -> Request {
    let url = Url::parse("https://management.azure.com")
        .unwrap()
        .join(target)
        .unwrap();
    Request {
        method: Method::GET,
        origin: "https://management.azure.com".to_owned(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

fn get(world: &World, target: &str) -> (Operation, u16, Value) {
    get_as(world, &Caller::of(&world.principals()[0]), target)
}

fn get_as(world: &World, caller: &Caller, target: &str) -> (Operation, u16, Value) {
    let reply = respond(world, caller, &request(target));
    (
        reply.operation,
        reply.status.as_u16(),
        serde_json::from_slice(&reply.body).unwrap(),
    )
}

fn ok(world: &World, target: &str) -> Value {
    let (_, status, body) = get(world, target);
    assert_eq!(status, 200, "{target}: {body}");
    body
}

/// All pages of a list, each as its values, by following `nextLink` unchanged.
fn pages(world: &World, target: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let page = ok(world, &target);
        pages.push(page["value"].as_array().unwrap().clone());
        next = page["nextLink"]
            .as_str()
            .filter(|link| !link.is_empty())
            .map(str::to_owned);
        assert!(pages.len() < 100, "a list without end");
    }
    pages
}

fn items(world: &World, target: &str) -> Vec<Value> {
    pages(world, target).concat()
}

fn names(values: &[Value]) -> Vec<&str> {
    values
        .iter()
        .map(|value| value["name"].as_str().unwrap())
        .collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn error(world: &World, target: &str) -> (u16, String, String) {
    let (_, status, body) = get(world, target);
    let text = |key: &str| body["error"][key].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("message"))
}

fn filtered(group: &str, set: &str) -> String {
    let id = format!(
        "{S}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{set}"
    );
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("$filter", &format!("'virtualMachineScaleSet/id' eq '{id}'"))
        .append_pair("api-version", "2024-07-01")
        .finish();
    format!("{S}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines?{query}")
}

fn world(text: &str) -> World {
    let head = "tenant_id = '11111111-1111-4111-8111-111111111111'\nsubscription_id = '22222222-2222-4222-8222-222222222222'\n";
    let principal = "[[principal]]\nname = 'p'\nclient_id = '33333333-3333-4333-8333-333333333333'\nobject_id = '33333333-aaaa-4333-8333-333333333333'\n";
    World::from_toml(&format!("{head}{text}\n{principal}")).unwrap()
}

#[test]
fn machines_of_a_flexible_set_join_with_the_interfaces_of_the_group() {
    let world = World::shipped("nomad-consul").unwrap();
    let machines = items(&world, &filtered("cluster", "nomad-servers"));
    assert_eq!(machines.len(), 3);
    let interfaces = items(
        &world,
        &format!(
            "{S}/resourceGroups/cluster/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01"
        ),
    );
    for machine in &machines {
        assert!(
            machine["name"]
                .as_str()
                .unwrap()
                .starts_with("nomad-servers_"),
            "{machine}"
        );
        assert!(
            machine["id"]
                .as_str()
                .unwrap()
                .contains("/resourceGroups/CLUSTER/"),
            "lists of machines show the group in upper case"
        );
        assert!(
            machine["properties"]["virtualMachineScaleSet"]["id"]
                .as_str()
                .unwrap()
                .contains("/resourceGroups/CLUSTER/")
        );
        let reference = &machine["properties"]["networkProfile"]["networkInterfaces"][0];
        assert_eq!(reference["properties"]["primary"], true);
        let interface = interfaces
            .iter()
            .find(|interface| interface["id"] == reference["id"])
            .unwrap();
        assert!(
            interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
                .as_str()
                .unwrap()
                .starts_with("10.0.1.")
        );
        assert!(
            interface["properties"]["virtualMachine"]["id"]
                .as_str()
                .unwrap()
                .eq_ignore_ascii_case(machine["id"].as_str().unwrap())
        );
        assert!(
            interface.get("tags").is_none(),
            "interfaces do not inherit tags"
        );
    }
}

#[test]
fn an_unknown_set_in_the_filter_gives_an_empty_list() {
    let world = World::shipped("nomad-consul").unwrap();
    assert_eq!(
        ok(&world, &filtered("cluster", "no-such-set")),
        serde_json::json!({ "value": [] })
    );
    assert_eq!(
        ok(&world, &filtered("CLUSTER", "NOMAD-SERVERS"))["value"]
            .as_array()
            .unwrap()
            .len(),
        3,
        "ids are compared without case"
    );
}

#[test]
fn a_filter_without_quotes_around_the_property_is_refused() {
    let world = World::shipped("nomad-consul").unwrap();
    let target = format!(
        "{S}/resourceGroups/cluster/providers/Microsoft.Compute/virtualMachines?$filter=virtualMachineScaleSet/id%20eq%20'x'&api-version=2024-07-01"
    );
    assert_eq!(error(&world, &target).0, 400);
}

#[test]
fn the_uniform_listing_shows_instances_in_the_recorded_shape() {
    // shape: recorded azure-cli test_vmss_nics, 2023
    let world = World::shipped("uniform").unwrap();
    let base = "/subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/uniform/providers/microsoft.Compute/virtualMachineScaleSets/vault";
    let interfaces = items(
        &world,
        &format!("{base}/networkInterfaces?api-version=2018-10-01"),
    );
    assert_eq!(
        names(&interfaces),
        ["vaultNic"; 3],
        "every instance has interfaces of the same name"
    );
    assert_eq!(
        keys(&interfaces[0]),
        ["name", "id", "etag", "properties", "location"]
    );
    assert_eq!(
        keys(&interfaces[0]["properties"]),
        [
            "provisioningState",
            "resourceGuid",
            "ipConfigurations",
            "dnsSettings",
            "macAddress",
            "enableIPForwarding",
            "primary",
            "virtualMachine"
        ]
    );
    assert!(
        interfaces[2]["id"].as_str().unwrap().ends_with(
            "/virtualMachineScaleSets/vault/virtualMachines/2/networkInterfaces/vaultNic"
        )
    );
    assert_eq!(
        keys(&interfaces[0]["properties"]["ipConfigurations"][0]["properties"]),
        [
            "provisioningState",
            "privateIPAddress",
            "privateIPAllocationMethod",
            "subnet",
            "primary",
            "privateIPAddressVersion"
        ]
    );
    let whole = items(
        &world,
        "/subscriptions/55555555-5555-4555-8555-555555555555/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01",
    );
    assert!(whole.is_empty(), "Uniform interfaces are in no other list");
}

#[test]
fn what_is_left_of_instances_has_an_address_and_no_primary() {
    let world = world(
        "[[resource_group]]\nname = 'g'\n[[resource_group.scale_set]]\nname = 'u'\norchestration_mode = 'uniform'\ninstances = 2\nphantoms = 2\n",
    );
    let base =
        format!("{S}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/u");
    let interfaces = items(
        &world,
        &format!("{base}/networkInterfaces?api-version=2018-10-01"),
    );
    let primaries: Vec<_> = interfaces
        .iter()
        .map(|interface| interface["properties"].get("primary").cloned())
        .collect();
    assert_eq!(
        primaries,
        [Some(true.into()), Some(true.into()), None, None]
    );
    assert_eq!(
        interfaces[2]["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"],
        "10.0.0.6"
    );
    assert!(
        interfaces[2]["properties"]["dnsSettings"]
            .get("internalDomainNameSuffix")
            .is_none()
    );
    assert!(interfaces[2]["properties"].get("macAddress").is_some());
    assert_eq!(
        names(&items(
            &world,
            &format!("{base}/virtualMachines?api-version=2024-07-01")
        )),
        ["u_0", "u_1"]
    );
    assert_eq!(
        ok(&world, &format!("{base}?api-version=2024-07-01"))["sku"]["capacity"],
        2
    );
}

#[test]
fn the_uniform_listing_of_a_flexible_set_follows_the_settings() {
    let mut world = World::shipped("nomad-consul").unwrap();
    let target = format!(
        "{S}/resourceGroups/cluster/providers/microsoft.Compute/virtualMachineScaleSets/nomad-servers/networkInterfaces?api-version=2018-10-01"
    );
    let (operation, status, body) = get(&world, &target);
    assert_eq!(
        (operation, status),
        (Operation::ListScaleSetNetworkInterfaces, 404)
    );
    // shape: azure-cli issue 27341, 2023
    let id = format!(
        "{S}/resourceGroups/cluster/providers/Microsoft.Compute/virtualMachineScaleSets/nomad-servers"
    );
    assert_eq!(
        body,
        serde_json::json!({ "error": { "code": "NotFound", "message": format!("Resource {id} not found."), "details": [] } })
    );
    world.settings_mut().uniform_listing_of_flexible = UniformListing::Empty;
    assert_eq!(ok(&world, &target), serde_json::json!({ "value": [] }));
    world
        .scale_set_mut("nomad-servers")
        .unwrap()
        .plan
        .uniform_listing = Some(UniformListing::Conflict);
    assert_eq!(error(&world, &target).0, 409);
}

#[test]
fn pages_are_linked_by_absolute_links_that_carry_the_whole_query() {
    let world = World::shipped("tagged").unwrap();
    let target = "/subscriptions/77777777-7777-4777-8777-777777777777/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01&%24expand=x%20y";
    let link = ok(&world, target)["nextLink"].as_str().unwrap().to_owned();
    assert!(
        link.starts_with("https://management.azure.com/subscriptions/7777"),
        "{link}"
    );
    assert!(
        link.contains("api-version=2024-05-01&%24expand=x+y&%24skiptoken="),
        "{link}"
    );
    let pages = pages(&world, target);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 2]);
    let tagged = pages
        .concat()
        .iter()
        .filter(|interface| interface["tags"]["consul"] == "server")
        .count();
    assert_eq!(tagged, 4);
    assert_eq!(
        error(&world, &format!("{target}&$skiptoken=nonsense")).0,
        400
    );
}

#[test]
fn empty_pages_and_ports_in_links_follow_the_settings() {
    let mut world = World::shipped("tagged").unwrap();
    let target = "/subscriptions/77777777-7777-4777-8777-777777777777/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01";
    for (empty, sizes) in [
        (EmptyPages::Before, vec![0, 2, 2, 2, 2]),
        (EmptyPages::After, vec![2, 2, 2, 2, 0]),
        (EmptyPages::Between, vec![2, 0, 2, 0, 2, 0, 2]),
    ] {
        world.settings_mut().empty_pages = Some(empty);
        assert_eq!(
            pages(&world, target)
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>(),
            sizes,
            "{empty:?}"
        );
    }
    world.settings_mut().next_link_port = true;
    assert!(
        ok(&world, target)["nextLink"]
            .as_str()
            .unwrap()
            .starts_with("https://management.azure.com:443/subscriptions/")
    );
}

#[test]
fn what_is_missing_is_named_in_arms_words() {
    let world = World::shipped("nomad-consul").unwrap();
    let compute = |group: &str, rest: &str| {
        format!(
            "{S}/resourceGroups/{group}/providers/Microsoft.Compute/{rest}?api-version=2024-07-01"
        )
    };
    let network = |group: &str, rest: &str| {
        format!(
            "{S}/resourceGroups/{group}/providers/Microsoft.Network/{rest}?api-version=2024-05-01"
        )
    };
    let unknown = "99999999-9999-4999-8999-999999999999";
    for (target, status, code, message) in [
        (network("nope", "networkInterfaces"), 404, "ResourceGroupNotFound", "Resource group 'nope' could not be found."),
        (compute("nope", "virtualMachines"), 404, "ResourceGroupNotFound", "Resource group 'nope' could not be found."),
        (compute("nope", "virtualMachineScaleSets/x"), 404, "ResourceGroupNotFound", "Resource group 'nope' could not be found."),
        (
            compute("cluster", "virtualMachineScaleSets/x"),
            404,
            "ResourceNotFound",
            "The Resource 'Microsoft.Compute/virtualMachineScaleSets/x' under resource group 'cluster' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        ),
        (
            network("cluster", "networkInterfaces/x"),
            404,
            "ResourceNotFound",
            "The Resource 'Microsoft.Network/networkInterfaces/x' under resource group 'cluster' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        ),
        (
            format!("/subscriptions/{unknown}/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01"),
            404,
            "SubscriptionNotFound",
            "The subscription '99999999-9999-4999-8999-999999999999' could not be found.",
        ),
        (
            "/subscriptions/mine/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01".to_owned(),
            400,
            "InvalidSubscriptionId",
            "The provided subscription identifier 'mine' is malformed or invalid.",
        ),
        (
            format!("{S}/providers/Microsoft.Network/networkInterfaces"),
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ),
    ] {
        assert_eq!(error(&world, &target), (status, code.to_owned(), message.to_owned()), "{target}");
    }
}

#[test]
fn a_refusal_names_the_action_the_scope_and_the_caller() {
    let mut world = World::shipped("nomad-consul").unwrap();
    world.principals_mut()[0].not_actions =
        vec!["Microsoft.Network/networkInterfaces/read".to_owned()];
    let target = format!(
        "{S}/resourceGroups/cluster/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01"
    );
    let message = format!(
        "The client '33333333-3333-4333-8333-333333333333' with object id '33333333-aaaa-4333-8333-333333333333' does not have authorization to perform action 'Microsoft.Network/networkInterfaces/read' over scope '{S}/resourceGroups/cluster/providers/Microsoft.Network' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    assert_eq!(
        error(&world, &target),
        (403, "AuthorizationFailed".to_owned(), message)
    );
    assert_eq!(
        get(&world, &filtered("cluster", "nomad-servers")).1,
        200,
        "other actions stay"
    );
}

#[test]
fn the_join_of_yesterdays_role_reads_interfaces_of_a_set_and_not_the_set() {
    let mut world = World::shipped("uniform").unwrap();
    world.principals_mut()[0].actions =
        vec!["Microsoft.Compute/virtualMachineScaleSets/*/read".to_owned()];
    let base = "/subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/uniform/providers/Microsoft.Compute/virtualMachineScaleSets/vault";
    assert_eq!(
        get(
            &world,
            &format!("{base}/networkInterfaces?api-version=2018-10-01")
        )
        .1,
        200
    );
    assert_eq!(
        error(&world, &format!("{base}?api-version=2024-07-01")).1,
        "AuthorizationFailed"
    );
}

#[test]
fn a_role_in_one_group_shows_that_group_in_the_list_of_the_subscription() {
    let mut world = world(
        "[[resource_group]]\nname = 'a'\n[[resource_group.virtual_machine]]\nname = 'one'\n[[resource_group]]\nname = 'b'\n[[resource_group.virtual_machine]]\nname = 'two'\n",
    );
    let target =
        format!("{S}/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01");
    assert_eq!(names(&items(&world, &target)), ["oneVMNic", "twoVMNic"]);
    let mut principal = world.principals()[0].clone();
    principal.scope = format!("{S}/resourceGroups/b");
    let (_, _, body) = get_as(&world, &Caller::of(&principal), &target);
    assert_eq!(
        names(body["value"].as_array().unwrap()),
        ["twoVMNic"],
        "a kept page of someone else is not shown"
    );
    principal.scope = "/subscriptions/99999999-9999-4999-8999-999999999999".to_owned();
    let (_, status, body) = get_as(&world, &Caller::of(&principal), &target);
    assert_eq!(status, 403);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains(&format!("over scope '{S}' ")),
        "{body}"
    );
    world.principals_mut().clear();
}

#[test]
fn a_change_is_seen_in_pages_that_were_kept() {
    let mut world = World::shipped("nomad-consul").unwrap();
    let target = filtered("cluster", "nomad-servers");
    let before = items(&world, &target);
    let reply = respond(
        &world,
        &Caller::of(&world.principals()[0]),
        &request(&target),
    );
    let again = respond(
        &world,
        &Caller::of(&world.principals()[0]),
        &request(&target),
    );
    assert_eq!(
        reply.body.as_ptr(),
        again.body.as_ptr(),
        "the page was serialised once"
    );

    let old = names(&before)[0].to_owned();
    let new = world.replace_instance("nomad-servers", &old).unwrap();
    let after = items(&world, &target);
    assert_eq!(after.len(), 3);
    assert!(names(&after).contains(&new.as_str()) && !names(&after).contains(&old.as_str()));
    let address = |machine: &Value| {
        let id = machine["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
            .as_str()
            .unwrap();
        let (_, status, interface) = get(&world, &format!("{id}?api-version=2024-05-01"));
        (
            status,
            interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
                .as_str()
                .map(str::to_owned),
        )
    };
    assert_eq!(
        address(&before[0]).0,
        404,
        "the old interface went with its machine"
    );
    let (status, fresh) = address(
        after
            .iter()
            .find(|machine| machine["name"] == new.as_str())
            .unwrap(),
    );
    assert_eq!(status, 200);
    assert!(fresh.is_some());
}

#[test]
fn tags_power_and_addresses_can_be_changed() {
    let mut world = World::shipped("uniform").unwrap();
    let base = "/subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/uniform/providers/Microsoft.Compute/virtualMachineScaleSets/vault";
    world
        .set_tags(
            Named::ScaleSet("vault"),
            Tags::from([("a".to_owned(), "b".to_owned())]),
        )
        .unwrap();
    assert_eq!(
        ok(&world, &format!("{base}?api-version=2024-07-01"))["tags"],
        serde_json::json!({ "a": "b" })
    );
    world
        .set_power_state(Named::Instance("vault", 1), PowerState::Deallocated)
        .unwrap();
    world.remove_addresses(Named::Instance("vault", 2)).unwrap();
    let interfaces = items(
        &world,
        &format!("{base}/networkInterfaces?api-version=2018-10-01"),
    );
    assert!(
        interfaces[1]["properties"].get("macAddress").is_none(),
        "deallocated: no MAC address"
    );
    assert!(
        interfaces[1]["properties"]["ipConfigurations"][0]["properties"]
            .get("privateIPAddress")
            .is_some(),
        "deallocated: the address stays"
    );
    assert!(
        interfaces[2]["properties"]["ipConfigurations"][0]["properties"]
            .get("privateIPAddress")
            .is_none()
    );
    let views = items(
        &world,
        &format!(
            "{base}/virtualMachines?$expand=instanceView&$select=instanceView&api-version=2024-07-01"
        ),
    );
    assert_eq!(
        views[1]["properties"]["instanceView"]["statuses"][1]["code"],
        "PowerState/deallocated"
    );
    assert!(
        world
            .set_power_state(Named::ScaleSet("vault"), PowerState::Running)
            .is_err()
    );
    assert_eq!(world.replace_instance("vault", "0").unwrap(), "3");
}

#[test]
fn the_orchestration_mode_is_absent_with_old_api_versions() {
    let world = World::shipped("nomad-consul").unwrap();
    let target = |version: &str| {
        format!(
            "{S}/resourceGroups/cluster/providers/Microsoft.Compute/virtualMachineScaleSets/nomad-servers?api-version={version}"
        )
    };
    assert_eq!(
        ok(&world, &target("2024-07-01"))["properties"]["orchestrationMode"],
        "Flexible"
    );
    assert_eq!(
        ok(&world, &target("2020-06-01"))["properties"].get("orchestrationMode"),
        None
    );
    assert_eq!(
        world.subscriptions()[0].resource_groups[0].scale_sets[0].orchestration_mode,
        OrchestrationMode::Flexible
    );
}

#[test]
fn only_reads_are_served() {
    let world = World::shipped("uniform").unwrap();
    let mut put = request("/subscriptions?api-version=2022-12-01");
    put.method = Method::PUT;
    let reply = respond(&world, &Caller::of(&world.principals()[0]), &put);
    assert_eq!(
        (reply.operation, reply.status.as_u16()),
        (Operation::Unexpected, 405)
    );
    let (operation, status, body) = get(
        &world,
        "/subscriptions/55555555-5555-4555-8555-555555555555/providers/Microsoft.Storage/storageAccounts?api-version=2024-01-01",
    );
    assert_eq!(
        (operation, status, &body["error"]["code"]),
        (
            Operation::Unexpected,
            404,
            &Value::from("InvalidResourceType")
        )
    );
}

mod shapes;
