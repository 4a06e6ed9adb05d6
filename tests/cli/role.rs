//! `discover check --role`: the role that it prints is enough, and each action of it is needed.

use cloud_autojoin_simulator::azure::Simulator;
use cloud_autojoin_simulator::azure::world::{Named, Principal, World};
use serde_json::{Value, json};

use crate::command::{CLIENT_ID, Ended, NOMAD_CONSUL, TAGGED, UNIFORM, discover};

/// A join string, and the worlds in which it may find itself: each action is needed in one of them.
struct Case {
    string: String,
    worlds: Vec<World>,
}

fn shipped(name: &str) -> World {
    World::shipped(name).unwrap()
}

/// A Flexible set under the names of the Uniform world, so that one string fits both.
fn flexible() -> World {
    let text = r#"
        tenant_id = "11111111-1111-4111-8111-111111111111"
        subscription_id = "55555555-5555-4555-8555-555555555555"
        [[principal]]
        name = "discover"
        client_id = "33333333-3333-4333-8333-333333333333"
        object_id = "33333333-aaaa-4333-8333-333333333333"
        client_secret = "example-secret-of-discover"
        [[resource_group]]
        name = "uniform"
        subnet = "10.0.2.0/24"
        [[resource_group.scale_set]]
        name = "vault"
        instances = 2
        tags = { vault = "server" }
    "#;
    World::from_toml(text).unwrap()
}

/// The same set without instances.
fn empty() -> World {
    let mut world = flexible();
    let members: Vec<_> = world.subscriptions()[0].resource_groups[0]
        .members("vault")
        .map(|machine| machine.name.clone())
        .collect();
    members
        .iter()
        .for_each(|name| world.remove_instance("vault", name).unwrap());
    world
}

/// The Uniform set without instances.
fn empty_uniform() -> World {
    let mut world = shipped("uniform");
    ["0", "1", "2"]
        .into_iter()
        .for_each(|number| world.remove_instance("vault", number).unwrap());
    world
}

/// The Uniform set, one of whose instances is gone while its interface is still listed.
fn with_a_gone_instance() -> World {
    let mut world = shipped("uniform");
    let instance = world.instance_mut("vault", 2).unwrap();
    instance.gone = true;
    instance
        .network_interfaces
        .iter_mut()
        .for_each(|interface| interface.primary = None);
    world
}

fn cases() -> Vec<Case> {
    let vault = format!("subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault");
    let tagged = format!("subscription_id={TAGGED} tag_name=consul tag_value=server");
    vec![
        Case {
            string: tagged.clone(),
            worlds: vec![shipped("tagged")],
        },
        Case {
            string: format!("{tagged} resource_group=machines"),
            worlds: vec![shipped("tagged")],
        },
        Case {
            string: format!("{tagged} tag_on=nic,vm"),
            worlds: vec![shipped("tagged")],
        },
        Case {
            string: format!("{tagged} power_state=running"),
            worlds: vec![shipped("tagged")],
        },
        Case {
            string: format!("{vault} orchestration_mode=flexible"),
            worlds: vec![flexible(), empty()],
        },
        Case {
            string: format!("{vault} orchestration_mode=uniform"),
            worlds: vec![with_a_gone_instance(), empty_uniform()],
        },
        Case {
            string: vault,
            worlds: vec![
                flexible(),
                empty(),
                shipped("uniform"),
                empty_uniform(),
                with_a_gone_instance(),
            ],
        },
        Case {
            string: format!(
                "subscription_id={UNIFORM} tag_name=vault tag_value=server tag_on=scale_set"
            ),
            worlds: vec![flexible(), shipped("uniform"), with_a_gone_instance()],
        },
        Case {
            string: format!(
                "subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers orchestration_mode=flexible tag_name=consul tag_value=server tag_on=scale_set"
            ),
            worlds: vec![shipped("nomad-consul")],
        },
    ]
}

async fn role(string: &str) -> Value {
    let ended = discover(["check", "--role", &format!("provider=azure {string}")])
        .run()
        .await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// What the string finds in the world for an identity that has these actions over this scope and no
/// others.
async fn with_actions(world: &World, string: &str, actions: &[String], scope: &str) -> Ended {
    let mut world = world.clone();
    for principal in world
        .principals_mut()
        .iter_mut()
        .filter(|principal: &&mut Principal| principal.client_id == CLIENT_ID)
    {
        (principal.actions, principal.scope) = (actions.to_vec(), scope.to_owned());
    }
    let simulator = Simulator::start(world).await.unwrap();
    let ended = discover([
        "addrs",
        &format!("provider=azure {string} {}", simulator.join_settings()),
    ])
    .against(&simulator)
    .run()
    .await;
    simulator.finish();
    ended
}

#[tokio::test]
async fn the_role_is_enough_and_each_of_its_actions_is_needed() {
    for Case { string, worlds } in cases() {
        let role = role(&string).await;
        let (actions, scopes) = (texts(&role["Actions"]), texts(&role["AssignableScopes"]));
        assert_eq!(scopes.len(), 1, "{role}");
        for world in &worlds {
            let ended = with_actions(world, &string, &actions, &scopes[0]).await;
            assert!(
                ended.status == Some(0)
                    || (ended.status == Some(3) && ended.stderr.contains("is there")),
                "{string}: {ended:?}"
            );
        }
        for action in &actions {
            let others: Vec<String> = actions
                .iter()
                .filter(|other| *other != action)
                .cloned()
                .collect();
            let mut named = false;
            for world in &worlds {
                named |= with_actions(world, &string, &others, &scopes[0])
                    .await
                    .stderr
                    .contains(&format!("`{action}`"));
            }
            assert!(named, "{string} does not need {action}");
        }
    }
}

#[tokio::test]
async fn the_role_is_what_the_azure_command_line_takes() {
    assert_eq!(
        role(&format!("subscription_id={NOMAD_CONSUL} resource_group=cluster vm_scale_set=consul-servers orchestration_mode=flexible")).await,
        json!({
            "Name": "discover scale set consul-servers of resource group cluster",
            "IsCustom": true,
            "Description": "Reads what `discover` needs to resolve one join string, and nothing else",
            "Actions": ["Microsoft.Compute/virtualMachines/read", "Microsoft.Network/networkInterfaces/read", "Microsoft.Compute/virtualMachineScaleSets/read"],
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": [format!("/subscriptions/{NOMAD_CONSUL}/resourceGroups/cluster")],
        })
    );
}

#[tokio::test]
async fn terraform_gets_the_same_role() {
    let string =
        format!("provider=azure subscription_id={NOMAD_CONSUL} tag_name=consul tag_value=server");
    discover(["check", "--role", "--output", "terraform", &string])
        .run()
        .await
        .is(
            0,
            &format!(
                "\
resource \"azurerm_role_definition\" \"discover\" {{
  name        = \"discover tag consul = server on the network interface\"
  description = \"Reads what `discover` needs to resolve one join string, and nothing else\"
  scope       = \"/subscriptions/{NOMAD_CONSUL}\"

  permissions {{
    actions = [
      # interfaces and addresses
      \"Microsoft.Network/networkInterfaces/read\",
    ]
  }}

  assignable_scopes = [\"/subscriptions/{NOMAD_CONSUL}\"]
}}
"
            ),
            "",
        );
}

#[tokio::test]
async fn what_only_the_machine_knows_is_left_to_be_filled_in() {
    let ended = discover([
        "check",
        "--role",
        "provider=azure resource_group=self vm_scale_set=self",
    ])
    .run()
    .await;
    assert_eq!(ended.status, Some(0));
    assert!(
        ended
            .stdout
            .contains("\"/subscriptions/SUBSCRIPTION_ID/resourceGroups/RESOURCE_GROUP\""),
        "{ended:?}"
    );
    assert_eq!(
        ended.stderr,
        "note: put the subscription in place of SUBSCRIPTION_ID: the join string leaves it to the machine it runs on\n\
         note: put the resource group in place of RESOURCE_GROUP: the join string leaves it to the machine it runs on\n\
         note: the role is for either orchestration mode; with `orchestration_mode` in the string it is smaller\n"
    );
}

#[tokio::test]
async fn a_role_is_for_one_string_that_is_right() {
    discover(["check", "--role", "provider=azure tag_name=a"])
        .run()
        .await
        .is(
            1,
            "",
            "discover: `tag_value` is missing (`tag_name` is given)\nhint: add `tag_value=...`\n",
        );
    let expected = "discover: `--role` takes one join string\nhint: pass one `@FILE`, or the words of one string\n";
    discover([
        "check",
        "--role",
        "provider=azure a=b",
        "provider=azure tag_name=a",
    ])
    .run()
    .await
    .is(2, "", expected);
    discover(["check", "--role", "-"])
        .run()
        .await
        .is(2, "", expected);
    discover(["check", "--output", "terraform", "a=b"])
        .run()
        .await
        .is(
            2,
            "",
            "discover: `--output terraform` applies to roles only\nhint: add `--role`\n",
        );
    discover(["check", "--role", "--output", "text", "a=b"]).run().await.is(
        2,
        "",
        "discover: a role is printed as JSON or as a Terraform resource\nhint: omit `--output text`\n",
    );
}

#[tokio::test]
async fn an_interface_of_a_replaced_instance_is_looked_for_with_the_same_role() {
    let mut world = flexible();
    let first = world.subscriptions()[0].resource_groups[0]
        .members("vault")
        .next()
        .unwrap()
        .name
        .clone();
    world.replace_instance("vault", &first).unwrap();
    world
        .set_tags(
            Named::ScaleSet("vault"),
            [("vault".to_owned(), "server".to_owned())]
                .into_iter()
                .collect(),
        )
        .unwrap();
    let string = format!(
        "subscription_id={UNIFORM} resource_group=uniform vm_scale_set=vault orchestration_mode=flexible"
    );
    let role = role(&string).await;
    let ended = with_actions(
        &world,
        &string,
        &texts(&role["Actions"]),
        &texts(&role["AssignableScopes"])[0],
    )
    .await;
    ended.is(0, "10.0.2.5 10.0.2.6\n", "");
}
