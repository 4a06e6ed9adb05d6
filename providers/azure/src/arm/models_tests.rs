#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_without_value_is_no_page() {
    assert!(serde_json::from_str::<Page<NetworkInterface>>("{}").is_err());
    assert!(serde_json::from_str::<Page<NetworkInterface>>(r#"{"error":{"code":"x"}}"#).is_err());
    assert!(
        read::<Page<NetworkInterface>>(r#"{"value":null,"nextLink":null}"#)
            .value
            .is_empty()
    );
}

#[test]
fn null_counts_as_absent_in_every_field() {
    let interface: NetworkInterface = read(
        r#"{"id":null,"name":null,"tags":null,"properties":{"primary":null,"virtualMachine":null,"ipConfigurations":[
            {"id":null,"name":null,"properties":{"privateIPAddress":null,"primary":null,"publicIPAddress":null}},{"properties":null},{}]}}"#,
    );
    assert_eq!(interface.properties.ip_configurations.len(), 3);
    assert!(
        interface
            .properties
            .ip_configurations
            .iter()
            .all(|configuration| configuration.private_address().is_none()
                && configuration.is_blank())
    );
    let machine: VirtualMachine = read(
        r#"{"zones":[null],"tags":null,"properties":{"networkProfile":null,"virtualMachineScaleSet":null,"instanceView":null}}"#,
    );
    assert_eq!(
        (machine.zone.as_deref(), machine.interface_ids().count()),
        (None, 0)
    );
    let set: ScaleSet = read(r#"{"sku":null,"properties":{"orchestrationMode":null}}"#);
    assert!(set.properties.orchestration_mode.is_none());
}

#[test]
fn tags_may_be_absent_null_or_empty_and_keep_their_order() {
    for json in ["{}", r#"{"tags":null}"#, r#"{"tags":{}}"#, r#"{"tags":[]}"#] {
        assert!(read::<NetworkInterface>(json).tags.0.is_empty(), "{json}");
    }
    let tags = read::<NetworkInterface>(r#"{"tags":{"b":"1","a":null}}"#).tags;
    assert_eq!(
        tags.0,
        [
            ("b".to_owned(), "1".to_owned()),
            ("a".to_owned(), String::new())
        ]
    );
}

#[test]
fn an_address_is_distinguished_from_a_block_and_from_other_text() {
    for (properties, expected) in [
        (r#"{}"#, None),
        (r#"{"privateIPAddress":null}"#, None),
        (r#"{"privateIPAddress":""}"#, None),
        (
            r#"{"privateIPAddress":" 10.0.0.4 "}"#,
            Some("address 10.0.0.4"),
        ),
        (
            r#"{"privateIPAddress":"2001:db8::4","privateIPAddressPrefixLength":null}"#,
            Some("address 2001:db8::4"),
        ),
        (
            r#"{"privateIPAddress":"10.240.0.4/32"}"#,
            Some("address 10.240.0.4"),
        ),
        (
            r#"{"privateIPAddress":"10.240.0.4","privateIPAddressPrefixLength":32}"#,
            Some("address 10.240.0.4"),
        ),
        (
            r#"{"privateIPAddress":"10.240.0.16/28","privateIPAddressPrefixLength":28}"#,
            Some("block 10.240.0.16/28"),
        ),
        (
            r#"{"privateIPAddress":"10.240.0.16","privateIPAddressPrefixLength":"28"}"#,
            Some("block 10.240.0.16/28"),
        ),
        (
            r#"{"privateIPAddress":"2001:db8:0:1::/80"}"#,
            Some("block 2001:db8:0:1::/80"),
        ),
        (
            r#"{"privateIPAddress":"10.0.0.x"}"#,
            Some("unreadable 10.0.0.x"),
        ),
        (
            r#"{"privateIPAddress":"10.0.0.4/x"}"#,
            Some("unreadable 10.0.0.4/x"),
        ),
        (
            r#"{"privateIPAddress":167772164}"#,
            Some("unreadable 167772164"),
        ),
        (r#"{"privateIPAddress":{}}"#, None),
    ] {
        let configuration: IpConfiguration = read(&format!(r#"{{"properties":{properties}}}"#));
        let seen = configuration.private_address().map(|field| match &field {
            AddressField::Address(_) => format!("address {field}"),
            AddressField::Block(..) => format!("block {field}"),
            AddressField::Unreadable(_) => format!("unreadable {field}"),
        });
        assert_eq!(seen.as_deref(), expected, "{properties}");
    }
}

/// Every field that is read, as other kinds of values than the documented one.
#[test]
fn an_odd_value_in_any_field_leaves_the_rest_of_the_page_readable() {
    const ODD: [&str; 8] = [
        "null",
        "true",
        "7",
        "-7",
        "7.5",
        r#""seven""#,
        r#""""#,
        "[]",
    ];
    fn check<T: serde::de::DeserializeOwned>(shapes: &[&str]) {
        for shape in shapes {
            for odd in ODD.into_iter().chain(["{}", "[{}]"]) {
                let json = format!(r#"{{"value":[{}]}}"#, shape.replace('@', odd));
                assert!(
                    serde_json::from_str::<Page<T>>(&json).is_ok_and(|page| page.value.len() == 1),
                    "{json}"
                );
            }
        }
    }
    check::<NetworkInterface>(&[
        r#"{"id":@}"#,
        r#"{"name":@}"#,
        r#"{"tags":{"a":@}}"#,
        r#"{"properties":{"primary":@}}"#,
        r#"{"properties":{"virtualMachine":{"id":@}}}"#,
        r#"{"properties":{"ipConfigurations":[{"id":@}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"name":@}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"privateIPAddress":@}}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"privateIPAddressPrefixLength":@}}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"privateIPAddressVersion":@}}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"provisioningState":@}}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"primary":@}}]}}"#,
        r#"{"properties":{"ipConfigurations":[{"properties":{"publicIPAddress":{"id":@}}}]}}"#,
    ]);
    check::<VirtualMachine>(&[
        r#"{"id":@}"#,
        r#"{"name":@}"#,
        r#"{"instanceId":@}"#,
        r#"{"zones":[@]}"#,
        r#"{"properties":{"provisioningState":@}}"#,
        r#"{"properties":{"virtualMachineScaleSet":{"id":@}}}"#,
        r#"{"properties":{"networkProfile":{"networkInterfaces":[{"id":@}]}}}"#,
        r#"{"properties":{"instanceView":{"statuses":[{"code":@}]}}}"#,
    ]);
    check::<ScaleSet>(&[
        r#"{"id":@}"#,
        r#"{"name":@}"#,
        r#"{"sku":{"capacity":@}}"#,
        r#"{"properties":{"orchestrationMode":@}}"#,
    ]);
    check::<IndexedResource>(&[r#"{"id":@}"#, r#"{"type":@}"#]);
    check::<PublicAddress>(&[
        r#"{"id":@}"#,
        r#"{"properties":{"ipAddress":@}}"#,
        r#"{"properties":{"provisioningState":@}}"#,
    ]);
}

#[test]
fn lists_and_objects_may_be_null_and_hold_null() {
    for json in [
        r#"{"tags":null,"properties":{"ipConfigurations":null,"virtualMachine":null}}"#,
        r#"{"properties":{"ipConfigurations":[null,{"properties":null},{"properties":{"publicIPAddress":null}}]}}"#,
    ] {
        read::<NetworkInterface>(json);
    }
    let interface: NetworkInterface = read(r#"{"properties":{"ipConfigurations":[null,{}]}}"#);
    assert_eq!(
        interface.properties.ip_configurations.len(),
        2,
        "none is lost"
    );
    let machine: VirtualMachine = read(
        r#"{"zones":null,"properties":{"networkProfile":{"networkInterfaces":[null]},"instanceView":{"statuses":[null]}}}"#,
    );
    assert!(
        machine.lacks_interfaces(),
        "a reference that says nothing is not dropped"
    );
    read::<VirtualMachine>(
        r#"{"zones":[null,1],"properties":{"networkProfile":{"networkInterfaces":null},"instanceView":{"statuses":null}}}"#,
    );
}

#[test]
fn values_of_another_kind_are_read_where_they_can_be() {
    let interface: NetworkInterface =
        read(r#"{"tags":{"a":1,"b":true,"c":-1.5,"d":{}},"properties":{"primary":"True"}}"#);
    let values: Vec<&str> = interface
        .tags
        .0
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        (values, interface.properties.primary),
        (vec!["1", "true", "-1.5", ""], Some(true))
    );
    let set: ScaleSet = read(r#"{"sku":{"capacity":"3"}}"#);
    assert_eq!(set.capacity, Some(3));
    let machine: VirtualMachine = read(r#"{"instanceId":3,"zones":[2]}"#);
    assert_eq!(
        (machine.instance_id.as_deref(), machine.zone.as_deref()),
        (Some("3"), Some("2"))
    );
    let hit: IndexedResource = read(
        r#"{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/a"}"#,
    );
    assert_eq!(hit.kind(), "Microsoft.Compute/virtualMachines");
}

#[test]
fn the_power_state_is_found_among_the_statuses() {
    let power_state = |view: &str| {
        let json = format!(r#"{{"properties":{{"instanceView":{view}}}}}"#);
        read::<VirtualMachine>(&json).properties.power_state
    };
    let view = r#"{"statuses":[{"code":null},{"code":"ProvisioningState/succeeded"},{"code":"powerstate/deallocated"}]}"#;
    assert_eq!(power_state(view).as_deref(), Some("deallocated"));
    assert_eq!(power_state("{}"), None);
    assert_eq!(power_state("null"), None);
}

/// Every body in `tests/fixtures`, which see for where each shape was recorded.
mod fixtures {
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            read(include_str!(concat!(
                "../../tests/fixtures/",
                $name,
                ".json"
            )))
        };
    }

    fn addresses(interface: &NetworkInterface) -> Vec<String> {
        interface
            .properties
            .ip_configurations
            .iter()
            .filter_map(IpConfiguration::private_address)
            .map(|address| address.to_string())
            .collect()
    }

    #[test]
    fn interfaces_of_a_uniform_set_and_its_instances() {
        let page: Page<NetworkInterface> = fixture!("uniform-network-interfaces");
        let primary: Vec<Option<bool>> = page
            .value
            .iter()
            .map(|interface| interface.properties.primary)
            .collect();
        assert_eq!(primary, [Some(true), None, None, Some(true)]);
        assert_eq!(page.value[3].id.after("virtualMachines"), Some("3"));
        assert_eq!(addresses(&page.value[3]), ["10.9.0.7"]);
        let instances: Page<VirtualMachine> = fixture!("uniform-instances");
        let numbers: Vec<_> = instances
            .value
            .iter()
            .map(|instance| {
                (
                    instance.instance_id.as_deref(),
                    instance.zone.as_deref(),
                    instance.interface_ids().count(),
                )
            })
            .collect();
        assert_eq!(numbers, [(Some("0"), None, 1), (Some("3"), Some("2"), 1)]);
        let viewed: Page<VirtualMachine> = fixture!("uniform-instances-with-view");
        assert_eq!(
            viewed.value[0].properties.power_state.as_deref(),
            Some("running")
        );
        let public: Page<PublicAddress> = fixture!("uniform-public-addresses");
        assert_eq!(
            public
                .value
                .iter()
                .map(|address| address.properties.ip_address.clone())
                .collect::<Vec<_>>(),
            [None, "203.0.113.7".parse().ok().map(AddressField::Address)]
        );
        assert!(
            !public.value.iter().any(PublicAddress::is_blank),
            "one that is not given out is not blank"
        );
    }

    #[test]
    fn machines_of_a_flexible_set_and_their_interfaces() {
        let machines: Page<VirtualMachine> = fixture!("flexible-virtual-machines");
        let set = ResourceId::scale_set("22222222-2222-4222-8222-222222222222", "prod", "web");
        assert!(
            machines
                .value
                .iter()
                .all(|machine| { machine.is_member_of(&set) == Some(true) })
        );
        let interfaces: Page<NetworkInterface> = fixture!("network-interfaces-of-group");
        let joined: Vec<_> = machines
            .value
            .iter()
            .flat_map(VirtualMachine::interface_ids)
            .filter_map(|id| interfaces.value.iter().find(|found| found.id == *id))
            .flat_map(addresses)
            .collect();
        assert_eq!(joined, ["10.9.1.4", "10.9.1.5"]);
        let owner = interfaces.value[1].properties.virtual_machine.as_ref();
        assert_eq!(
            owner,
            Some(&machines.value[1].id),
            "the same machine in two spellings"
        );
        let one: VirtualMachine = fixture!("flexible-virtual-machine-with-view");
        assert_eq!(
            (
                one.interface_ids().count(),
                one.properties.power_state.as_deref()
            ),
            (1, Some("running"))
        );
        let stubs: Page<VirtualMachine> = fixture!("flexible-instances-stubs");
        assert!(
            stubs
                .value
                .iter()
                .all(|stub| stub.zone.is_none() && stub.interface_ids().next().is_none())
        );
        assert!(
            read::<Page<VirtualMachine>>(include_str!(
                "../../tests/fixtures/virtual-machines-empty.json"
            ))
            .value
            .is_empty()
        );
    }

    #[test]
    fn interfaces_of_every_kind() {
        let page: Page<NetworkInterface> = fixture!("network-interfaces-of-group");
        let counts: Vec<usize> = page
            .value
            .iter()
            .map(|interface| addresses(interface).len())
            .collect();
        assert_eq!(counts, [1, 1, 1, 2, 1, 1, 1, 1, 1, 1]);
        assert_eq!(
            page.value
                .iter()
                .filter(|interface| interface.properties.virtual_machine.is_none())
                .count(),
            4
        );
        assert_eq!(
            page.value
                .iter()
                .filter(|interface| !interface.tags.0.is_empty())
                .count(),
            5
        );
        assert_eq!(
            (
                page.value[4].properties.primary,
                page.value[4].properties.ip_configurations[0]
                    .properties
                    .primary
            ),
            (Some(false), Some(true))
        );
        let dual: NetworkInterface = fixture!("network-interface-ipv6-without-address");
        assert_eq!(
            (
                dual.properties.ip_configurations.len(),
                addresses(&dual).len()
            ),
            (2, 1)
        );
        assert!(
            read::<Page<NetworkInterface>>(include_str!(
                "../../tests/fixtures/network-interfaces-empty.json"
            ))
            .value
            .is_empty()
        );
        let public: PublicAddress = fixture!("public-address");
        let reference = page.value[0].properties.ip_configurations[0]
            .properties
            .public_address
            .as_ref();
        assert_eq!(
            (reference, public.properties.ip_address),
            (
                Some(&public.id),
                "203.0.113.9".parse().ok().map(AddressField::Address)
            )
        );
    }

    #[test]
    fn scale_sets_of_both_modes_with_and_without_profile() {
        let seen = |set: ScaleSet| {
            (
                set.properties.orchestration_mode,
                set.capacity,
                set.tags.0.len(),
            )
        };
        let mode = |mode: &str| Some(mode.to_owned());
        assert_eq!(
            seen(fixture!("scale-set-flexible-without-profile")),
            (mode("Flexible"), None, 0)
        );
        assert_eq!(
            seen(fixture!("scale-set-flexible")),
            (mode("Flexible"), Some(2), 1)
        );
        assert_eq!(
            seen(fixture!("scale-set-uniform")),
            (mode("Uniform"), Some(2), 0)
        );
        assert_eq!(
            seen(fixture!("scale-set-before-orchestration-mode")),
            (None, Some(2), 0)
        );
    }

    #[test]
    fn the_index_of_resources() {
        let page: Page<IndexedResource> = fixture!("resources-by-tag");
        assert_eq!(
            page.value
                .iter()
                .map(|hit| (hit.kind().into_owned(), hit.id.name()))
                .collect::<Vec<_>>()[1],
            ("Microsoft.Network/networkInterfaces".to_owned(), "aVMNic")
        );
        let empty: Page<IndexedResource> = fixture!("resources-empty-page");
        assert!(
            empty.value.is_empty()
                && empty
                    .next_link
                    .is_some_and(|link| link.contains("skiptoken"))
        );
    }
}
