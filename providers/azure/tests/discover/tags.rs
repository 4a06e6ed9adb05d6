//! Tags: what matches, over which scope, and what is found when nothing does.

use cloud_autojoin_core::{Call, Detail};
use cloud_autojoin_simulator::azure::Fault;
use cloud_autojoin_simulator::azure::Operation;

use crate::support::{Cloud, node, nothing, printed, reasons, shown};

const TAG: &str = "tag_name=consul tag_value=server";

const WORLD: &str = "
[[resource_group]]
name = 'prod'
unrelated_interfaces = 3
[[resource_group.virtual_machine]]
name = 'one'
addresses = ['10.9.0.4', 'fd00:9::4']
interface_tags = { consul = 'server', zone = '1' }
[[resource_group.virtual_machine]]
name = 'two'
addresses = ['10.9.0.5']
interface_tags = { CONSUL = 'server', zone = '2' }
[[resource_group.virtual_machine]]
name = 'other-value'
interface_tags = { consul = 'Server' }
[[resource_group.virtual_machine]]
name = 'tagged-machine'
tags = { consul = 'server' }
[[resource_group.network_interface]]
name = 'spare'
addresses = ['10.9.0.6']
tags = { consul = 'server' }
[[resource_group]]
name = 'test'
[[resource_group.virtual_machine]]
name = 'three'
addresses = ['10.9.1.4']
interface_tags = { consul = 'server' }
";

#[tokio::test]
async fn interfaces_of_the_whole_subscription_match_by_tag_as_in_go_discover() {
    let cloud = Cloud::of(WORLD).await;
    let found = cloud.discover(TAG).await.unwrap();
    // Unattached interfaces count too, and every configuration of both families.
    assert_eq!(
        printed(&found),
        ["10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.1.4", "fd00:9::4"]
    );
    assert_eq!(
        found.subject(),
        "tag `consul` = `server` on the network interface"
    );
    let interface = node(&found, "oneVMNic");
    assert_eq!(
        (
            interface.attribute("resource group"),
            interface.parent("instance")
        ),
        (Some("prod"), Some("one"))
    );
    assert!(
        interface
            .tags
            .contains(&("consul".to_owned(), "server".to_owned())),
        "{interface:?}"
    );
    cloud.simulator.finish();
}

#[tokio::test]
async fn those_that_do_not_match_are_kept_with_the_reason() {
    let cloud = Cloud::of(WORLD).await;
    let found = cloud.discover(TAG).await.unwrap();
    assert_eq!(
        reasons(node(&found, "other-valueVMNic")),
        ["tag `consul` is `Server`, not `server`"]
    );
    assert_eq!(
        reasons(node(&found, "tagged-machineVMNic")),
        ["no tag `consul`"]
    );
    assert_eq!(
        (
            found.examined(),
            found.matched(),
            found.excluded()["tag_missing"],
            found.excluded()["tag_differs"]
        ),
        (9, 4, 4, 1)
    );
}

#[tokio::test]
async fn only_a_few_examples_are_kept_when_only_addresses_are_requested() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\nunrelated_interfaces = 500\n[[resource_group.virtual_machine]]\nname = 'a'\ninterface_tags = { consul = 'server' }\n").await;
    let call =
        Call::new(&cloud.clock, std::time::Duration::from_secs(60)).with_detail(Detail::Addresses);
    let found = cloud.provider(TAG).discover(&call).await.unwrap();
    assert_eq!((found.examined(), found.matched()), (501, 1));
    assert!(found.nodes().len() < 10, "{}", found.nodes().len());
}

#[tokio::test]
async fn resource_groups_narrow_the_search() {
    let cloud = Cloud::of(WORLD).await;
    assert_eq!(
        cloud.addresses(&format!("{TAG} resource_group=TEST")).await,
        ["10.9.1.4"]
    );
    assert_eq!(cloud.count(Operation::ListNetworkInterfaces), 0);
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} resource_group=prod,test"))
            .await
            .len(),
        5
    );
    let text = cloud
        .error(&format!("{TAG} resource_group=prod,tset"))
        .await;
    assert!(text.contains("has no resource group `tset`"), "{text}");
}

#[tokio::test]
async fn many_groups_are_listed_each_once() {
    let groups: String = (0..11)
        .map(|number| {
            format!(
                "[[resource_group]]\nname = 'g{number}'\n[[resource_group.virtual_machine]]\nname = 'm{number}'\ninterface_tags = {{ consul = 'server' }}\n"
            )
        })
        .collect();
    let cloud = Cloud::of(&groups).await;
    let names: Vec<String> = (0..11).map(|number| format!("g{number}")).collect();
    assert_eq!(
        cloud
            .addresses(&format!("{TAG} resource_group={}", names.join(",")))
            .await
            .len(),
        11
    );
    assert_eq!(cloud.arm_requests(), 11);
}

#[tokio::test]
async fn all_tags_must_hold() {
    let cloud = Cloud::of(WORLD).await;
    assert_eq!(
        cloud.addresses(&format!("{TAG} tag.zone=2")).await,
        ["10.9.0.5"]
    );
    assert_eq!(
        cloud.addresses("tag.zone=1 tag.Consul=server").await,
        ["10.9.0.4", "fd00:9::4"]
    );
    let text = nothing(cloud.discover(&format!("{TAG} tag.zone=3")).await.unwrap());
    assert!(
        text.contains("have tag `zone` with other values: `1`, `2`"),
        "{text}"
    );
}

#[tokio::test]
async fn empty_pages_anywhere_lose_nothing() {
    for stand in ["before", "between", "after"] {
        for last in ["absent", "null", "empty"] {
            let cloud =
                Cloud::of(&format!("[settings]\nempty_pages = '{stand}'\nlast_next_link = '{last}'\npage_size = 2\nnext_link_port = true\n{WORLD}")).await;
            assert_eq!(cloud.addresses(TAG).await.len(), 5, "{stand} {last}");
            cloud.simulator.finish();
        }
    }
}

#[tokio::test]
async fn interfaces_without_tags_are_written_in_three_ways() {
    for tags in ["absent", "null", "empty"] {
        let cloud = Cloud::of(&format!("[settings]\nempty_tags = '{tags}'\n{WORLD}")).await;
        assert_eq!(cloud.addresses(TAG).await.len(), 5, "{tags}");
    }
}

#[tokio::test]
async fn a_value_in_another_case_is_the_first_finding() {
    let cloud = Cloud::of(WORLD).await;
    let text = nothing(
        cloud
            .discover("tag_name=consul tag_value=SERVER")
            .await
            .unwrap(),
    );
    assert!(
        text.contains("have tag `consul` = `Server`, and values are compared exactly")
            || text.contains("have tag `consul` = `server`, and values are compared exactly"),
        "{text}"
    );
    assert!(text.contains("hint: use the value"), "{text}");
}

#[tokio::test]
async fn a_tag_on_the_machine_is_found_by_saying_so() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.virtual_machine]]\nname = 'a'\ntags = { consul = 'server' }\n").await;
    let text = nothing(cloud.discover(TAG).await.unwrap());
    assert!(
        text.contains("tag `consul` = `server` is set on the virtual machine `a`")
            && text.contains("hint: add `tag_on=vm`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_tag_on_the_scale_set_is_found_by_saying_so() {
    let cloud =
        Cloud::of("[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'consul'\ninstances = 3\ntags = { consul = 'server' }\n").await;
    let text = nothing(cloud.discover(TAG).await.unwrap());
    assert!(
        text.contains("tag `consul` = `server` is set on the scale set `consul`")
            && text.contains("hint: add `tag_on=scale_set`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_tag_in_another_group_is_found_by_saying_so() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\nunrelated_interfaces = 2\n[[resource_group]]\nname = 'test'\n[[resource_group.virtual_machine]]\nname = 'a'\ninterface_tags = { consul = 'server' }\n").await;
    let text = nothing(
        cloud
            .discover(&format!("{TAG} resource_group=prod"))
            .await
            .unwrap(),
    );
    assert!(
        text.contains("is set on the network interface `aVMNic` in resource group `test`")
            && text.contains("hint: look in `resource_group=test`"),
        "{text}"
    );
}

#[tokio::test]
async fn looking_elsewhere_only_explains_and_may_fail() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\nunrelated_interfaces = 2\n").await;
    cloud
        .simulator
        .add_fault(Fault::status(403).operation(Operation::ListResources));
    let text = nothing(cloud.discover(TAG).await.unwrap());
    assert!(
        text.contains("none of 2 network interfaces has tag `consul` = `server`"),
        "{text}"
    );
    assert!(
        text.contains("examined 2 network interfaces: 2 tag missing"),
        "{text}"
    );
    assert!(
        text.contains("hint: interfaces inherit tags from nothing"),
        "{text}"
    );
}

#[tokio::test]
async fn no_resources_at_all_differ_from_none_with_the_tag() {
    let cloud = Cloud::of("[[resource_group]]\nname = 'prod'\n").await;
    let text = nothing(cloud.discover(TAG).await.unwrap());
    assert!(text.contains("subscription `22222222-2222-4222-8222-222222222222` has no network interfaces that this identity may see"), "{text}");
    let text = nothing(
        cloud
            .discover(&format!("{TAG} resource_group=prod"))
            .await
            .unwrap(),
    );
    assert!(
        text.contains("resource group `prod` has no network interfaces"),
        "{text}"
    );
}

#[tokio::test]
async fn a_page_that_fails_makes_the_call_fail() {
    for skip in 0..4 {
        let cloud = Cloud::of(&format!("[settings]\npage_size = 2\n{WORLD}")).await;
        cloud.simulator.add_fault(
            Fault::status(500)
                .operation(Operation::ListNetworkInterfaces)
                .skip(skip),
        );
        let error = cloud.discover(TAG).await.unwrap_err();
        assert!(
            shown(&error)
                .contains("cannot list the network interfaces of the subscription: status 500"),
            "{skip}"
        );
    }
}

#[tokio::test]
async fn addresses_of_other_things_than_machines_count_when_they_are_tagged() {
    // shape: recorded azure-cli test_vm_show_list_sizes_list_ip_addresses, 2023 (private endpoints,
    // NetApp volumes)
    let cloud = Cloud::of(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.network_interface]]\nname = 'e'\nkind = 'private-endpoint'\naddresses = ['10.9.0.4']\ntags = { consul = 'server' }\n\
         [[resource_group.network_interface]]\nname = 'n'\nkind = 'net-app-volume'\naddresses = ['10.9.0.5']\ntags = { consul = 'server' }\n",
    )
    .await;
    assert_eq!(cloud.addresses(TAG).await, ["10.9.0.4", "10.9.0.5"]);
}
