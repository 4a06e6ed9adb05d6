//! Tags where they stand: on interfaces, instances, scale sets, in any mixture; by list and by
//! index; together with a scale set.

use cloud_autojoin_simulator::azure::Fault;
use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::{Named, Tags};

use crate::support::{Cloud, node, nothing, printed, reasons};

const TAG: &str = "tag_name=consul tag_value=server";

/// The same five addresses by three ways: 10.9.0.4 and .5 of a Flexible set, .6 and .7 of a Uniform
/// one, both tagged; .8 of a tagged machine; .9 of a tagged interface.
const WORLD: &str = "
[[resource_group]]
name = 'prod'
unrelated_interfaces = 4
[[resource_group.scale_set]]
name = 'flexible'
instance = [{ address = '10.9.0.4' }, { address = '10.9.0.5' }]
tags = { consul = 'server', ring = 'a' }
[[resource_group.scale_set]]
name = 'uniform'
orchestration_mode = 'uniform'
instance = [{ address = '10.9.0.6' }, { address = '10.9.0.7' }]
tags = { Consul = 'server' }
[[resource_group.scale_set]]
name = 'other'
instances = 2
tags = { consul = 'client' }
[[resource_group.scale_set]]
name = 'empty'
tags = { consul = 'server' }
[[resource_group.virtual_machine]]
name = 'machine'
addresses = ['10.9.0.8']
tags = { consul = 'server' }
interface_tags = { ring = 'a' }
[[resource_group.virtual_machine]]
name = 'plain'
addresses = ['10.9.0.9']
interface_tags = { consul = 'server' }
[[resource_group]]
name = 'test'
[[resource_group.scale_set]]
name = 'flexible'
instance = [{ address = '10.9.1.4' }]
tags = { consul = 'server' }
";

const PROD: &str = "resource_group=prod";

#[tokio::test]
async fn each_place_leads_to_its_own_interfaces() {
    for lookup in ["list", "index"] {
        for (places, expected) in [
            ("nic", &["10.9.0.9"][..]),
            ("vm", &["10.9.0.8"]),
            (
                "scale_set",
                &["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.7"],
            ),
            ("nic,vm", &["10.9.0.8", "10.9.0.9"]),
            (
                "vm,scale_set",
                &["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.7", "10.9.0.8"],
            ),
            (
                "nic,vm,scale_set",
                &[
                    "10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.7", "10.9.0.8", "10.9.0.9",
                ],
            ),
        ] {
            let cloud = Cloud::of(WORLD).await;
            assert_eq!(
                cloud
                    .addresses(&format!("{TAG} {PROD} tag_on={places} lookup={lookup}"))
                    .await,
                expected,
                "{lookup} {places}"
            );
            cloud.simulator.finish();
        }
    }
}

#[tokio::test]
async fn the_whole_subscription_is_looked_through_without_a_group() {
    for lookup in ["list", "index"] {
        let cloud = Cloud::of(WORLD).await;
        let addresses = cloud
            .addresses(&format!("{TAG} tag_on=scale_set lookup={lookup}"))
            .await;
        assert_eq!(
            addresses,
            ["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.7", "10.9.1.4"],
            "{lookup}"
        );
    }
}

#[tokio::test]
async fn several_tags_must_all_hold_each_in_any_of_the_places() {
    for lookup in ["list", "index"] {
        let cloud = Cloud::of(WORLD).await;
        let keys = format!("{TAG} tag.ring=a lookup={lookup}");
        // On one machine `consul` is set on the machine and `ring` on its interface.
        assert_eq!(
            cloud.addresses(&format!("{keys} tag_on=nic,vm")).await,
            ["10.9.0.8"],
            "{lookup}"
        );
        assert_eq!(
            cloud.addresses(&format!("{keys} tag_on=scale_set")).await,
            ["10.9.0.4", "10.9.0.5"],
            "{lookup}"
        );
        assert_eq!(
            cloud
                .addresses(&format!("{keys} tag_on=nic,vm,scale_set"))
                .await,
            ["10.9.0.4", "10.9.0.5", "10.9.0.8"],
            "{lookup}"
        );
        let text = nothing(cloud.discover(&format!("{keys} tag_on=vm")).await.unwrap());
        assert!(
            text.contains(
                "no address found for tags `consul` = `server` and `ring` = `a` on the instance"
            ),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_tag_of_the_set_and_one_of_the_machine_add_up() {
    for lookup in ["list", "index"] {
        let cloud = Cloud::of(
            "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ntags = { consul = 'server' }\n\
             instance = [{ address = '10.9.0.4', tags = { ring = 'a' } }, { address = '10.9.0.5', interface_tags = { ring = 'a' } }, { address = '10.9.0.6' }]\n\
             [[resource_group.scale_set]]\nname = 'old'\norchestration_mode = 'uniform'\ntags = { consul = 'server' }\n\
             instance = [{ address = '10.9.0.7', tags = { ring = 'a' } }, { address = '10.9.0.8', tags = {} }]\n",
        )
        .await;
        let keys = format!("{TAG} tag.ring=a lookup={lookup}");
        assert_eq!(
            cloud
                .addresses(&format!("{keys} tag_on=nic,scale_set"))
                .await,
            ["10.9.0.5"],
            "{lookup}"
        );
        let both = cloud
            .discover(&format!("{keys} tag_on=vm,scale_set"))
            .await
            .unwrap();
        assert!(
            printed(&both).contains(&"10.9.0.4".to_owned())
                && !printed(&both).contains(&"10.9.0.6".to_owned()),
            "{lookup}: {:?}",
            printed(&both)
        );
        if lookup == "list" {
            assert_eq!(printed(&both), ["10.9.0.4", "10.9.0.7"]);
        }
    }
}

#[tokio::test]
async fn a_tagged_set_whose_interfaces_have_no_tags_is_found_by_its_tag_and_not_otherwise() {
    let cloud =
        Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'consul'\ninstances = 3\ntags = { consul = 'server' }\n").await;
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} tag_on=scale_set"))
            .await
            .len(),
        3
    );
    let text = nothing(cloud.discover(&format!("{TAG} tag_on=nic")).await.unwrap());
    assert!(
        text.contains("tag `consul` = `server` is set on the scale set `consul`")
            && text.contains("hint: add `tag_on=scale_set`"),
        "{text}"
    );
    assert!(
        !text.contains("none of 3 network interfaces"),
        "the cause is said once: {text}"
    );
    let text = nothing(cloud.discover(&format!("{TAG} tag_on=vm")).await.unwrap());
    assert!(text.contains("is set on the scale set `consul`"), "{text}");
}

#[tokio::test]
async fn sets_and_machines_that_do_not_match_are_kept_with_the_reason() {
    let cloud = Cloud::of(WORLD).await;
    let found = cloud
        .discover(&format!("{TAG} {PROD} tag_on=scale_set"))
        .await
        .unwrap();
    assert_eq!(
        (node(&found, "other").kind, reasons(node(&found, "other"))),
        (
            "scale set",
            vec!["tag `consul` is `client`, not `server`".to_owned()]
        )
    );
    assert_eq!(reasons(node(&found, "empty")), ["it has no instances"]);
    let found = cloud
        .discover(&format!("{TAG} {PROD} tag_on=vm"))
        .await
        .unwrap();
    assert_eq!(
        (node(&found, "plain").kind, reasons(node(&found, "plain"))),
        ("instance", vec!["no tag `consul`".to_owned()])
    );
}

#[tokio::test]
async fn only_the_lists_of_the_places_are_requested() {
    let cloud = Cloud::of(WORLD).await;
    cloud.addresses(&format!("{TAG} {PROD} tag_on=vm")).await;
    assert_eq!(
        (
            cloud.count(Operation::ListGroupScaleSets),
            cloud.count(Operation::ListGroupNetworkInterfaces),
            cloud.count(Operation::GetNetworkInterface)
        ),
        (0, 0, 1)
    );
    let cloud = Cloud::of(WORLD).await;
    cloud
        .addresses(&format!("{TAG} {PROD} tag_on=scale_set"))
        .await;
    // One list of sets, two requests for the Flexible set and as many for the empty one, one for
    // the Uniform set.
    assert_eq!(
        (cloud.count(Operation::GetScaleSet), cloud.arm_requests()),
        (0, 6),
        "{}",
        cloud.simulator.summary()
    );
}

#[tokio::test]
async fn the_index_costs_by_matches_and_not_by_size() {
    let world = |unrelated: usize| {
        format!(
            "[settings]\npage_size = 100\n[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\nunrelated_interfaces = {unrelated}\n\
             [[resource_group.virtual_machine]]\nname = 'a'\ncount = 3\ninterface_tags = {{ consul = 'server' }}\n"
        )
    };
    for unrelated in [0, 2000] {
        let cloud = Cloud::of(&world(unrelated)).await;
        assert_eq!(
            cloud.addresses(&format!("{TAG} lookup=index")).await.len(),
            3
        );
        assert_eq!(
            cloud.arm_requests(),
            4,
            "{unrelated}: {}",
            cloud.simulator.summary()
        );
    }
}

#[tokio::test]
async fn what_the_index_says_is_read_afresh() {
    let cloud = Cloud::of(WORLD).await;
    cloud
        .simulator
        .with_world(|world| world.delete_network_interface("plainVMNic").unwrap());
    cloud
        .simulator
        .add_fault(Fault::not_found().path_contains("machineVMNic"));
    let text = nothing(
        cloud
            .discover(&format!("{TAG} {PROD} tag_on=vm lookup=index"))
            .await
            .unwrap(),
    );
    assert!(text.contains("1 vanished"), "{text}");
}

#[tokio::test]
async fn an_index_that_lags_says_that_it_may() {
    let cloud = Cloud::of(&format!("[settings]\nindex_lag = ['plainVMNic']\n{WORLD}")).await;
    assert_eq!(
        cloud.addresses(&format!("{TAG} {PROD} lookup=list")).await,
        ["10.9.0.9"]
    );
    let text = nothing(
        cloud
            .discover(&format!("{TAG} resource_group=test lookup=index tag_on=vm"))
            .await
            .unwrap(),
    );
    assert!(
        text.contains("is set on the scale set `flexible`"),
        "{text}"
    );
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n").await;
    let text = nothing(
        cloud
            .discover(&format!("{TAG} lookup=index"))
            .await
            .unwrap(),
    );
    assert!(text.contains("hint: the index may lag"), "{text}");
}

#[tokio::test]
async fn a_failing_index_is_an_error() {
    let cloud = Cloud::of(WORLD).await;
    cloud
        .simulator
        .add_fault(Fault::status(500).operation(Operation::ListResources));
    let text = cloud.error(&format!("{TAG} lookup=index")).await;
    assert!(
        text.contains("cannot look up tag `consul` in the resource index: status 500"),
        "{text}"
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_read_is_an_error_that_names_the_action() {
    for (place, operation, action) in [
        (
            "vm",
            Operation::ListVirtualMachines,
            "Microsoft.Compute/virtualMachines/read",
        ),
        (
            "scale_set",
            Operation::ListScaleSets,
            "Microsoft.Compute/virtualMachineScaleSets/read",
        ),
        (
            "nic,vm",
            Operation::ListNetworkInterfaces,
            "Microsoft.Network/networkInterfaces/read",
        ),
        (
            "scale_set",
            Operation::ListScaleSetNetworkInterfaces,
            "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
        ),
        (
            "scale_set",
            Operation::ListGroupVirtualMachines,
            "Microsoft.Compute/virtualMachines/read",
        ),
    ] {
        let cloud = Cloud::of(WORLD).await;
        cloud
            .simulator
            .add_fault(Fault::status(403).operation(operation));
        let text = cloud.error(&format!("{TAG} tag_on={place}")).await;
        assert!(
            text.contains(&format!("grant the action `{action}`")),
            "{place} {operation:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_tagged_set_that_is_gone_by_now_is_no_error() {
    let cloud = Cloud::of(WORLD).await;
    cloud
        .simulator
        .add_fault(Fault::not_found().operation(Operation::ListScaleSetNetworkInterfaces));
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} {PROD} tag_on=scale_set"))
            .await,
        ["10.9.0.4", "10.9.0.5"]
    );
}

#[tokio::test]
async fn many_tagged_machines_are_joined_with_one_list() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\n[[resource_group.virtual_machine]]\nname = 'a'\ncount = 60\ntags = { consul = 'server' }\n\
         [[resource_group]]\nname = 'test'\n[[resource_group.virtual_machine]]\nname = 'b'\ncount = 2\ntags = { consul = 'server' }\n",
    )
    .await;
    assert_eq!(cloud.addresses(&format!("{TAG} tag_on=vm")).await.len(), 62);
    assert_eq!(
        (
            cloud.arm_requests(),
            cloud.count(Operation::GetNetworkInterface)
        ),
        (2, 0),
        "{}",
        cloud.simulator.summary()
    );
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\n[[resource_group.virtual_machine]]\nname = 'a'\ncount = 20\ntags = { consul = 'server' }\n",
    )
    .await;
    cloud
        .simulator
        .add_fault(Fault::status(403).operation(Operation::ListNetworkInterfaces));
    assert_eq!(
        cloud.addresses(&format!("{TAG} tag_on=vm")).await.len(),
        20,
        "the right to read single interfaces is enough"
    );
}

#[tokio::test]
async fn tags_and_a_scale_set_must_both_hold() {
    let world = "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ntags = { team = 'x' }\n\
         instance = [{ address = '10.9.0.4', tags = { ring = 'a' } }, { address = '10.9.0.5', interface_tags = { ring = 'a' } }]\n\
         [[resource_group.virtual_machine]]\nname = 'stray'\ninterface_tags = { ring = 'a' }\n";
    let keys = "resource_group=prod vm_scale_set=web";
    let cloud = Cloud::of(world).await;
    assert_eq!(
        cloud
            .addresses(&format!("{keys} tag_name=ring tag_value=a"))
            .await,
        ["10.9.0.5"]
    );
    assert_eq!(cloud.count(Operation::GetScaleSet), 0);
    assert_eq!(
        cloud
            .addresses(&format!("{keys} tag_name=ring tag_value=a tag_on=vm"))
            .await,
        ["10.9.0.4"]
    );
    assert_eq!(
        cloud
            .addresses(&format!("{keys} tag_name=ring tag_value=a tag_on=nic,vm"))
            .await,
        ["10.9.0.4", "10.9.0.5"]
    );
    assert_eq!(
        cloud
            .addresses(&format!(
                "{keys} tag_name=team tag_value=x tag_on=scale_set"
            ))
            .await,
        ["10.9.0.4", "10.9.0.5"]
    );
    assert_eq!(
        cloud
            .addresses(&format!(
                "{keys} tag_name=ring tag_value=a tag.team=x tag_on=vm,scale_set"
            ))
            .await,
        ["10.9.0.4"]
    );
    let text = cloud
        .error("resource_group=prod vm_scale_set=wbe tag_name=team tag_value=x tag_on=scale_set")
        .await;
    assert!(
        text.contains("no such scale set") && text.contains("did you mean `web`?"),
        "{text}"
    );
    let text = nothing(
        cloud
            .discover(&format!("{keys} tag_name=ring tag_value=b"))
            .await
            .unwrap(),
    );
    assert!(
        text.contains(
            "1 of the interfaces of the scale set have tag `ring` with other values: `a`"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn tags_of_uniform_instances_stand_in_their_own_list() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = 'uniform'\n\
         instance = [{ address = '10.9.0.4', tags = { ring = 'a' } }, { address = '10.9.0.5', tags = { ring = 'b' } }]\n",
    )
    .await;
    let keys = "resource_group=prod vm_scale_set=web tag_name=ring tag_value=a";
    assert_eq!(
        cloud.addresses(&format!("{keys} tag_on=vm")).await,
        ["10.9.0.4"]
    );
    assert_eq!(cloud.count(Operation::ListScaleSetInstances), 1);
}

#[tokio::test]
async fn a_tag_that_is_set_on_the_members_machine_is_named() {
    let cloud =
        Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ninstances = 2\ninstance_tags = { ring = 'a' }\n").await;
    let text = nothing(
        cloud
            .discover("resource_group=prod vm_scale_set=web tag_name=ring tag_value=a")
            .await
            .unwrap(),
    );
    assert!(
        text.contains("of 2 of the interfaces of the scale set tag `ring` is set on the instance")
            && text.contains("hint: add `tag_on=vm`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_tag_that_is_moved_changes_the_result_of_the_next_call() {
    let cloud = Cloud::of(WORLD).await;
    let provider = cloud.provider(&format!("{TAG} {PROD}"));
    assert_eq!(
        printed(&provider.discover(&cloud.call()).await.unwrap()),
        ["10.9.0.9"]
    );
    cloud.simulator.with_world(|world| {
        world
            .set_tags(Named::NetworkInterface("plainVMNic"), Tags::new())
            .unwrap();
        world
            .set_tags(
                Named::NetworkInterface("machineVMNic"),
                Tags::from([("consul".to_owned(), "server".to_owned())]),
            )
            .unwrap();
    });
    assert_eq!(
        printed(&provider.discover(&cloud.call()).await.unwrap()),
        ["10.9.0.8"]
    );
}

#[tokio::test]
async fn an_interface_that_comes_by_several_ways_is_one_node() {
    for lookup in ["list", "index"] {
        let cloud = Cloud::of(
            "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ntags = { consul = 'server' }\n\
             instance = [{ address = '10.9.0.4', tags = { consul = 'server' }, interface_tags = { consul = 'server' } }]\n",
        )
        .await;
        let found = cloud
            .discover(&format!("{TAG} tag_on=nic,vm,scale_set lookup={lookup}"))
            .await
            .unwrap();
        assert_eq!(
            (printed(&found), found.matched(), found.examined()),
            (vec!["10.9.0.4".to_owned()], 1, 1),
            "{lookup}"
        );
    }
}

#[tokio::test]
async fn an_interface_that_came_near_by_several_ways_is_counted_once() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\ntags = { consul = 'server' }\n\
         instance = [{ address = '10.9.0.4', interface_tags = { ring = 'b' } }]\n",
    )
    .await;
    let found = cloud
        .discover(&format!("{TAG} tag.ring=a tag_on=nic,scale_set"))
        .await
        .unwrap();
    assert_eq!(found.examined(), 1);
    let text = nothing(found);
    assert!(
        text.contains("1 of the network interfaces have tag `ring` with other values: `b`"),
        "{text}"
    );
}

#[tokio::test]
async fn the_rarest_tag_leads_through_the_index() {
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.virtual_machine]]\nname = 'many'\ncount = 8\ninterface_tags = { consul = 'server' }\n\
         [[resource_group.virtual_machine]]\nname = 'one'\naddresses = ['10.9.0.4']\ninterface_tags = { consul = 'server', ring = 'a' }\n",
    )
    .await;
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} tag.ring=a lookup=index"))
            .await,
        ["10.9.0.4"]
    );
    assert_eq!(
        (
            cloud.count(Operation::ListResources),
            cloud.count(Operation::GetNetworkInterface)
        ),
        (2, 1)
    );
}
