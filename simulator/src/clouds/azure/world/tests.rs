#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

const HEAD: &str = "tenant_id = '11111111-1111-4111-8111-111111111111'\nsubscription_id = '22222222-2222-4222-8222-222222222222'\n";

fn world(text: &str) -> Result<World, WorldError> {
    World::from_toml(&format!("{HEAD}{text}"))
}

fn group(world: &World) -> &ResourceGroup {
    &world.subscriptions()[0].resource_groups[0]
}

fn addresses(group: &ResourceGroup) -> Vec<String> {
    let configurations = group
        .network_interfaces
        .iter()
        .flat_map(|interface| &interface.ip_configurations);
    configurations
        .filter_map(|configuration| configuration.private_address)
        .map(|address| address.to_string())
        .collect()
}

fn problem(text: &str) -> String {
    world(text).unwrap_err().to_string()
}

#[test]
fn a_number_of_instances_is_a_whole_scale_set() {
    let text = "[[resource_group]]\nname = 'g'\nsubnet = '10.9.0.0/24'\n[[resource_group.scale_set]]\nname = 'nomad'\ninstances = 3\nzones = ['1', '2']\n";
    let first = world(text).unwrap();
    let members: Vec<_> = group(&first).members("NOMAD").collect();
    assert_eq!(members.len(), 3);
    for machine in &members {
        let (set, suffix) = machine.name.split_once('_').unwrap();
        assert_eq!((set, suffix.len()), ("nomad", 8));
        assert!(machine.network_interfaces[0].name.starts_with("nomadNic-"));
    }
    assert_eq!(
        members
            .iter()
            .map(|machine| machine.zone.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["1", "2", "1"]
    );
    assert_eq!(
        addresses(group(&first)),
        ["10.9.0.4", "10.9.0.5", "10.9.0.6"]
    );
    let second = world(text).unwrap();
    assert_eq!(
        format!("{:?}", first.subscriptions()),
        format!("{:?}", second.subscriptions()),
        "a world is the same on every run"
    );
}

#[test]
fn interfaces_and_their_configurations_come_as_planned() {
    let made = world(
        "[[resource_group]]\nname = 'g'\nsubnet = '10.9.0.0/24'\nsubnet_v6 = 'fd00:9::/64'\n
        [[resource_group.scale_set]]\nname = 'six'\ninstances = 1\nipv6 = 'address'\n
        [[resource_group.scale_set]]\nname = 'two'\ninstances = 1\ninterfaces = 2\nip_configurations = 2\nipv6 = 'without-address'\npublic_addresses = true\n
        [[resource_group.scale_set]]\nname = 'elsewhere'\ninterface_resource_group = 'NET'\n
        [[resource_group.scale_set.instance]]\nname = 'late'\naddress = 'none'\npower_state = 'deallocated'\ntags = { a = 'b' }\n
        [[resource_group.virtual_machine]]\nname = 'fixed'\nscale_set = 'six'\naddresses = ['10.9.0.5', 'none']\n
        [[resource_group]]\nname = 'net'\n",
    )
    .unwrap();
    let own = group(&made);
    let six = &own.network_interfaces[0].ip_configurations;
    assert_eq!(six[1].private_address.unwrap().to_string(), "fd00:9::4");
    assert_eq!((six[0].primary, six[1].primary), (Some(true), Some(false)));

    let two: Vec<_> = own
        .network_interfaces
        .iter()
        .filter(|interface| interface.name.starts_with("twoNic"))
        .collect();
    assert_eq!(
        two.iter()
            .map(|interface| interface.primary)
            .collect::<Vec<_>>(),
        [Some(true), Some(false)]
    );
    assert_eq!(two[0].ip_configurations.len(), 3);
    assert_eq!(
        (
            two[0].ip_configurations[2].private_address,
            two[0].ip_configurations[2].primary
        ),
        (None, None),
        "an IPv6 configuration without address"
    );
    assert_eq!(own.public_addresses.len(), 1, "one for each instance");

    let late = own.virtual_machine("late").unwrap();
    assert_eq!(
        (
            late.network_interfaces[0].resource_group.as_str(),
            late.tags["a"].as_str()
        ),
        ("net", "b"),
        "in the case of the group itself"
    );
    let interface = made.subscriptions()[0].resource_groups[1]
        .network_interface(&late.network_interfaces[0].name)
        .unwrap();
    assert_eq!(
        (
            interface.ip_configurations[0].private_address,
            interface.on_host
        ),
        (None, false)
    );

    assert_eq!(
        own.members("six").count(),
        2,
        "one made by the set and one attached"
    );
    assert_eq!(
        addresses(own)
            .iter()
            .filter(|address| *address == "10.9.0.5")
            .count(),
        1,
        "an address that the file names is not handed out"
    );
    assert_eq!(
        own.network_interface("fixedVMNic")
            .unwrap()
            .ip_configurations
            .len(),
        2
    );
}

#[test]
fn an_unknown_field_is_an_error_that_names_it() {
    assert!(
        problem("[[resource_group]]\nname = 'g'\nsubnets = 'x'\n")
            .contains("unknown field `subnets`")
    );
    assert!(problem("[settings]\npagesize = 2\n").contains("unknown field `pagesize`"));
    assert!(
        problem("[[resource_group]]\n[[resource_group.scale_set]]\nname = 's'\nmode = 'x'\n")
            .contains("unknown field `mode`")
    );
    assert!(problem("[machine]\nvm = 'x'\n").contains("unknown field `vm`"));
}

#[test]
fn what_does_not_fit_together_is_named() {
    let group = |rest: &str| problem(&format!("[[resource_group]]\nname = 'g'\n{rest}"));
    let machine = "[[resource_group.virtual_machine]]\nname = 'm'\n";
    assert_eq!(
        group(&format!("{machine}{machine}")),
        "virtual machine `m` is there twice"
    );
    assert_eq!(
        group(&format!("{machine}scale_set = 's'\n")),
        "there is no scale set `s`"
    );
    assert_eq!(
        group(&format!(
            "{machine}[[resource_group.virtual_machine.network_interface]]\nresource_group = 'h'\n"
        )),
        "there is no resource group `h`"
    );
    assert_eq!(
        group(&format!("subnet = '10.9.0.0/29'\n{machine}count = 4\n")),
        "resource group `g`: 10.9.0.0/29 has no address left, give the group a wider range"
    );
    assert!(group("subnet = '10.9.0.0'\n").contains("`10.9.0.0` is no range of addresses"));
    assert!(
        group(&format!("{machine}addresses = ['10.0.0']\n")).contains("`10.0.0` is no address")
    );
    assert_eq!(
        group("[machine]\nresource_group = 'g'\nvirtual_machine = 'x'\n"),
        "there is no machine `g/x`"
    );
    assert_eq!(
        group(&format!(
            "{machine}[machine]\nresource_group = 'g'\nvirtual_machine = 'm'\nidentities = ['who']\n"
        )),
        "there is no principal `who`"
    );
    let without = World::from_toml(
        "tenant_id = '11111111-1111-4111-8111-111111111111'\n[[resource_group]]\nname = 'g'\n",
    )
    .unwrap_err()
    .to_string();
    assert_eq!(without, "there is no top-level field `subscription_id`");
    assert_eq!(
        World::from_toml("tenant_id = 'mine'\n")
            .unwrap_err()
            .to_string(),
        "tenant_id `mine` is no GUID"
    );
    assert_eq!(
        World::shipped("mars").unwrap_err().to_string(),
        "no world `mars` is shipped: there are nomad-consul, uniform, tagged, large"
    );
}

#[test]
fn several_subscriptions_have_groups_of_the_same_name() {
    let made = world(
        "[[resource_group]]\nname = 'g'\n
        [[subscription]]\nid = '33333333-3333-4333-8333-333333333333'\n[[subscription.resource_group]]\nname = 'g'\n[[subscription.resource_group.virtual_machine]]\nname = 'm'\n",
    )
    .unwrap();
    assert_eq!(made.subscriptions().len(), 2);
    assert!(
        made.subscriptions()[1]
            .resource_group("G")
            .unwrap()
            .virtual_machine("M")
            .is_some()
    );
}

#[test]
fn every_shipped_world_matches_its_file() {
    for name in World::shipped_names() {
        let made = World::shipped(name).unwrap();
        assert!(
            made.principals()
                .iter()
                .any(|principal| principal.name == "discover" && principal.client_secret.is_some()),
            "{name}"
        );
    }
    let large = World::shipped("large").unwrap();
    let interfaces = &group(&large).network_interfaces;
    assert_eq!(interfaces.len(), 10_000);
    let tagged: Vec<_> = interfaces
        .iter()
        .enumerate()
        .filter(|(_, interface)| interface.tags.contains_key("consul"))
        .map(|(place, _)| place / 500)
        .collect();
    assert_eq!(tagged.len(), 5);
    assert!(
        tagged.iter().any(|page| *page != tagged[0]),
        "not all on one page: {tagged:?}"
    );
    let own: std::collections::HashSet<_> = addresses(group(&large)).into_iter().collect();
    assert_eq!(own.len(), 10_000, "each has an address of its own");
}

#[test]
fn no_secret_is_printed_with_a_world() {
    let made = World::shipped("nomad-consul").unwrap();
    let secret = made.principals()[0].client_secret.clone().unwrap();
    assert!(!format!("{made:?}").contains(&secret));
}

#[test]
fn a_flexible_instance_knows_its_set_by_id_and_a_uniform_one_by_name() {
    let mut flexible = World::shipped("nomad-consul").unwrap();
    let facts = flexible.machine_facts().unwrap();
    assert!(facts.name.starts_with("nomad-servers_"));
    assert_eq!(facts.uniform_scale_set, None);
    let id = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/cluster/providers/Microsoft.Compute/virtualMachineScaleSets/nomad-servers";
    assert_eq!(facts.flexible_scale_set_id.as_deref(), Some(id));
    assert_eq!(facts.interfaces.len(), 1);
    assert_eq!(facts.interfaces[0].subnet.1, 24);
    assert_eq!(flexible.machine_identities().count(), 1);
    flexible.remove_scale_set("nomad-servers").unwrap();
    assert!(
        flexible.machine_facts().is_none(),
        "the machine was removed"
    );

    let facts = World::shipped("uniform").unwrap().machine_facts().unwrap();
    assert_eq!(
        (
            facts.name.as_str(),
            facts.uniform_scale_set.as_deref(),
            facts.flexible_scale_set_id
        ),
        ("vault_0", Some("vault"), None)
    );
}

#[test]
fn metadata_moves_only_to_a_machine_that_is_there() {
    let mut made = World::shipped("nomad-consul").unwrap();
    let nowhere = Machine {
        resource_group: "cluster".to_owned(),
        virtual_machine: Some("missing".to_owned()),
        ..Machine::default()
    };
    assert!(made.set_machine(Some(nowhere)).is_err());
    assert!(
        made.machine_facts()
            .unwrap()
            .name
            .starts_with("nomad-servers_"),
        "nothing has changed"
    );
    let consul = Machine {
        resource_group: "CLUSTER".to_owned(),
        scale_set: Some("consul-servers".to_owned()),
        instance: 2,
        ..Machine::default()
    };
    made.set_machine(Some(consul)).unwrap();
    assert!(
        made.machine_facts()
            .unwrap()
            .name
            .starts_with("consul-servers_")
    );
}

#[test]
fn an_instance_leaves_with_its_interfaces_and_public_addresses() {
    let mut made = world("[[resource_group]]\nname = 'g'\n[[resource_group.scale_set]]\nname = 's'\ninstances = 2\npublic_addresses = true\n").unwrap();
    let before = (
        addresses(group(&made)),
        group(&made).virtual_machines[0].name.clone(),
    );
    assert_eq!(group(&made).public_addresses.len(), 2);
    made.remove_instance("s", &before.1).unwrap();
    assert_eq!(
        (
            group(&made).network_interfaces.len(),
            group(&made).public_addresses.len()
        ),
        (1, 1)
    );
    let new = made.add_instance("S").unwrap();
    assert_ne!(new, before.1);
    assert!(
        !addresses(group(&made)).contains(&before.0[0]),
        "an address is not given out twice"
    );
    assert_eq!(
        made.remove_instance("s", &before.1)
            .unwrap_err()
            .to_string(),
        format!("there is no virtual machine `{}`", before.1)
    );
    assert_eq!(
        made.add_instance("x").unwrap_err().to_string(),
        "there is no scale set `x`"
    );
    assert_eq!(
        made.delete_network_interface("x").unwrap_err().to_string(),
        "there is no network interface `x`"
    );
}

#[test]
fn a_deallocated_machine_takes_its_interfaces_off_the_host() {
    let mut made =
        world("[[resource_group]]\nname = 'g'\n[[resource_group.virtual_machine]]\nname = 'm'\n")
            .unwrap();
    made.set_power_state(Named::VirtualMachine("m"), PowerState::Deallocated)
        .unwrap();
    assert!(!group(&made).network_interfaces[0].on_host);
    made.set_power_state(Named::VirtualMachine("m"), PowerState::Stopped)
        .unwrap();
    assert!(
        group(&made).network_interfaces[0].on_host,
        "a stopped machine keeps its host"
    );
}

#[test]
fn a_test_can_query_the_world() {
    let made = world(
        "[[resource_group]]\nname = 'g'\nsubnet = '10.9.0.0/24'\n
        [[resource_group.scale_set]]\nname = 'flex'\ninstances = 2\ninterface_resource_group = 'net'\n
        [[resource_group.scale_set]]\nname = 'uni'\norchestration_mode = 'uniform'\ninstances = 1\nphantoms = 1\n
        [[resource_group.virtual_machine]]\nname = 'm'\naddresses = ['10.9.0.77', 'fd00::7', 'none']\n
        [[resource_group]]\nname = 'net'\nsubnet = '10.8.0.0/24'\n",
    )
    .unwrap();
    let shown = |resource: Named<'_>| {
        made.private_addresses(resource)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown(Named::ScaleSet("FLEX")),
        ["10.8.0.4", "10.8.0.5"],
        "wherever the interfaces are"
    );
    assert_eq!(
        shown(Named::ScaleSet("uni")),
        ["10.9.0.4"],
        "not that of the instance that is gone"
    );
    assert_eq!(shown(Named::Instance("uni", 1)), [""; 0]);
    assert_eq!(shown(Named::VirtualMachine("m")), ["10.9.0.77", "fd00::7"]);
    assert_eq!(
        shown(Named::NetworkInterface("mVMNic")),
        ["10.9.0.77", "fd00::7"]
    );
    assert_eq!(shown(Named::ScaleSet("none")), [""; 0]);
    assert_eq!(
        (made.instances("flex").len(), made.instances("uni")),
        (2, vec!["0".to_owned()])
    );
    assert_eq!(made.interfaces_of("m"), ["mVMNic"]);
}

/// The keys that a table of a world file may have: serde lists them when it meets another one.
fn keys_of<Plan: serde::de::DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
    let message = toml::from_str::<Plan>("no_such_key = 1")
        .unwrap_err()
        .message()
        .to_owned();
    let (_, expected) = message.split_once("expected").unwrap();
    let mut keys: Vec<String> = expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    keys.sort();
    keys
}

/// The keys that the table under a heading of the README describes.
fn documented_keys(heading: &str) -> Vec<String> {
    const README: &str = include_str!("../../../../README.md");
    let (_, section) = README.split_once(&format!("\n### {heading}\n")).unwrap();
    let rows = section
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `"));
    let mut keys: Vec<String> = rows
        .filter_map(|row| row.split_once("` |"))
        .map(|(key, _)| key.to_owned())
        .collect();
    keys.sort();
    keys
}

#[test]
fn the_readme_documents_every_key_of_a_world_file() {
    assert_eq!(documented_keys("The file"), keys_of::<WorldPlan>());
    assert_eq!(
        documented_keys("`[[subscription]]`"),
        keys_of::<SubscriptionPlan>()
    );
    assert_eq!(
        documented_keys("`[[resource_group]]`"),
        keys_of::<ResourceGroupPlan>()
    );
    assert_eq!(
        documented_keys("`[[resource_group.scale_set]]`"),
        keys_of::<ScaleSetPlan>()
    );
    assert_eq!(
        documented_keys("`[[resource_group.scale_set.instance]]`"),
        keys_of::<InstancePlan>()
    );
    assert_eq!(
        documented_keys("`[[resource_group.virtual_machine]]`"),
        keys_of::<VirtualMachinePlan>()
    );
    assert_eq!(
        documented_keys("`[[resource_group.network_interface]]`"),
        keys_of::<NetworkInterfacePlan>()
    );
    assert_eq!(
        documented_keys("`[[...ip_configuration]]`"),
        keys_of::<IpConfigurationPlan>()
    );
    assert_eq!(documented_keys("`[machine]`"), keys_of::<Machine>());
    assert_eq!(documented_keys("`[[principal]]`"), keys_of::<Principal>());
    assert_eq!(documented_keys("`[settings]`"), keys_of::<Settings>());
    assert_eq!(
        documented_keys("`[settings.page_sizes]`"),
        keys_of::<PageSizes>()
    );
    assert_eq!(documented_keys("`[[fault]]`"), keys_of::<Fault>());
}
