//! Keys, their order and their casing, as recorded. What a recording has and no client could need
//! (extensions, load balancers) is left out.

use serde_json::json;

use super::*;
use crate::clouds::azure::world::{EmptyTags, ExpandedList, LastNextLink};

const GROUP: &str =
    "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/g/providers";

const ODD: &str = "
[[resource_group]]
name = 'g'
[[resource_group.scale_set]]
name = 'flex'
instances = 1
tags = { nomad = 'server' }
[[resource_group.scale_set]]
name = 'bare'
profile = false
[[resource_group.scale_set]]
name = 'uni'
orchestration_mode = 'uniform'
instances = 2
public_addresses = true
[[resource_group.virtual_machine]]
name = 'plain'
tags = { Consul = 'server' }
public_address = 'auto'
zone = '2'
[[resource_group.virtual_machine]]
name = 'two'
power_state = 'deallocated'
[[resource_group.virtual_machine.network_interface]]
[[resource_group.virtual_machine.network_interface]]
[[resource_group.network_interface]]
name = 'spare'
[[resource_group.network_interface]]
name = 'endpoint'
kind = 'private-endpoint'
[[resource_group.network_interface]]
name = 'service'
kind = 'private-link-service'
[[resource_group.network_interface]]
name = 'volume'
kind = 'net-app-volume'
";

fn network(world: &World, rest: &str) -> Value {
    ok(
        world,
        &format!("{GROUP}/Microsoft.Network/{rest}?api-version=2024-05-01"),
    )
}

fn compute(world: &World, rest: &str) -> Value {
    let separator = if rest.contains('?') { '&' } else { '?' };
    ok(
        world,
        &format!("{GROUP}/Microsoft.Compute/{rest}{separator}api-version=2024-07-01"),
    )
}

#[test]
fn an_interface_of_a_machine() {
    // shape: recorded azure-cli test_vmss_simple_orchestration_mode, 2023
    let interface = network(&world(ODD), "networkInterfaces/plainVMNic");
    assert_eq!(
        keys(&interface),
        [
            "name",
            "id",
            "etag",
            "properties",
            "type",
            "location",
            "kind"
        ]
    );
    assert_eq!(
        keys(&interface["properties"]),
        [
            "provisioningState",
            "resourceGuid",
            "ipConfigurations",
            "dnsSettings",
            "macAddress",
            "vnetEncryptionSupported",
            "enableIPForwarding",
            "primary",
            "virtualMachine",
            "hostedWorkloads",
            "tapConfigurations",
            "nicType",
            "allowPort25Out"
        ]
    );
    let configuration = &interface["properties"]["ipConfigurations"][0];
    assert_eq!(
        keys(configuration),
        ["name", "id", "etag", "type", "properties"]
    );
    assert_eq!(
        keys(&configuration["properties"]),
        [
            "provisioningState",
            "privateIPAddress",
            "privateIPAllocationMethod",
            "publicIPAddress",
            "subnet",
            "primary",
            "privateIPAddressVersion"
        ]
    );
    assert_eq!(
        keys(&interface["properties"]["dnsSettings"]),
        [
            "dnsServers",
            "appliedDnsServers",
            "internalDomainNameSuffix"
        ]
    );
    assert_eq!(configuration["etag"], interface["etag"]);
}

#[test]
fn interfaces_without_a_machine() {
    // shape: recorded azure-cli test_network_nic and a subscription-wide list, 2023
    let world = world(ODD);
    let properties =
        |name: &str| network(&world, &format!("networkInterfaces/{name}"))["properties"].clone();
    let spare = properties("spare");
    assert_eq!(
        (
            spare.get("macAddress"),
            spare.get("primary"),
            spare.get("virtualMachine")
        ),
        (None, None, None)
    );
    assert!(
        spare["dnsSettings"]
            .get("internalDomainNameSuffix")
            .is_some()
    );
    let endpoint = properties("endpoint");
    assert_eq!(
        (
            &endpoint["macAddress"],
            endpoint.get("primary"),
            endpoint.get("virtualMachine")
        ),
        (&json!(""), None, None)
    );
    assert_eq!(
        endpoint["privateEndpoint"]["id"],
        format!("{GROUP}/Microsoft.Network/privateEndpoints/endpoint-endpoint")
    );
    assert_eq!(
        properties("service")["privateLinkService"]["id"],
        format!("{GROUP}/Microsoft.Network/privateLinkServices/service-service")
    );
    let volume = properties("volume");
    assert_eq!(
        (
            &volume["primary"],
            &volume["linkedResourceType"],
            volume.get("virtualMachine")
        ),
        (&json!(true), &json!("Microsoft.Netapp/volumes"), None)
    );
}

#[test]
fn interfaces_of_a_deallocated_machine() {
    // shape: recorded manageiq, 2018
    let world = world(ODD);
    let first = network(&world, "networkInterfaces/twoVMNic")["properties"].clone();
    assert_eq!(
        (
            first.get("macAddress"),
            first["dnsSettings"].get("internalDomainNameSuffix")
        ),
        (None, None)
    );
    assert_eq!(
        (
            &first["primary"],
            first["ipConfigurations"][0]["properties"]
                .get("privateIPAddress")
                .is_some()
        ),
        (&json!(true), true)
    );
    let second = network(&world, "networkInterfaces/twoVMNic2")["properties"].clone();
    assert_eq!(
        (
            &second["primary"],
            &second["ipConfigurations"][0]["properties"]["primary"]
        ),
        (&json!(false), &json!(true))
    );
}

#[test]
fn tags_of_an_interface_that_has_none() {
    let mut world = world(ODD);
    for (choice, shown) in [
        (EmptyTags::Absent, None),
        (EmptyTags::Null, Some(Value::Null)),
        (EmptyTags::Empty, Some(json!({}))),
    ] {
        world.settings_mut().empty_tags = choice;
        assert_eq!(
            network(&world, "networkInterfaces/spare")
                .get("tags")
                .cloned(),
            shown
        );
    }
}

#[test]
fn one_machine() {
    // shape: recorded azure-cli test_vmss_simple_orchestration_mode, 2023
    let world = world(ODD);
    let plain = compute(&world, "virtualMachines/PLAIN");
    assert_eq!(
        keys(&plain),
        [
            "name",
            "id",
            "type",
            "location",
            "tags",
            "zones",
            "properties"
        ]
    );
    assert_eq!(
        plain["id"],
        format!("{GROUP}/Microsoft.Compute/virtualMachines/plain")
    );
    assert_eq!(
        keys(&plain["properties"]),
        [
            "vmId",
            "hardwareProfile",
            "storageProfile",
            "osProfile",
            "networkProfile",
            "provisioningState",
            "timeCreated"
        ]
    );
    assert_eq!(
        keys(&plain["properties"]["networkProfile"]["networkInterfaces"][0]),
        ["id"],
        "a single interface has no properties"
    );
    let expanded = compute(&world, "virtualMachines/plain?$expand=instanceView");
    assert_eq!(
        expanded["properties"]["instanceView"]["statuses"][1],
        json!({ "code": "PowerState/running", "level": "Info", "displayStatus": "VM running" })
    );
    assert_eq!(
        compute(&world, "virtualMachines/plain/instanceView"),
        expanded["properties"]["instanceView"]
    );
    let two = compute(&world, "virtualMachines/two");
    let primaries: Vec<_> = two["properties"]["networkProfile"]["networkInterfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["properties"].clone())
        .collect();
    assert_eq!(
        primaries,
        [json!({ "primary": true }), json!({ "primary": false })]
    );
    // shape: recorded manageiq, 2018
    let off = compute(&world, "virtualMachines/two/instanceView");
    assert_eq!(
        (off.get("computerName"), &off["vmAgent"]["vmAgentVersion"]),
        (None, &json!("Unknown"))
    );
    assert_eq!(off["statuses"][1]["code"], "PowerState/deallocated");
}

#[test]
fn a_list_of_machines_with_their_views() {
    let mut world = world(ODD);
    let target = format!("{}&$expand=instanceView", filtered("g", "flex"));
    world.settings_mut().expanded_list = ExpandedList::Full;
    let whole = items(&world, &target).remove(0);
    assert_eq!(
        whole["properties"]["instanceView"]["statuses"][1]["code"],
        "PowerState/running"
    );
    assert!(whole["properties"].get("networkProfile").is_some());
    world.settings_mut().expanded_list = ExpandedList::ViewOnly;
    let view = items(&world, &target).remove(0);
    assert!(
        view["properties"].get("instanceView").is_some()
            && view["properties"].get("networkProfile").is_none()
    );
    let status = items(
        &world,
        &format!(
            "{S}/providers/Microsoft.Compute/virtualMachines?statusOnly=true&api-version=2024-07-01"
        ),
    );
    assert_eq!(status.len(), 3);
    assert!(status.iter().all(
        |machine| machine["properties"].get("instanceView").is_some()
            && machine["properties"].get("osProfile").is_none()
    ));
    let of_group = items(
        &world,
        &format!(
            "{GROUP}/Microsoft.Compute/virtualMachines?statusOnly=true&api-version=2024-07-01"
        ),
    );
    assert!(
        of_group
            .iter()
            .all(|machine| machine["properties"].get("instanceView").is_none()),
        "the list of a group does not know `statusOnly`"
    );
    assert!(
        items(&world, &filtered("g", "uni")).is_empty(),
        "instances of a Uniform set are no virtual machines"
    );
}

#[test]
fn scale_sets() {
    // shape: recorded azure-cli test_vm_list_filter and test_vmss_simple_orchestration_mode, 2023;
    // test_vmss_create_w_ips, 2023
    let world = world(ODD);
    let flex = compute(&world, "virtualMachineScaleSets/FLEX");
    assert_eq!(
        keys(&flex),
        [
            "name",
            "id",
            "type",
            "location",
            "tags",
            "sku",
            "properties"
        ]
    );
    assert_eq!(
        keys(&flex["properties"]),
        [
            "singlePlacementGroup",
            "orchestrationMode",
            "virtualMachineProfile",
            "provisioningState",
            "uniqueId",
            "platformFaultDomainCount",
            "constrainedMaximumCapacity",
            "timeCreated"
        ]
    );
    assert_eq!(
        (&flex["tags"], &flex["sku"]["capacity"]),
        (&json!({ "nomad": "server" }), &json!(1))
    );
    let bare = compute(&world, "virtualMachineScaleSets/bare");
    assert_eq!(
        keys(&bare),
        ["name", "id", "type", "location", "tags", "properties"]
    );
    assert!(bare["properties"].get("virtualMachineProfile").is_none());
    let uni = compute(&world, "virtualMachineScaleSets/uni");
    assert_eq!(
        (
            &uni["properties"]["orchestrationMode"],
            &uni["properties"]["singlePlacementGroup"]
        ),
        (&json!("Uniform"), &json!(true))
    );
    let all = items(
        &world,
        &format!("{S}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01"),
    );
    assert_eq!(names(&all), ["flex", "bare", "uni"]);
    assert!(
        all[0]["id"]
            .as_str()
            .unwrap()
            .contains("/resourceGroups/G/")
    );
    assert_eq!(
        compute(&world, "virtualMachineScaleSets/uni/instanceView")["virtualMachine"]["statusesSummary"]
            [0]["count"],
        2
    );
    assert_eq!(error(&world, &format!("{GROUP}/Microsoft.Compute/virtualMachineScaleSets/flex/instanceView?api-version=2024-07-01")).1, "OperationNotAllowed");
}

#[test]
fn instances_of_scale_sets() {
    // shape: recorded azure-cli test_vmss_hibernate, 2025 (Flexible: stubs); test_vmss_nics, 2023
    // (Uniform: in full)
    let world = world(ODD);
    let stubs = compute(&world, "virtualMachineScaleSets/flex/virtualMachines");
    let stub = &stubs["value"][0];
    assert_eq!(
        keys(stub),
        ["name", "id", "type", "location", "instanceId", "zones"]
    );
    assert_eq!(
        (&stub["instanceId"], &stub["zones"]),
        (&stub["name"], &json!([null]))
    );
    let full = compute(&world, "virtualMachineScaleSets/uni/virtualMachines");
    let instance = &full["value"][1];
    assert_eq!(
        keys(instance),
        [
            "name",
            "id",
            "type",
            "location",
            "tags",
            "instanceId",
            "sku",
            "properties"
        ]
    );
    assert_eq!(
        keys(&instance["properties"]),
        [
            "latestModelApplied",
            "modelDefinitionApplied",
            "networkProfileConfiguration",
            "vmId",
            "hardwareProfile",
            "storageProfile",
            "osProfile",
            "networkProfile",
            "provisioningState",
            "timeCreated"
        ]
    );
    assert_eq!(
        (&instance["name"], &instance["instanceId"]),
        (&json!("uni_1"), &json!("1"))
    );
    let id = instance["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        ok(&world, &format!("{id}?api-version=2018-10-01"))["id"],
        id
    );
    let views = compute(
        &world,
        "virtualMachineScaleSets/uni/virtualMachines?$select=instanceView&$expand=instanceView",
    );
    assert_eq!(keys(&views["value"][0]), ["id", "instanceId", "properties"]);
    assert_eq!(
        compute(&world, "virtualMachineScaleSets/uni/virtualMachines/1"),
        *instance
    );
    let base = format!("{GROUP}/Microsoft.Compute/virtualMachineScaleSets");
    let word = error(
        &world,
        &format!("{base}/uni/virtualMachines/word?api-version=2024-07-01"),
    );
    assert_eq!(
        word,
        (
            400,
            "InvalidParameter".to_owned(),
            "Virtual Machine Scale Set VM instanceId must be a number.".to_owned()
        )
    );
    assert_eq!(
        error(
            &world,
            &format!("{base}/none/virtualMachines?api-version=2024-07-01")
        )
        .1,
        "ParentResourceNotFound"
    );
    assert_eq!(
        error(
            &world,
            &format!("{base}/none/networkInterfaces?api-version=2018-10-01")
        )
        .1,
        "NotFound"
    );
}

#[test]
fn public_addresses_of_both_modes() {
    // shape: recorded azure-cli test_vmss_simple_orchestration_mode and test_vmss_create_w_ips,
    // 2023
    let mut world = world(ODD);
    let all = network(&world, "publicIPAddresses");
    let address = &all["value"][0];
    assert_eq!(
        keys(address),
        [
            "name",
            "id",
            "etag",
            "location",
            "tags",
            "properties",
            "type",
            "sku"
        ]
    );
    assert_eq!(
        keys(&address["properties"]),
        [
            "provisioningState",
            "resourceGuid",
            "ipAddress",
            "publicIPAddressVersion",
            "publicIPAllocationMethod",
            "idleTimeoutInMinutes",
            "ipTags",
            "ipConfiguration"
        ]
    );
    let configuration =
        &network(&world, "networkInterfaces/plainVMNic")["properties"]["ipConfigurations"][0];
    assert_eq!(
        (
            &configuration["properties"]["publicIPAddress"]["id"],
            &configuration["id"]
        ),
        (
            &address["id"],
            &address["properties"]["ipConfiguration"]["id"]
        )
    );
    assert_eq!(
        ok(
            &world,
            &format!("{}?api-version=2024-05-01", address["id"].as_str().unwrap())
        ),
        *address
    );

    let of_set = compute(&world, "virtualMachineScaleSets/uni/publicipaddresses");
    assert_eq!(of_set["value"].as_array().unwrap().len(), 2);
    assert_eq!(
        keys(&of_set["value"][0]),
        ["name", "id", "etag", "properties", "sku"]
    );
    let interface = &compute(&world, "virtualMachineScaleSets/uni/networkInterfaces")["value"][0];
    assert_eq!(
        interface["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"]["id"],
        of_set["value"][0]["id"]
    );

    world.subscriptions_mut()[0].resource_groups[0].public_addresses[0].address = None;
    assert!(
        network(&world, "publicIPAddresses")["value"][0]["properties"]
            .get("ipAddress")
            .is_none(),
        "not given out yet"
    );
}

#[test]
fn the_index_finds_tags_of_any_resource_and_does_not_show_them() {
    // shape: recorded azure-cli test_tag_default_location_scenario and
    // test_delete_dependent_resources
    let mut world = world(ODD);
    let target = |filter: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("$filter", filter)
            .append_pair("api-version", "2021-04-01")
            .finish();
        format!("{S}/resources?{query}")
    };
    let found = items(
        &world,
        &target("tagName eq 'consul' and tagValue eq 'server'"),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(keys(&found[0]), ["id", "name", "type", "location"]);
    assert_eq!(found[0]["type"], "Microsoft.Compute/virtualMachines");
    assert!(
        items(
            &world,
            &target("tagName eq 'consul' and tagValue eq 'Server'")
        )
        .is_empty(),
        "tag values are compared exactly"
    );
    assert_eq!(
        names(&items(&world, &target("startswith(tagName, 'NO')"))),
        ["flex"]
    );
    let sets = items(
        &world,
        &target("resourceType eq 'microsoft.compute/virtualmachinescalesets'"),
    );
    assert_eq!(
        (sets.len(), &sets[0]["tags"]),
        (3, &json!({ "nomad": "server" })),
        "without a tag in the filter tags are shown"
    );
    assert_eq!(
        error(
            &world,
            &target("tagName eq 'consul' and resourceType eq 'x'")
        )
        .1,
        "InvalidFilterInQueryString"
    );
    world.settings_mut().index_lag = vec!["PLAIN".to_owned()];
    assert!(
        items(&world, &target("tagName eq 'consul'")).is_empty(),
        "the index lags behind"
    );
    let mut principal = world.principals()[0].clone();
    principal.object_id = "44444444-aaaa-4444-8444-444444444444".to_owned();
    principal.actions = vec!["Microsoft.Network/networkInterfaces/read".to_owned()];
    let (_, _, seen) = get_as(&world, &Caller::of(&principal), &target(""));
    assert!(
        seen["value"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["type"] == "Microsoft.Network/networkInterfaces"),
        "only what the caller may read"
    );
    principal.actions.clear();
    let (_, status, body) = get_as(&world, &Caller::of(&principal), &target(""));
    assert_eq!(status, 403);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("'Microsoft.Resources/subscriptions/resources/read'"),
        "{body}"
    );
}

#[test]
fn what_the_azure_cli_reads_on_its_way() {
    let world = world(ODD);
    let (operation, _, list) = get(&world, "/subscriptions?api-version=2022-12-01");
    assert_eq!(operation, Operation::Bystander);
    assert_eq!(
        list["value"][0]["subscriptionId"],
        "22222222-2222-4222-8222-222222222222"
    );
    assert_eq!(
        list["value"][0]["tenantId"],
        "11111111-1111-4111-8111-111111111111"
    );
    assert_eq!(
        ok(&world, "/tenants?api-version=2022-12-01")["value"][0]["tenantId"],
        "11111111-1111-4111-8111-111111111111"
    );
    assert_eq!(
        ok(&world, &format!("{S}?api-version=2022-12-01"))["state"],
        "Enabled"
    );
    assert_eq!(
        ok(
            &world,
            &format!("{S}/resourcegroups/G?api-version=2021-04-01")
        )["name"],
        "g"
    );
    assert_eq!(
        names(
            ok(
                &world,
                &format!("{S}/resourcegroups?api-version=2021-04-01")
            )["value"]
                .as_array()
                .unwrap()
        ),
        ["g"]
    );
    let mut unknown = world.principals()[0].clone();
    unknown.scope = "/subscriptions/99999999-9999-4999-8999-999999999999".to_owned();
    assert_eq!(
        get_as(
            &world,
            &Caller::of(&unknown),
            "/subscriptions?api-version=2022-12-01"
        )
        .2["value"],
        json!([])
    );
}

#[test]
fn the_end_of_a_list_has_no_link_a_null_link_or_an_empty_one() {
    let mut world = world(ODD);
    for (choice, shown) in [
        (LastNextLink::Absent, None),
        (LastNextLink::Null, Some(Value::Null)),
        (LastNextLink::Empty, Some(json!(""))),
    ] {
        world.settings_mut().last_next_link = choice;
        assert_eq!(
            network(&world, "networkInterfaces")
                .get("nextLink")
                .cloned(),
            shown
        );
    }
}

#[test]
fn headers_have_the_remaining_quota_and_the_failure_cause() {
    let world = world(ODD);
    let caller = Caller::of(&world.principals()[0]);
    let header = |target: &str, name: &str| {
        respond(&world, &caller, &request(target))
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let interfaces =
        format!("{S}/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01");
    assert_eq!(
        header(
            &interfaces,
            "x-ms-ratelimit-remaining-subscription-global-reads"
        )
        .as_deref(),
        Some("3749")
    );
    assert_eq!(
        header(&interfaces, "content-type").as_deref(),
        Some("application/json; charset=utf-8")
    );
    assert!(header(&interfaces, "x-ms-request-id").is_some());
    assert_eq!(header(&interfaces, "x-ms-failure-cause"), None);
    let set = |rest: &str| {
        format!("{GROUP}/Microsoft.Compute/virtualMachineScaleSets/{rest}?api-version=2024-07-01")
    };
    assert!(
        header(&set("flex"), "x-ms-ratelimit-remaining-resource")
            .unwrap()
            .contains("GetVMScaleSetResource;34")
    );
    assert_eq!(
        header(&set("none"), "x-ms-failure-cause").as_deref(),
        Some("gateway")
    );
    assert_eq!(
        header(&set("flex/networkInterfaces"), "x-ms-failure-cause").as_deref(),
        Some("service")
    );
}
