//! Scale sets of both modes, and everything that is special about their members.

use cloud_autojoin_simulator::azure::Fault;
use cloud_autojoin_simulator::azure::Operation;

use crate::support::{Cloud, node, nothing, printed, reasons};

const SET: &str = "resource_group=prod vm_scale_set=web";

const FLEXIBLE: &str = "
[[resource_group]]
name = 'prod'
unrelated_interfaces = 5
[[resource_group.scale_set]]
name = 'web'
instance = [{ address = '10.9.0.4', zone = '2' }, { address = '10.9.0.5' }, { address = '10.9.0.6' }]
[[resource_group.scale_set]]
name = 'web2'
instances = 2
";

const UNIFORM: &str = "
[[resource_group]]
name = 'prod'
unrelated_interfaces = 5
[[resource_group.scale_set]]
name = 'web'
orchestration_mode = 'uniform'
instance = [{ address = '10.9.0.4' }, { address = '10.9.0.5' }]
";

#[tokio::test]
async fn a_flexible_set_gives_the_addresses_of_its_machines() {
    let cloud = Cloud::of(FLEXIBLE).await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.4", "10.9.0.5", "10.9.0.6"]);
    let first = &found.addresses()[0];
    let node = found
        .nodes()
        .iter()
        .find(|node| node.addresses.contains(first))
        .unwrap();
    assert_eq!(
        (
            node.kind,
            node.attribute("resource group"),
            node.parent("scale set"),
            node.attribute("zone")
        ),
        ("network interface", Some("prod"), Some("web"), Some("2"))
    );
    assert!(
        node.parent("instance").unwrap().starts_with("web_"),
        "{node:?}"
    );
    assert_eq!(
        (
            first.instance.as_deref(),
            first.network_interface.as_deref()
        ),
        (node.parent("instance"), Some(node.name.as_str()))
    );
    assert_eq!(found.subject(), "scale set `web` of resource group `prod`");
    cloud.simulator.finish();
}

#[tokio::test]
async fn a_uniform_set_gives_the_addresses_of_its_instances() {
    let cloud = Cloud::of(UNIFORM).await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.4", "10.9.0.5"]);
    let node = &found.nodes()[0];
    assert_eq!(
        (
            node.attribute("resource group"),
            node.parent("scale set"),
            node.parent("instance")
        ),
        (Some("prod"), Some("web"), Some("web_0"))
    );
    assert_eq!(
        cloud.count(Operation::ListScaleSetInstances),
        0,
        "no interface is in doubt"
    );
    cloud.simulator.finish();
}

#[tokio::test]
async fn names_are_found_in_any_case() {
    for world in [FLEXIBLE, UNIFORM] {
        let cloud = Cloud::of(world).await;
        assert!(
            cloud
                .addresses("resource_group=PROD vm_scale_set=WEB")
                .await
                .contains(&"10.9.0.4".to_owned())
        );
    }
}

#[tokio::test]
async fn the_mode_that_is_configured_is_the_only_one_requested() {
    let cloud = Cloud::of(FLEXIBLE).await;
    assert_eq!(
        cloud
            .addresses(&format!("{SET} orchestration_mode=flexible"))
            .await
            .len(),
        3
    );
    assert_eq!(cloud.count(Operation::ListScaleSetNetworkInterfaces), 0);
    let cloud = Cloud::of(UNIFORM).await;
    assert_eq!(
        cloud
            .addresses(&format!("{SET} orchestration_mode=uniform"))
            .await
            .len(),
        2
    );
    assert_eq!(cloud.arm_requests(), 1);
}

#[tokio::test]
async fn the_wrong_mode_configured_says_so() {
    let cloud = Cloud::of(FLEXIBLE).await;
    let text = nothing(
        cloud
            .discover(&format!("{SET} orchestration_mode=uniform"))
            .await
            .unwrap(),
    );
    assert!(
        text.contains(
            "the scale set `web` is Flexible, and only the other orchestration mode was requested"
        ),
        "{text}"
    );
    assert!(
        text.contains("hint: leave `orchestration_mode` out"),
        "{text}"
    );
    let cloud = Cloud::of(UNIFORM).await;
    let text = nothing(
        cloud
            .discover(&format!("{SET} orchestration_mode=flexible"))
            .await
            .unwrap(),
    );
    assert!(text.contains("the scale set `web` is Uniform"), "{text}");
}

#[tokio::test]
async fn whatever_the_uniform_listing_says_of_a_flexible_set_its_members_are_found() {
    for says in ["not-found", "empty", "conflict"] {
        let cloud = Cloud::of(&format!(
            "[settings]\nuniform_listing_of_flexible = '{says}'\n{FLEXIBLE}"
        ))
        .await;
        assert_eq!(cloud.addresses(SET).await.len(), 3, "{says}");
    }
}

#[tokio::test]
async fn interfaces_of_instances_that_are_gone_are_left_out() {
    // shape: recorded azure-cli test_vmss_nics, 2023 (four interfaces, two instances)
    let cloud = Cloud::of(&UNIFORM.replace("name = 'web'", "name = 'web'\nphantoms = 2")).await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.4", "10.9.0.5"]);
    assert_eq!(
        (found.examined(), found.excluded()["instance_gone"]),
        (4, 2)
    );
    assert_eq!(cloud.count(Operation::ListScaleSetInstances), 1);
}

#[tokio::test]
async fn when_deleted_instances_cannot_be_listed_the_call_fails() {
    let cloud = Cloud::of(&UNIFORM.replace("name = 'web'", "name = 'web'\nphantoms = 2")).await;
    cloud
        .simulator
        .add_fault(Fault::status(403).operation(Operation::ListScaleSetInstances));
    let text = cloud.error(SET).await;
    assert!(
        text.contains("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read"),
        "{text}"
    );
}

#[tokio::test]
async fn interfaces_in_another_group_are_found() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 3\ninterface_resource_group = 'network'\n\
         [[resource_group]]\nname = 'network'\nsubnet = '10.8.0.0/24'\nunrelated_interfaces = 3\n",
    )
    .await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found).len(), 3);
    assert!(
        found
            .nodes()
            .iter()
            .all(|node| node.attribute("resource group") == Some("network"))
    );
    assert_eq!(cloud.count(Operation::GetNetworkInterface), 3);
}

#[tokio::test]
async fn a_refused_group_is_no_error_when_all_interfaces_are_in_another() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 3\ninterface_resource_group = 'network'\n\
         [[resource_group]]\nname = 'network'\n",
    )
    .await;
    cloud
        .simulator
        .add_fault(Fault::status(403).operation(Operation::ListGroupNetworkInterfaces));
    assert_eq!(cloud.addresses(SET).await.len(), 3);
}

#[tokio::test]
async fn many_interfaces_in_another_group_are_listed() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 40\ninterface_resource_group = 'network'\n\
         [[resource_group]]\nname = 'network'\nsubnet = '10.8.0.0/24'\n",
    )
    .await;
    assert_eq!(cloud.addresses(SET).await.len(), 40);
    assert_eq!(
        (
            cloud.count(Operation::GetNetworkInterface),
            cloud.count(Operation::ListGroupNetworkInterfaces)
        ),
        (0, 2)
    );
    // Without the right to list, they are read one by one.
    let asked_once = "/resourceGroups/network/providers/Microsoft.Network/networkInterfaces?";
    cloud
        .simulator
        .add_fault(Fault::status(403).path_contains(asked_once));
    assert_eq!(cloud.addresses(SET).await.len(), 40);
    assert_eq!(cloud.count(Operation::GetNetworkInterface), 40);
}

#[tokio::test]
async fn all_interfaces_and_configurations_of_an_instance_count() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/24'\nsubnet_v6 = 'fd00:9::/64'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 1\ninterfaces = 2\nip_configurations = 2\nipv6 = 'address'\n",
    )
    .await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!((found.addresses().len(), found.matched()), (6, 2));
    assert_eq!(
        printed(&found)
            .iter()
            .filter(|address| address.starts_with("fd00:9::"))
            .count(),
        2
    );
    assert_eq!(
        cloud
            .addresses(&format!("{SET} address_type=private_v6"))
            .await
            .len(),
        2
    );
    assert_eq!(
        cloud
            .addresses(&format!("{SET} address_type=private_v4"))
            .await
            .len(),
        4
    );
    // One interface is primary, and on it one configuration of each family.
    assert_eq!(
        cloud
            .addresses(&format!("{SET} interfaces=primary"))
            .await
            .len(),
        2
    );
    assert_eq!(
        cloud
            .addresses(&format!("{SET} interfaces=primary address_type=private_v4"))
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_configuration_without_address_is_named_and_harms_nothing() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&format!(
            "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstances = 2\nipv6 = 'without-address'\n"
        ))
        .await;
        let found = cloud.discover(SET).await.unwrap();
        assert_eq!(found.addresses().len(), 2, "{mode}");
        assert!(
            found
                .nodes()
                .iter()
                .all(|node| node.is_match() && reasons(node) == ["no private address yet"]),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn a_member_without_any_address_is_left_out_with_the_reason() {
    for mode in ["flexible", "uniform"] {
        let cloud = Cloud::of(&format!(
            "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstance = [{{ address = '10.9.0.4' }}, {{ address = 'none' }}]\n"
        ))
        .await;
        let found = cloud.discover(SET).await.unwrap();
        assert_eq!(printed(&found), ["10.9.0.4"], "{mode}");
        assert_eq!(
            (found.examined(), found.excluded()["no_address"]),
            (2, 1),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn members_of_which_none_has_an_address_say_so() {
    for (mode, name) in [("flexible", "Flexible"), ("uniform", "Uniform")] {
        let cloud = Cloud::of(&format!(
            "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstance = [{{ address = 'none' }}]\n"
        ))
        .await;
        let text = nothing(cloud.discover(SET).await.unwrap());
        assert!(text.contains(&format!("the scale set `web` is there ({name}), and none of its instances has an address yet")), "{text}");
    }
}

#[tokio::test]
async fn an_empty_set_differs_from_a_missing_one() {
    for (mode, name) in [("flexible", "Flexible"), ("uniform", "Uniform")] {
        let cloud = Cloud::of(&format!("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\n")).await;
        let text = nothing(cloud.discover(SET).await.unwrap());
        assert!(
            text.contains(&format!(
                "the scale set `web` is there ({name}), and has no instances"
            )),
            "{text}"
        );
        let text = cloud.error("resource_group=prod vm_scale_set=wbe").await;
        assert!(
            text.contains("no such scale set: resource group `prod`") && text.contains("`wbe`"),
            "{text}"
        );
        let text = cloud
            .error("resource_group=porduction vm_scale_set=web")
            .await;
        assert!(
            text.contains("check `resource_group`")
                && text.contains("no resource group `porduction`"),
            "{text}"
        );
        let of_missing_group = cloud
            .simulator
            .requests()
            .into_iter()
            .filter(|request| request.path.contains("/porduction/"))
            .count();
        assert_eq!(
            of_missing_group, 3,
            "what is not there is not asked for its scale set"
        );
        cloud.simulator.finish();
    }
}

#[tokio::test]
async fn a_flexible_set_without_profile_has_no_sku_and_is_read_all_the_same() {
    // shape: recorded azure-cli test_vmss_simple_orchestration_mode, 2023
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\nprofile = false\n").await;
    let text = nothing(cloud.discover(SET).await.unwrap());
    assert!(
        text.contains("is there (Flexible), and has no instances"),
        "{text}"
    );
}

#[tokio::test]
async fn machines_attached_to_the_set_by_hand_are_members() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\nprofile = false\n\
         [[resource_group.virtual_machine]]\nname = 'pet'\nscale_set = 'web'\naddresses = ['10.9.0.7']\n[[resource_group.virtual_machine]]\nname = 'stray'\n",
    )
    .await;
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.7"]);
    assert_eq!(found.nodes()[0].parent("instance"), Some("pet"));
}

#[tokio::test]
async fn an_interface_that_vanishes_between_list_and_read_is_left_out() {
    let cloud = Cloud::of(FLEXIBLE).await;
    let name = cloud.simulator.with_world(|world| {
        let group = world.subscriptions()[0].resource_group("prod").unwrap();
        let name = group.members("web").next().unwrap().network_interfaces[0]
            .name
            .clone();
        world.delete_network_interface(&name).unwrap();
        name
    });
    let found = cloud.discover(SET).await.unwrap();
    assert_eq!(printed(&found), ["10.9.0.5", "10.9.0.6"]);
    assert_eq!(
        reasons(node(&found, &name)),
        ["deleted between list and get"]
    );
    assert_eq!(cloud.count(Operation::GetNetworkInterface), 1);
}

#[tokio::test]
async fn empty_pages_with_a_link_end_nothing() {
    for stand in ["before", "between", "after"] {
        for world in [FLEXIBLE, UNIFORM] {
            let cloud =
                Cloud::of(&format!("[settings]\nempty_pages = '{stand}'\npage_size = 1\nnext_link_port = true\nlast_next_link = 'empty'\n{world}")).await;
            assert!(cloud.addresses(SET).await.len() >= 2, "{stand}");
            cloud.simulator.finish();
        }
    }
}

#[tokio::test]
async fn an_instance_replaced_between_two_calls_is_replaced_in_the_result() {
    for world in [FLEXIBLE, UNIFORM] {
        let cloud = Cloud::of(world).await;
        let provider = cloud.provider(SET);
        let before = printed(&provider.discover(&cloud.call()).await.unwrap());
        cloud.simulator.with_world(|world| {
            let group = world.subscriptions()[0].resource_group("prod").unwrap();
            let instance = group
                .members("web")
                .next()
                .map_or_else(|| "0".to_owned(), |machine| machine.name.clone());
            world.replace_instance("web", &instance).unwrap()
        });
        let after = printed(&provider.discover(&cloud.call()).await.unwrap());
        assert_eq!(before.len(), after.len());
        assert!(
            before.contains(&"10.9.0.4".to_owned()) && !after.contains(&"10.9.0.4".to_owned()),
            "{after:?}"
        );
    }
}

#[tokio::test]
async fn a_watch_requests_only_what_the_mode_needs_and_all_again_when_the_set_is_empty() {
    let cloud = Cloud::of(FLEXIBLE).await;
    let provider = cloud.provider(SET);
    provider.discover(&cloud.call()).await.unwrap();
    cloud.simulator.reset_record();
    provider.discover(&cloud.call()).await.unwrap();
    assert_eq!(
        (
            cloud.count(Operation::ListScaleSetNetworkInterfaces),
            cloud.arm_requests()
        ),
        (0, 2)
    );
    // The set is made anew in the other mode.
    cloud.simulator.with_world(|world| {
        world.remove_scale_set("web").unwrap();
        let plan = cloud_autojoin_simulator::azure::world::ScaleSetPlan {
            name: "web".to_owned(),
            orchestration_mode: cloud_autojoin_simulator::azure::world::OrchestrationMode::Uniform,
            instances: 2,
            ..Default::default()
        };
        world.subscriptions_mut()[0]
            .add_scale_set("prod", &plan)
            .unwrap();
    });
    assert_eq!(
        provider
            .discover(&cloud.call())
            .await
            .unwrap()
            .addresses()
            .len(),
        2
    );
    cloud.simulator.reset_record();
    assert_eq!(
        provider
            .discover(&cloud.call())
            .await
            .unwrap()
            .addresses()
            .len(),
        2
    );
    assert_eq!(
        (
            cloud.count(Operation::ListScaleSetNetworkInterfaces),
            cloud.arm_requests()
        ),
        (1, 1)
    );
    cloud.simulator.finish();
}

#[tokio::test]
async fn a_set_that_is_not_there_comes_with_the_one_that_was_meant() {
    let cloud = Cloud::of(FLEXIBLE).await;
    let text = cloud.error("resource_group=prod vm_scale_set=wbe2").await;
    assert!(
        text.contains("has no scale set `wbe2`") && text.contains("did you mean `web2`?"),
        "{text}"
    );
    let cloud = Cloud::of(&format!("{FLEXIBLE}[[resource_group]]\nname = 'test'\n")).await;
    let text = cloud.error("resource_group=test vm_scale_set=web").await;
    // Lists of Microsoft.Compute spell groups in upper case.
    assert!(
        text.contains("there is a scale set `web` in resource group `PROD`"),
        "{text}"
    );
    let text = cloud.error("resource_group=tset vm_scale_set=web").await;
    assert!(
        text.contains("no resource group `tset`")
            && text.contains("there is a scale set `web` in resource group `PROD`"),
        "{text}"
    );
    cloud
        .simulator
        .add_fault(Fault::status(403).operation(Operation::ListScaleSets));
    let text = cloud.error("resource_group=test vm_scale_set=web").await;
    assert!(
        text.contains("no such scale set") && !text.contains("there is a scale set"),
        "{text}"
    );
}
