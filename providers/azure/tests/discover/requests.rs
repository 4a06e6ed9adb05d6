//! How many requests a call sends, and how many of them one after the other: the plan is a promise.

use cloud_autojoin_simulator::azure::Operation::{
    self, ListGroupNetworkInterfaces, ListGroupVirtualMachines,
};
use cloud_autojoin_simulator::azure::world::Named;
use cloud_autojoin_simulator::azure::{Endpoint, Fault};

use crate::support::Cloud;

const SET: &str = "resource_group=prod vm_scale_set=web";

fn world(mode: &str, instances: usize, unrelated: usize) -> String {
    format!(
        "[settings]\npage_size = 1000\n[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\nunrelated_interfaces = {unrelated}\n\
         [[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstances = {instances}\n"
    )
}

fn tokens(cloud: &Cloud) -> usize {
    cloud.count(Operation::Token)
}

#[tokio::test]
async fn a_uniform_set_takes_three_requests_side_by_side_at_most() {
    let cloud = Cloud::of(&world("uniform", 3, 0)).await;
    cloud.slow();
    assert_eq!(cloud.addresses(SET).await.len(), 3);
    assert!(cloud.arm_requests() <= 3, "{}", cloud.simulator.summary());
    assert_eq!(
        (
            cloud.simulator.sequential_depth(Endpoint::Arm),
            tokens(&cloud)
        ),
        (1, 1),
        "{}",
        cloud.simulator.summary()
    );
}

#[tokio::test]
async fn a_flexible_set_of_three_or_a_thousand_takes_three_requests_side_by_side() {
    for instances in [3, 1000] {
        let cloud = Cloud::of(&world("flexible", instances, 0)).await;
        cloud.slow();
        assert_eq!(cloud.addresses(SET).await.len(), instances);
        assert!(cloud.arm_requests() <= 3, "{}", cloud.simulator.summary());
        assert_eq!(
            (
                cloud.simulator.sequential_depth(Endpoint::Arm),
                tokens(&cloud)
            ),
            (1, 1),
            "{}",
            cloud.simulator.summary()
        );
    }
}

#[tokio::test]
async fn a_flexible_set_on_several_pages_is_as_deep_as_its_machines_have_pages() {
    let cloud =
        Cloud::of(&world("flexible", 300, 0).replace("page_size = 1000", "page_size = 100")).await;
    // Long enough for three pages to keep step on a machine that has other work.
    cloud
        .simulator
        .set_latency(std::time::Duration::from_secs(1));
    assert_eq!(cloud.addresses(SET).await.len(), 300);
    assert_eq!(
        (
            cloud.count(ListGroupVirtualMachines),
            cloud.count(ListGroupNetworkInterfaces)
        ),
        (3, 3),
        "{}",
        cloud.simulator.summary()
    );
    assert_eq!(
        cloud.simulator.sequential_depth(Endpoint::Arm),
        3,
        "{}",
        cloud.simulator.summary()
    );
}

#[tokio::test]
async fn interfaces_are_not_read_ahead_of_the_machines() {
    // The second of two pages of machines never comes; of the interfaces there are thirty, and they
    // come at once.
    let cloud = Cloud::of(&world("flexible", 150, 150).replace(
        "page_size = 1000",
        "page_sizes = { virtual_machines = 100, network_interfaces = 10 }",
    ))
    .await
    .impatient();
    cloud
        .simulator
        .add_fault(Fault::hang().skip(1).operation(ListGroupVirtualMachines));
    let error = cloud.error(SET).await;
    assert!(
        error.starts_with("cannot list the virtual machines of scale set `web`"),
        "{error}"
    );
    assert_eq!(
        cloud.count(ListGroupNetworkInterfaces),
        2,
        "{}",
        cloud.simulator.summary()
    );
}

#[tokio::test]
async fn the_set_itself_is_not_read_on_the_good_path() {
    for mode in ["uniform", "flexible"] {
        let cloud = Cloud::of(&world(mode, 3, 0)).await;
        cloud.addresses(SET).await;
        assert_eq!(cloud.count(Operation::GetScaleSet), 0, "{mode}");
    }
}

#[tokio::test]
async fn few_interfaces_on_later_pages_are_read_singly_and_many_by_page() {
    // Three of 5,003 interfaces: no more than three requests beyond the first page on either way,
    // so never more than six.
    let cloud =
        Cloud::of(&world("flexible", 3, 5000).replace("page_size = 1000", "page_size = 100")).await;
    assert_eq!(cloud.addresses(SET).await.len(), 3);
    let (pages, singles) = (
        cloud.count(ListGroupNetworkInterfaces),
        cloud.count(Operation::GetNetworkInterface),
    );
    assert!(
        (pages - 1) + singles <= 6 && singles > 0,
        "{pages} pages, {singles} singles"
    );

    // Three hundred of 400 on four pages: all pages are read, nothing singly.
    let cloud =
        Cloud::of(&world("flexible", 300, 100).replace("page_size = 1000", "page_size = 100"))
            .await;
    assert_eq!(cloud.addresses(SET).await.len(), 300);
    assert_eq!(
        (
            cloud.count(ListGroupNetworkInterfaces),
            cloud.count(Operation::GetNetworkInterface)
        ),
        (4, 0)
    );
    assert_eq!(
        cloud.count(ListGroupVirtualMachines),
        3,
        "{}",
        cloud.simulator.summary()
    );
}

#[tokio::test]
async fn tags_over_so_many_pages_take_so_many_requests() {
    for (unrelated, pages) in [(0, 1), (99, 1), (100, 2), (950, 10)] {
        let cloud = Cloud::of(&format!(
            "[settings]\npage_size = 100\n[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\nunrelated_interfaces = {unrelated}\n\
             [[resource_group.virtual_machine]]\nname = 'a'\ninterface_tags = {{ consul = 'server' }}\n"
        ))
        .await;
        assert_eq!(
            cloud
                .addresses("tag_name=consul tag_value=server")
                .await
                .len(),
            1
        );
        assert_eq!(
            (cloud.arm_requests(), tokens(&cloud)),
            (pages, 1),
            "{unrelated}"
        );
    }
}

#[tokio::test]
async fn one_token_serves_call_after_call_and_an_expired_one_is_replaced_once() {
    let cloud = Cloud::of(&world("flexible", 3, 0)).await;
    let provider = cloud.provider(SET);
    for _ in 0..3 {
        provider.discover(&cloud.call()).await.unwrap();
    }
    assert_eq!(tokens(&cloud), 1);
    cloud.simulator.expire_tokens();
    assert_eq!(
        provider
            .discover(&cloud.call())
            .await
            .unwrap()
            .addresses()
            .len(),
        3
    );
    assert_eq!(
        tokens(&cloud),
        2,
        "requests side by side share the fresh token"
    );
}

#[tokio::test]
async fn requests_that_are_dropped_are_on_record_and_the_rest_with_their_status() {
    let cloud = Cloud::of(&world("uniform", 3, 0)).await;
    cloud.simulator.set_latency_of(
        ListGroupVirtualMachines,
        std::time::Duration::from_secs(3600),
    );
    let call = cloud.call();
    cloud.provider(SET).discover(&call).await.unwrap();
    let outcomes: Vec<_> = call
        .requests()
        .into_iter()
        .map(|record| (record.operation, format!("{:?}", record.outcome)))
        .collect();
    assert!(
        outcomes.contains(&(
            "list the virtual machines of scale set `web`".to_owned(),
            "Cancelled".to_owned()
        )),
        "{outcomes:?}"
    );
    assert!(
        outcomes.contains(&(
            "list the network interfaces of scale set `web`".to_owned(),
            "Status(200)".to_owned()
        )),
        "{outcomes:?}"
    );
}

/// What a watcher costs: the table in ARCHITECTURE.md.
#[tokio::test]
async fn each_poll_after_the_first_takes_the_requests_that_are_promised_and_none_of_a_single_machine_or_set()
 {
    use Operation::{
        ListNetworkInterfaces, ListResources, ListScaleSetInstances, ListScaleSetNetworkInterfaces,
        ListScaleSets, ListVirtualMachines,
    };
    let world = |mode: &str| {
        format!(
            "[[resource_group]]\nname = 'prod'\nsubnet = '10.9.0.0/16'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstances = 3\ntags = {{ a = 'set' }}\n\
             instance_tags = {{ a = 'instance' }}\n[[resource_group.virtual_machine]]\nname = 'one'\ntags = {{ a = 'vm' }}\ninterface_tags = {{ a = 'nic' }}\n"
        )
    };
    let on_set = format!("{SET} tag_name=a tag_value=set tag_on=scale_set");
    for (mode, keys, addresses, requests) in [
        (
            "uniform",
            SET.to_owned(),
            3,
            &[(ListScaleSetNetworkInterfaces, 1)][..],
        ),
        (
            "flexible",
            SET.to_owned(),
            3,
            &[
                (ListGroupVirtualMachines, 1),
                (ListGroupNetworkInterfaces, 1),
            ],
        ),
        (
            "uniform",
            on_set.clone(),
            3,
            &[(ListScaleSetNetworkInterfaces, 1)],
        ),
        (
            "flexible",
            on_set,
            3,
            &[
                (ListGroupVirtualMachines, 1),
                (ListGroupNetworkInterfaces, 1),
            ],
        ),
        (
            "uniform",
            format!("{SET} power_state=running"),
            3,
            &[
                (ListScaleSetNetworkInterfaces, 1),
                (ListScaleSetInstances, 1),
            ],
        ),
        (
            "flexible",
            format!("{SET} power_state=running"),
            3,
            &[
                (ListGroupVirtualMachines, 2),
                (ListGroupNetworkInterfaces, 1),
            ],
        ),
        (
            "flexible",
            "tag_name=a tag_value=nic".to_owned(),
            1,
            &[(ListNetworkInterfaces, 1)],
        ),
        (
            "flexible",
            "tag_name=a tag_value=nic power_state=running".to_owned(),
            1,
            &[(ListNetworkInterfaces, 1), (ListVirtualMachines, 1)],
        ),
        (
            "flexible",
            "tag_name=a tag_value=vm tag_on=vm power_state=running".to_owned(),
            1,
            &[
                (ListVirtualMachines, 2),
                (Operation::GetNetworkInterface, 1),
            ],
        ),
        (
            "flexible",
            "tag_name=a tag_value=set tag_on=scale_set power_state=running".to_owned(),
            3,
            &[
                (ListScaleSets, 1),
                (ListGroupVirtualMachines, 2),
                (ListGroupNetworkInterfaces, 1),
            ],
        ),
        (
            "flexible",
            "tag_name=a tag_value=vm tag_on=vm lookup=index".to_owned(),
            1,
            &[
                (ListResources, 1),
                (ListGroupVirtualMachines, 1),
                (Operation::GetNetworkInterface, 1),
            ],
        ),
        (
            "uniform",
            "tag_name=a tag_value=set tag_on=scale_set lookup=index".to_owned(),
            3,
            &[
                (ListResources, 1),
                (Operation::ListGroupScaleSets, 1),
                (ListScaleSetNetworkInterfaces, 1),
            ],
        ),
    ] {
        let cloud = Cloud::of(&world(mode)).await;
        let provider = cloud.provider(&keys);
        provider.discover(&cloud.call()).await.unwrap();
        cloud.simulator.reset_record();
        for _ in 0..2 {
            assert_eq!(
                provider
                    .discover(&cloud.call())
                    .await
                    .unwrap()
                    .addresses()
                    .len(),
                addresses,
                "{mode} {keys}"
            );
        }
        for (operation, count) in requests {
            assert_eq!(
                cloud.count(*operation),
                2 * count,
                "{mode} {keys}: {operation:?}: {}",
                cloud.simulator.summary()
            );
        }
        let all: usize = requests.iter().map(|(_, count)| count).sum();
        assert_eq!(
            cloud.arm_requests(),
            2 * all,
            "{mode} {keys}: {}",
            cloud.simulator.summary()
        );
    }
}

#[tokio::test]
async fn the_tags_of_a_set_are_read_again_after_ten_minutes_and_when_the_set_was_empty() {
    let cloud = Cloud::of(&format!(
        "{}tags = {{ a = '1' }}\n",
        world("flexible", 3, 0)
    ))
    .await;
    let provider = cloud.provider(&format!("{SET} tag_name=a tag_value=1 tag_on=scale_set"));
    let addresses = async || {
        provider
            .discover(&cloud.call())
            .await
            .unwrap()
            .addresses()
            .len()
    };
    assert_eq!((addresses().await, addresses().await), (3, 3));
    assert_eq!(cloud.count(Operation::GetScaleSet), 1);
    cloud
        .simulator
        .with_world(|world| {
            world.set_tags(
                Named::ScaleSet("web"),
                [("a".to_owned(), "2".to_owned())].into_iter().collect(),
            )
        })
        .unwrap();
    cloud.clock.sleep(std::time::Duration::from_secs(590)).await;
    assert_eq!(addresses().await, 3);
    cloud.clock.sleep(std::time::Duration::from_secs(20)).await;
    assert_eq!(
        (addresses().await, cloud.count(Operation::GetScaleSet)),
        (0, 2)
    );
    // A set that has no members may be another one the next time.
    for machine in cloud.simulator.with_world(|world| world.instances("web")) {
        cloud
            .simulator
            .with_world(|world| world.remove_instance("web", &machine))
            .unwrap();
    }
    assert_eq!(addresses().await, 0);
    let before = cloud.count(Operation::GetScaleSet);
    addresses().await;
    assert!(cloud.count(Operation::GetScaleSet) > before);
}
