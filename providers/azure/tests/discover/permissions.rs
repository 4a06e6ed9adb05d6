//! Refusals and failures of single questions: no error where the question turns out not to be
//! needed, and the right one where it is.

use cloud_autojoin_simulator::azure::Operation::{
    self, GetScaleSet, ListGroupNetworkInterfaces as N, ListGroupVirtualMachines as V,
    ListNetworkInterfaces, ListScaleSetNetworkInterfaces as U,
};
use cloud_autojoin_simulator::azure::{Fault, FaultBody};

use crate::support::{Cloud, nothing};

const SET: &str = "resource_group=prod vm_scale_set=web";

fn world(mode: &str, instances: usize) -> String {
    format!(
        "[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = '{mode}'\ninstances = {instances}\n"
    )
}

async fn cloud(mode: &str, instances: usize, faults: &[(Operation, u16)]) -> Cloud {
    let cloud = Cloud::of(&world(mode, instances)).await;
    for (operation, status) in faults {
        cloud
            .simulator
            .add_fault(Fault::status(*status).operation(*operation));
    }
    cloud
}

#[tokio::test]
async fn a_path_that_is_not_needed_may_be_refused_or_fail() {
    for status in [403, 404, 409, 500, 503] {
        let cloud = cloud("flexible", 3, &[(U, status)]).await;
        assert_eq!(cloud.addresses(SET).await.len(), 3, "flexible, U {status}");
        let cloud = self::cloud("uniform", 3, &[(V, status), (N, status)]).await;
        assert_eq!(
            cloud.addresses(SET).await.len(),
            3,
            "uniform, V and N {status}"
        );
    }
}

#[tokio::test]
async fn a_path_that_is_not_needed_may_break_off() {
    for fault in [
        Fault::reset(),
        Fault::cut_body(),
        Fault::cut_json(),
        Fault::redirect("https://evil.example/"),
        Fault::status(503).body(FaultBody::Html),
    ] {
        let cloud = self::cloud("flexible", 3, &[]).await;
        cloud.simulator.add_fault(fault.clone().operation(U));
        assert_eq!(cloud.addresses(SET).await.len(), 3, "{fault}");
    }
}

#[tokio::test]
async fn members_whose_interfaces_cannot_be_read_are_an_error_that_names_the_action() {
    let text = cloud("flexible", 3, &[(N, 403)]).await.error(SET).await;
    assert!(
        text.contains("Microsoft.Network/networkInterfaces/read") && text.contains("status 403"),
        "{text}"
    );
    for status in [409, 500] {
        let text = cloud("flexible", 3, &[(N, status)]).await.error(SET).await;
        assert!(
            text.contains(&format!(
                "cannot list the network interfaces of resource group `prod`: status {status}"
            )),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_the_machines_is_an_error_only_for_a_flexible_set() {
    let text = cloud("flexible", 3, &[(V, 403)]).await.error(SET).await;
    assert!(
        text.contains(
            "grant the action `Microsoft.Compute/virtualMachines/read` over resource group `prod`"
        ),
        "{text}"
    );
    let text = nothing(
        cloud("uniform", 0, &[(V, 403)])
            .await
            .discover(SET)
            .await
            .unwrap(),
    );
    assert!(
        text.contains("is there (Uniform), and has no instances"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refusal_of_the_uniform_listing_is_an_error_only_for_a_uniform_set() {
    let text = cloud("uniform", 3, &[(U, 403)]).await.error(SET).await;
    assert!(
        text.contains("Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read"),
        "{text}"
    );
    let text = nothing(
        cloud("flexible", 0, &[(U, 403)])
            .await
            .discover(SET)
            .await
            .unwrap(),
    );
    assert!(
        text.contains("is there (Flexible), and has no instances"),
        "{text}"
    );
}

#[tokio::test]
async fn a_listing_that_fails_is_never_taken_for_an_empty_set() {
    let text = cloud("uniform", 3, &[(U, 500)]).await.error(SET).await;
    assert!(
        text.contains("cannot list the network interfaces of scale set `web`: status 500"),
        "{text}"
    );
    let text = cloud("flexible", 3, &[(V, 500)]).await.error(SET).await;
    assert!(
        text.contains("cannot list the virtual machines of scale set `web`: status 500"),
        "{text}"
    );
    // The same where the set itself cannot be read either.
    for status in [403, 500] {
        let text = cloud("uniform", 3, &[(U, 500), (GetScaleSet, status)])
            .await
            .error(SET)
            .await;
        assert!(
            text.contains("cannot list the network interfaces of scale set `web`: status 500"),
            "{status}: {text}"
        );
        let text = cloud("flexible", 3, &[(V, 403), (GetScaleSet, status)])
            .await
            .error(SET)
            .await;
        assert!(
            text.contains("Microsoft.Compute/virtualMachines/read"),
            "{status}: {text}"
        );
    }
}

#[tokio::test]
async fn when_both_paths_are_refused_the_one_of_the_sets_mode_is_the_error() {
    let text = cloud("flexible", 3, &[(U, 403), (V, 403)])
        .await
        .error(SET)
        .await;
    assert!(
        text.contains("`Microsoft.Compute/virtualMachines/read`"),
        "{text}"
    );
    let text = cloud("uniform", 3, &[(U, 403), (V, 403)])
        .await
        .error(SET)
        .await;
    assert!(
        text.contains("`Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_role_that_may_not_read_the_set_still_finds_its_instances() {
    let cloud = cloud("flexible", 0, &[(GetScaleSet, 403)]).await;
    let text = nothing(cloud.discover(SET).await.unwrap());
    assert!(
        text.contains(
            "has no instances, or there is no such scale set: this identity may not read it"
        ),
        "{text}"
    );
    assert!(
        text.contains("Microsoft.Compute/virtualMachineScaleSets/read"),
        "{text}"
    );
}

#[tokio::test]
async fn an_empty_list_that_cannot_be_checked_is_an_error() {
    let text = cloud("flexible", 0, &[(GetScaleSet, 500)])
        .await
        .error(SET)
        .await;
    assert!(
        text.contains("cannot read scale set `web`: status 500"),
        "{text}"
    );
}

#[tokio::test]
async fn an_outage_is_not_followed_by_reading_the_set() {
    let cloud = cloud("flexible", 3, &[(U, 503), (V, 503), (N, 503)]).await;
    let text = cloud.error(SET).await;
    assert!(
        text.contains("status 503") && text.contains("attempts"),
        "{text}"
    );
    assert_eq!(cloud.count(GetScaleSet), 0);
}

#[tokio::test]
async fn an_unknown_subscription_is_named() {
    for keys in [SET, "tag_name=a tag_value=b"] {
        let cloud = cloud("flexible", 3, &[]).await;
        let text = cloud
            .error(&format!(
                "{keys} subscription_id=99999999-9999-4999-8999-999999999999"
            ))
            .await;
        assert!(
            text.contains("check `subscription_id` and `environment`")
                && text.contains("`99999999-9999-4999-8999-999999999999`"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_refused_list_of_interfaces_names_the_action_for_tags() {
    let cloud = cloud("flexible", 3, &[(ListNetworkInterfaces, 403)]).await;
    let text = cloud.error("tag_name=a tag_value=b").await;
    assert!(
        text.contains(
            "grant the action `Microsoft.Network/networkInterfaces/read` over subscription"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn the_actions_of_the_notes_are_enough() {
    for (mode, actions) in [
        (
            "flexible",
            &[
                "Microsoft.Compute/virtualMachines/read",
                "Microsoft.Network/networkInterfaces/read",
            ][..],
        ),
        (
            "uniform",
            &[
                "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
                "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
            ],
        ),
        (
            "uniform",
            &["Microsoft.Compute/virtualMachineScaleSets/*/read"],
        ),
    ] {
        let cloud =
            Cloud::of(&world(mode, 3).replace("instances", "phantoms = 0\ninstances")).await;
        cloud.simulator.with_world(|world| {
            world.principals_mut()[0].actions = actions.iter().map(ToString::to_string).collect();
            world.principals_mut()[0].scope = format!(
                "/subscriptions/{}/resourceGroups/prod",
                crate::support::SUBSCRIPTION
            );
        });
        assert_eq!(cloud.addresses(SET).await.len(), 3, "{mode} {actions:?}");
    }
}
