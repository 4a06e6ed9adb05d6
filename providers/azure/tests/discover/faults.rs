//! The table of faults: each, on each path, ends in the whole answer or in an error; never in a
//! short list, and the token never goes anywhere else.

use cloud_autojoin_core::Error;
use cloud_autojoin_core::error::TransportFailure;
use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::{Endpoint, Fault, FaultBody};
use wiremock::MockServer;

use crate::support::{Cloud, SECRET, printed, shown};

/// One way to discover, with the list that carries the answer.
struct Path {
    name: &'static str,
    world: &'static str,
    keys: &'static str,
    list: Operation,
    whole: &'static [&'static str],
}

const PATHS: [Path; 3] = [
    Path {
        name: "tags",
        world: "[settings]\npage_size = 2\n[[resource_group]]\nname = 'prod'\nunrelated_interfaces = 3\n\
                [[resource_group.virtual_machine]]\nname = 'a'\naddresses = ['10.9.0.4']\ninterface_tags = { consul = 'server' }\n\
                [[resource_group.virtual_machine]]\nname = 'b'\naddresses = ['10.9.0.5']\ninterface_tags = { consul = 'server' }\n\
                [[resource_group.virtual_machine]]\nname = 'c'\naddresses = ['10.9.0.6']\ninterface_tags = { consul = 'server' }\n",
        keys: "tag_name=consul tag_value=server",
        list: Operation::ListNetworkInterfaces,
        whole: &["10.9.0.4", "10.9.0.5", "10.9.0.6"],
    },
    Path {
        name: "Uniform",
        world: "[settings]\npage_size = 2\n[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\norchestration_mode = 'uniform'\n\
                instance = [{ address = '10.9.0.4' }, { address = '10.9.0.5' }, { address = '10.9.0.6' }]\n",
        keys: "resource_group=prod vm_scale_set=web",
        list: Operation::ListScaleSetNetworkInterfaces,
        whole: &["10.9.0.4", "10.9.0.5", "10.9.0.6"],
    },
    Path {
        name: "Flexible",
        world: "[settings]\npage_size = 2\n[[resource_group]]\nname = 'prod'\n[[resource_group.scale_set]]\nname = 'web'\n\
                instance = [{ address = '10.9.0.4' }, { address = '10.9.0.5' }, { address = '10.9.0.6' }]\n",
        keys: "resource_group=prod vm_scale_set=web",
        list: Operation::ListGroupVirtualMachines,
        whole: &["10.9.0.4", "10.9.0.5", "10.9.0.6"],
    },
];

enum Ends {
    Whole,
    Error(&'static str),
}
use Ends::{Error as Fails, Whole};

/// Strikes every list of the path after `skip` requests, and checks how it ends.
async fn strike(path: &Path, fault: Fault, impatient: bool, ends: &Ends) {
    let name = path.name;
    for skip in [0, 1] {
        let mut cloud = Cloud::of(path.world).await;
        if impatient {
            cloud = cloud.impatient();
        }
        cloud
            .simulator
            .add_fault(fault.clone().skip(skip).operation(path.list));
        if path.list == Operation::ListGroupVirtualMachines {
            cloud.simulator.add_fault(
                fault
                    .clone()
                    .skip(skip)
                    .operation(Operation::ListGroupNetworkInterfaces),
            );
        }
        let call = cloud.call();
        let answer = cloud.provider(path.keys).discover(&call).await;
        match (answer, ends) {
            (Ok(found), Whole) => {
                assert_eq!(printed(&found), path.whole, "{name}, {fault} after {skip}")
            }
            (Err(error), Fails(words)) => assert!(
                shown(&error).contains(words),
                "{name}, {fault} after {skip}: {}",
                shown(&error)
            ),
            (Ok(found), Fails(_)) => panic!(
                "{name}, {fault} after {skip}: answered {:?}\n{}",
                printed(&found),
                cloud.simulator.summary()
            ),
            (Err(error), Whole) => panic!(
                "{name}, {fault} after {skip}: {}\n{}",
                shown(&error),
                cloud.simulator.summary()
            ),
        }
        let seen = format!("{:?} {:?}", call, call.requests());
        assert!(
            !seen.contains(SECRET) && !seen.contains("eyJ"),
            "{name}, {fault}: a secret is on record"
        );
        assert!(
            cloud.simulator.unexpected_requests().is_empty(),
            "{name}, {fault}: {:?}",
            cloud.simulator.unexpected_requests()
        );
    }
}

async fn for_each_path(fault: impl Fn() -> Fault, ends: Ends) {
    for path in &PATHS {
        strike(path, fault(), false, &ends).await;
    }
}

#[tokio::test]
async fn throttling_that_passes_is_waited_out() {
    for_each_path(|| Fault::status(429).retry_after(7).times(2), Whole).await;
    for_each_path(|| Fault::status(429).times(2), Whole).await;
}

#[tokio::test]
async fn throttling_without_end_is_an_error_that_says_when_to_come_back() {
    for_each_path(|| Fault::status(429).retry_after(7), Fails("retry in 7 s")).await;
    for_each_path(|| Fault::status(429), Fails("status 429")).await;
}

#[tokio::test]
async fn transient_failures_of_the_server_are_retried() {
    for status in [500, 502, 503, 504] {
        for_each_path(|| Fault::status(status).times(2), Whole).await;
    }
    for_each_path(|| Fault::status(503).body(FaultBody::Html).times(2), Whole).await;
}

#[tokio::test]
async fn failures_of_the_server_without_end_are_errors_in_its_own_words() {
    for (status, words) in [
        (500, "status 500"),
        (502, "status 502"),
        (503, "status 503"),
        (504, "status 504"),
    ] {
        for_each_path(|| Fault::status(status), Fails(words)).await;
    }
    for_each_path(
        || Fault::status(503).body(FaultBody::Html),
        Fails("Our services aren't available right now"),
    )
    .await;
}

#[tokio::test]
async fn connections_that_break_are_tried_again_and_errors_in_the_end() {
    for fault in [
        Fault::reset(),
        Fault::cut_body(),
        Fault::cut_chunked_body(),
        Fault::cut_json(),
    ] {
        for_each_path(|| fault.clone().times(2), Whole).await;
        for_each_path(|| fault.clone(), Fails("cannot list")).await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    // Side by side: each waits for real time to pass.
    let pass = PATHS
        .iter()
        .map(|path| strike(path, Fault::hang().times(1), true, &Whole));
    let last = PATHS
        .iter()
        .map(|path| strike(path, Fault::hang(), true, &Fails("cannot list")));
    futures::join!(
        futures::future::join_all(pass),
        futures::future::join_all(last)
    );
}

#[tokio::test]
async fn a_token_refused_once_is_replaced_and_one_refused_always_is_an_error() {
    for_each_path(|| Fault::unauthorized().times(1), Whole).await;
    for_each_path(
        Fault::unauthorized,
        Fails("Azure refuses the token, and a fresh one too"),
    )
    .await;
}

#[tokio::test]
async fn a_refusal_names_the_action() {
    for (path, action) in PATHS.iter().zip([
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Compute/virtualMachineScaleSets/networkInterfaces/read",
        "Microsoft.Compute/virtualMachines/read",
    ]) {
        let cloud = Cloud::of(path.world).await;
        cloud
            .simulator
            .add_fault(Fault::status(403).operation(path.list));
        let text = cloud.error(path.keys).await;
        assert!(
            text.contains(&format!("grant the action `{action}`")),
            "{}: {text}",
            path.name
        );
    }
}

#[tokio::test]
async fn neither_a_redirect_nor_a_link_takes_the_token_to_another_host() {
    for (fault, words) in [
        (Fault::redirect as fn(String) -> Fault, "redirects"),
        (
            Fault::next_link as fn(String) -> Fault,
            "next page's link leaves",
        ),
    ] {
        for path in &PATHS {
            let other = MockServer::start().await;
            strike(
                path,
                fault(format!("{}/subscriptions/x", other.uri())),
                false,
                &Fails(words),
            )
            .await;
            assert!(
                other
                    .received_requests()
                    .await
                    .unwrap_or_default()
                    .is_empty(),
                "{}: the other host was asked",
                path.name
            );
        }
    }
}

#[tokio::test]
async fn pages_in_a_circle_are_an_error() {
    for_each_path(Fault::next_link_loop, Fails("don't end")).await;
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_an_error_of_the_credential_and_nothing_else_is_requested() {
    for path in &PATHS {
        let cloud = Cloud::of(path.world).await;
        cloud
            .simulator
            .add_fault(Fault::status(503).endpoint(Endpoint::Authority));
        let error = cloud.discover(path.keys).await.unwrap_err();
        assert!(
            matches!(error, Error::Credential(_)) && error.is_transient(),
            "{}",
            shown(&error)
        );
        assert!(!format!("{error:?} {}", shown(&error)).contains(SECRET));
        assert_eq!(cloud.arm_requests(), 0, "{}", path.name);
        cloud.simulator.clear_faults();
        cloud
            .simulator
            .add_fault(Fault::status(503).endpoint(Endpoint::Authority).times(1));
        assert_eq!(
            cloud.addresses(path.keys).await,
            path.whole,
            "{}",
            path.name
        );
    }
}

#[tokio::test]
async fn html_with_a_good_status_is_an_error() {
    for path in &PATHS {
        let cloud = Cloud::of(path.world).await;
        cloud.simulator.add_fault(
            Fault::status(200)
                .body(FaultBody::Html)
                .operation(path.list),
        );
        let error = cloud.discover(path.keys).await.unwrap_err();
        assert!(
            matches!(error, Error::Decode(_)),
            "{}: {}",
            path.name,
            shown(&error)
        );
    }
}

#[tokio::test]
async fn a_deadline_that_passes_is_an_error() {
    for path in &PATHS {
        let cloud = Cloud::of(path.world).await;
        cloud.simulator.add_fault(Fault::status(503));
        let call = cloud.call().within(std::time::Duration::from_millis(1));
        let error = cloud.provider(path.keys).discover(&call).await.unwrap_err();
        let is_final = match &error {
            Error::Transport(error) => error.failure() == TransportFailure::Deadline,
            _ => true,
        };
        assert!(is_final, "{}: {}", path.name, shown(&error));
    }
}
