//! Which addresses count: by power state, and public ones, of both modes and of plain machines.

use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::{Fault, FaultBody};

use crate::support::{Cloud, SUBSCRIPTION, nothing, printed, reasons, shown};

const SET: &str = "resource_group=prod vm_scale_set=web";
const TAG: &str = "tag_name=consul tag_value=server";

fn set(mode: &str) -> String {
    format!(
        "[[resource_group]]\nname = 'prod'\npublic_subnet = '203.0.113.0/24'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\npublic_addresses = true\n\
         instance = [{{ address = '10.9.0.4' }}, {{ address = '10.9.0.5', power_state = 'deallocated' }}, {{ address = '10.9.0.6', power_state = 'stopped' }}]\n"
    )
}

#[tokio::test]
async fn instances_in_any_power_state_count_by_default() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        assert_eq!(cloud.addresses(SET).await.len(), 3, "{mode}");
    }
}

#[tokio::test]
async fn only_running_instances_count_when_that_is_requested() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        let found = cloud
            .discover(&format!("{SET} power_state=running"))
            .await
            .unwrap();
        assert_eq!(printed(&found), ["10.9.0.4"], "{mode}");
        let mut excluded: Vec<String> = found.nodes().iter().flat_map(reasons).collect();
        excluded.sort();
        assert_eq!(
            excluded,
            ["its instance is deallocated", "its instance is stopped"],
            "{mode}"
        );
        cloud.simulator.finish();
    }
}

#[tokio::test]
async fn tagged_interfaces_count_by_the_power_state_of_their_machines() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.virtual_machine]]\nname = 'on'\naddresses = ['10.9.0.4']\ninterface_tags = { consul = 'server' }\n\
         [[resource_group.virtual_machine]]\nname = 'off'\npower_state = 'deallocated'\ninterface_tags = { consul = 'server' }\n\
         [[resource_group.network_interface]]\nname = 'spare'\ntags = { consul = 'server' }\n",
    )
    .await;
    let found = cloud
        .discover("tag_name=consul tag_value=server power_state=running")
        .await
        .unwrap();
    assert_eq!(printed(&found), ["10.9.0.4"]);
    assert_eq!(
        (
            found.excluded()["not_running"],
            found.excluded()["not_attached"]
        ),
        (1, 1)
    );
    assert_eq!(
        (
            cloud.count(Operation::ListVirtualMachines),
            cloud.count(Operation::GetVirtualMachine)
        ),
        (1, 0),
        "one list has all states"
    );
}

#[tokio::test]
async fn a_power_state_that_cannot_be_read_is_an_error() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        cloud
            .simulator
            .add_fault(Fault::status(500).path_contains("$expand=instanceView"));
        let text = cloud.error(&format!("{SET} power_state=running")).await;
        assert!(text.contains("status 500"), "{mode}: {text}");
    }
}

#[tokio::test]
async fn an_instance_that_is_gone_when_its_state_is_read_is_left_out() {
    let cloud = Cloud::of(&set("flexible")).await;
    let none = Fault::status(200).body(FaultBody::Text(r#"{"value":[]}"#.to_owned()));
    cloud.simulator.add_fault(
        none.operation(Operation::ListGroupVirtualMachines)
            .path_contains("$expand=instanceView"),
    );
    cloud.simulator.add_fault(
        Fault::not_found()
            .operation(Operation::GetVirtualMachine)
            .times(1),
    );
    let found = cloud
        .discover(&format!("{SET} power_state=running"))
        .await
        .unwrap();
    assert_eq!(found.excluded()["instance_gone"], 1);
    assert_eq!(
        cloud.count(Operation::GetVirtualMachine),
        3,
        "what the list lacks is read singly"
    );
}

#[tokio::test]
async fn states_come_from_lists_whatever_these_say_beside_them_and_singly_where_they_are_refused() {
    let tagged = "[[resource_group]]\nname = 'prod'\n[[resource_group.virtual_machine]]\nname = 'on'\naddresses = ['10.9.0.4']\ninterface_tags = { consul = 'server' }\n";
    for list in ["full", "view-only"] {
        for status in [None, Some(400), Some(403)] {
            for (world, keys, lists) in [
                (set("flexible"), SET, Operation::ListGroupVirtualMachines),
                (tagged.to_owned(), TAG, Operation::ListVirtualMachines),
            ] {
                let cloud =
                    Cloud::of(&format!("[settings]\nexpanded_list = '{list}'\n{world}")).await;
                if let Some(status) = status {
                    cloud.simulator.add_fault(
                        Fault::status(status)
                            .path_contains("$expand=instanceView")
                            .operation(lists),
                    );
                    cloud.simulator.add_fault(
                        Fault::status(status)
                            .path_contains("statusOnly=true")
                            .operation(lists),
                    );
                }
                assert_eq!(
                    cloud
                        .addresses(&format!("{keys} power_state=running"))
                        .await,
                    ["10.9.0.4"],
                    "{list} {status:?}"
                );
                assert_eq!(
                    cloud.count(Operation::GetVirtualMachine) > 0,
                    status.is_some(),
                    "{list} {status:?}: {}",
                    cloud.simulator.summary()
                );
            }
        }
    }
}

#[tokio::test]
async fn many_sets_take_their_states_from_the_list_of_the_subscription() {
    let sets: String = (0..6).map(|set| format!("[[resource_group.scale_set]]\nname = 's{set}'\ninstances = 2\ntags = {{ consul = 'server' }}\n")).collect();
    let cloud = Cloud::of(&format!("[[resource_group]]\nname = 'prod'\n{sets}")).await;
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} tag_on=scale_set power_state=running"))
            .await
            .len(),
        12
    );
    assert_eq!(
        (
            cloud.count(Operation::ListVirtualMachines),
            cloud.count(Operation::GetVirtualMachine)
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn a_state_that_the_response_lacks_is_an_error_unless_the_machine_is_being_made_or_deleted() {
    for (mode, state, is_error) in [
        ("flexible", "Succeeded", true),
        ("flexible", "Deleting", false),
        ("uniform", "Succeeded", true),
        ("uniform", "Deleting", false),
    ] {
        let cloud = Cloud::of(&set(mode)).await;
        let group = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/prod/providers/Microsoft.Compute"
        );
        let (name, id) = match mode {
            "flexible" => {
                let name = cloud
                    .simulator
                    .with_world(|world| world.instances("web")[0].clone());
                (name.clone(), format!("{group}/virtualMachines/{name}"))
            }
            _ => (
                "web_0".to_owned(),
                format!("{group}/virtualMachineScaleSets/web/virtualMachines/0"),
            ),
        };
        let blank = format!(
            r#"{{"name":"{name}","id":"{id}","instanceId":"0","properties":{{"provisioningState":"{state}","instanceView":{{"statuses":[]}}}}}}"#
        );
        let body = |text: String| {
            Fault::status(200)
                .body(FaultBody::Text(text))
                .path_contains("$expand=instanceView")
        };
        cloud.simulator.add_fault(
            body(format!(r#"{{"value":[{blank}]}}"#))
                .operation(Operation::ListGroupVirtualMachines),
        );
        cloud.simulator.add_fault(
            body(format!(r#"{{"value":[{blank}]}}"#)).operation(Operation::ListScaleSetInstances),
        );
        cloud.simulator.add_fault(
            body(blank)
                .operation(Operation::GetVirtualMachine)
                .path_contains(format!("/{name}?")),
        );
        match cloud.discover(&format!("{SET} power_state=running")).await {
            Ok(found) if !is_error => assert!(
                found
                    .nodes()
                    .iter()
                    .flat_map(reasons)
                    .any(|reason| reason == "its instance is in no known power state")
            ),
            Err(error) if is_error => assert!(
                shown(&error).contains("cannot find the power state of virtual machine"),
                "{}",
                shown(&error)
            ),
            other => panic!("{mode} {state}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn public_addresses_of_both_modes_are_found() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        let addresses = cloud
            .addresses(&format!("{SET} address_type=public_v4"))
            .await;
        assert!(
            !addresses.is_empty()
                && addresses
                    .iter()
                    .all(|address| address.starts_with("203.0.113.")),
            "{mode}: {addresses:?}"
        );
        let running = cloud
            .addresses(&format!("{SET} address_type=public_v4 power_state=running"))
            .await;
        assert_eq!(running.len(), 1, "{mode}: {running:?}");
        cloud.simulator.finish();
    }
}

#[tokio::test]
async fn many_public_addresses_are_listed_and_few_read_singly() {
    for (instances, singles) in [(3, 3), (30, 0)] {
        let cloud = Cloud::of(&format!(
            "[[resource_group]]\nname = 'prod'\npublic_subnet = '203.0.113.0/24'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = {instances}\npublic_addresses = true\n"
        ))
        .await;
        assert_eq!(
            cloud
                .addresses(&format!("{SET} address_type=public_v4"))
                .await
                .len(),
            instances
        );
        assert_eq!(
            cloud.count(Operation::GetPublicAddress),
            singles,
            "{}",
            cloud.simulator.summary()
        );
    }
}

#[tokio::test]
async fn members_without_public_address_say_so() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 2\n").await;
    let found = cloud
        .discover(&format!("{SET} address_type=public_v4"))
        .await
        .unwrap();
    assert!(
        found
            .nodes()
            .iter()
            .all(|node| reasons(node) == ["no public address"])
    );
    let text = nothing(found);
    assert!(text.contains("examined 2 network interfaces"), "{text}");
}

#[tokio::test]
async fn a_public_address_that_cannot_be_read_is_an_error_that_names_the_action() {
    for (mode, operation, action) in [
        (
            "flexible",
            Operation::GetPublicAddress,
            "Microsoft.Network/publicIPAddresses/read",
        ),
        (
            "uniform",
            Operation::ListScaleSetPublicAddresses,
            "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read",
        ),
    ] {
        let cloud = Cloud::of(&set(mode)).await;
        cloud
            .simulator
            .add_fault(Fault::status(403).operation(operation));
        let text = cloud.error(&format!("{SET} address_type=public_v4")).await;
        assert!(
            text.to_lowercase()
                .contains(&format!("grant the action `{action}`").to_lowercase()),
            "{mode}: {text}"
        );
    }
}
