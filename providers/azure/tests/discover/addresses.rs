//! Which addresses count: by power state, and public ones, of both modes and of plain machines.

use cloud_autojoin_simulator::Fault;
use cloud_autojoin_simulator::message::Operation;

use crate::support::{Cloud, nothing, printed, reasons};

const SET: &str = "resource_group=prod vm_scale_set=web";

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
async fn only_running_instances_count_when_that_is_asked_for() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        let found = cloud.ask(&format!("{SET} power_state=running")).await.unwrap();
        assert_eq!(printed(&found), ["10.9.0.4"], "{mode}");
        let mut left_out: Vec<String> = found.nodes().iter().flat_map(reasons).collect();
        left_out.sort();
        assert_eq!(left_out, ["its instance is deallocated", "its instance is stopped"], "{mode}");
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
    let found = cloud.ask("tag_name=consul tag_value=server power_state=running").await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.4"]);
    assert_eq!((found.left_out()["not_running"], found.left_out()["not_attached"]), (1, 1));
    assert_eq!(cloud.count(Operation::GetVirtualMachine), 2);
}

#[tokio::test]
async fn a_power_state_that_cannot_be_read_is_an_error() {
    for (mode, operation) in [("flexible", Operation::GetVirtualMachine), ("uniform", Operation::ListScaleSetInstances)] {
        let cloud = Cloud::of(&set(mode)).await;
        cloud.simulator.add_fault(Fault::status(500).operation(operation));
        let text = cloud.error(&format!("{SET} power_state=running")).await;
        assert!(text.contains("status 500"), "{mode}: {text}");
    }
}

#[tokio::test]
async fn an_instance_that_is_gone_when_its_state_is_read_is_left_out() {
    let cloud = Cloud::of(&set("flexible")).await;
    cloud.simulator.add_fault(Fault::not_found().operation(Operation::GetVirtualMachine).times(1));
    let found = cloud.ask(&format!("{SET} power_state=running")).await.unwrap();
    assert_eq!(found.left_out()["instance_gone"], 1);
}

#[tokio::test]
async fn public_addresses_of_both_modes_are_found() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&set(mode)).await;
        let addresses = cloud.addresses(&format!("{SET} address_type=public_v4")).await;
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.starts_with("203.0.113.")), "{mode}: {addresses:?}");
        let running = cloud.addresses(&format!("{SET} address_type=public_v4 power_state=running")).await;
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
        assert_eq!(cloud.addresses(&format!("{SET} address_type=public_v4")).await.len(), instances);
        assert_eq!(cloud.count(Operation::GetPublicAddress), singles, "{}", cloud.simulator.summary());
    }
}

#[tokio::test]
async fn members_without_public_address_say_so() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 2\n").await;
    let found = cloud.ask(&format!("{SET} address_type=public_v4")).await.unwrap();
    assert!(found.nodes().iter().all(|node| reasons(node) == ["no public address"]));
    let text = nothing(found);
    assert!(text.contains("looked at 2 network interfaces"), "{text}");
}

#[tokio::test]
async fn a_public_address_that_cannot_be_read_is_an_error_that_names_the_action() {
    for (mode, operation, action) in [
        ("flexible", Operation::GetPublicAddress, "Microsoft.Network/publicIPAddresses/read"),
        ("uniform", Operation::ListScaleSetPublicAddresses, "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses/read"),
    ] {
        let cloud = Cloud::of(&set(mode)).await;
        cloud.simulator.add_fault(Fault::status(403).operation(operation));
        let text = cloud.error(&format!("{SET} address_type=public_v4")).await;
        assert!(text.to_lowercase().contains(&format!("grant the action `{action}`").to_lowercase()), "{mode}: {text}");
    }
}
