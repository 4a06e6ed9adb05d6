//! Which addresses of a network interface count.
//!
//! By default every private address of every IP configuration, as in go-discover.

use std::collections::HashMap;
use std::net::IpAddr;

use cloud_autojoin_core::{Exclusion, Result};
use cloud_autojoin_provider_kit::AddressScope;

use super::completeness::incomplete;
use crate::arm::{AddressField, IpConfiguration, NetworkInterface, PublicAddress, ResourceId};
use crate::select::{AzureConfig, Interfaces};

/// The public addresses that IP configurations name.
pub(super) type PublicAddresses = HashMap<ResourceId, PublicAddress>;

/// The ids of the public addresses that [`select`] needs.
pub(super) fn public_ids<'a>(
    config: &AzureConfig,
    interface: &'a NetworkInterface,
) -> impl Iterator<Item = &'a ResourceId> + use<'a> {
    let configurations = configurations(config, interface).into_iter();
    let ids = configurations.filter_map(|found| found.properties.public_address.as_ref());
    ids.filter(|id| !id.is_empty())
}

/// The addresses of `interface` that count, and why others don't.
///
/// With `interfaces=primary` these are those of the primary interface: of each family the
/// primary IP configuration, or the first where none is marked (IPv6 never is).
///
/// # Errors
///
/// The interface has no address, and the response lacks whether it has one.
pub(super) fn select(
    config: &AzureConfig,
    interface: &NetworkInterface,
    public: &PublicAddresses,
) -> Result<(Vec<IpAddr>, Vec<Exclusion>)> {
    // Unattached interfaces have no `primary`; only a plain `false` makes a secondary one.
    if config.interfaces == Interfaces::Primary && interface.properties.primary == Some(false) {
        return Ok((Vec::new(), vec![Exclusion::NotPrimary]));
    }
    let scope = AddressScope::public_if(config.address_type.is_public());
    let (mut addresses, mut excluded) = (Vec::new(), Vec::new());
    let all = &interface.properties.ip_configurations;
    let configurations = configurations(config, interface);
    if all.is_empty() {
        // Azure knows no such interface.
        let what = "it has no IP configurations".into();
        excluded.push(Exclusion::Incomplete { what });
    } else if configurations.len() < all.len() {
        excluded.push(Exclusion::NotPrimary);
    }
    for configuration in configurations {
        let reason = match address(config, configuration, public) {
            Ok(address) if config.address_type.includes(address, scope) => {
                addresses.push(address);
                continue;
            }
            Ok(address) => Exclusion::OtherAddressType {
                found: address.to_string(),
                wanted: config.address_type.word().to_owned(),
            },
            Err(reason) => reason,
        };
        if !excluded.contains(&reason) {
            excluded.push(reason);
        }
    }
    if addresses.is_empty() {
        for reason in &excluded {
            if let Exclusion::Incomplete { what } = reason {
                let group = interface.id.resource_group().unwrap_or_default();
                let name = interface.name();
                let operation = format!(
                    "find the addresses of network interface `{name}` in resource group `{group}`"
                );
                return Err(incomplete(operation, what));
            }
        }
        // The node is counted by its first reason: "not primary" doesn't describe the
        // configuration that is.
        excluded.sort_by_key(|reason| *reason == Exclusion::NotPrimary);
    }
    Ok((addresses, excluded))
}

fn configurations<'a>(
    config: &AzureConfig,
    interface: &'a NetworkInterface,
) -> Vec<&'a IpConfiguration> {
    let all = interface.properties.ip_configurations.iter();
    if config.interfaces == Interfaces::All {
        return all.collect();
    }
    let family = |v6| all.clone().filter(move |found| is_v6(found) == Some(v6));
    let is_marked = |found: &&IpConfiguration| found.properties.primary == Some(true);
    let primary = |v6| family(v6).find(is_marked).or_else(|| family(v6).next());
    [false, true].into_iter().filter_map(primary).collect()
}

/// The family of an IP configuration, IPv4 if it isn't known; none for a block of addresses.
fn is_v6(configuration: &IpConfiguration) -> Option<bool> {
    match configuration.private_address() {
        Some(AddressField::Address(address)) => Some(address.is_ipv6()),
        Some(AddressField::Block(..)) => None,
        Some(AddressField::Unreadable(_)) | None => Some(false),
    }
}

fn address(
    config: &AzureConfig,
    configuration: &IpConfiguration,
    public: &PublicAddresses,
) -> Result<IpAddr, Exclusion> {
    let incomplete = |what: String| Err(Exclusion::Incomplete { what: what.into() });
    let name = configuration.name();
    if configuration.is_blank() {
        return incomplete(format!("its IP configuration `{name}` has no properties"));
    }
    let (field, none) = if config.address_type.is_public() {
        let Some(id) = &configuration.properties.public_address else {
            return Err(Exclusion::Other("no public address".into()));
        };
        if id.is_empty() {
            return incomplete(format!(
                "its IP configuration `{name}` names a public address without an id"
            ));
        }
        let found = public.get(id);
        if found.is_some_and(PublicAddress::is_blank) {
            let name = id.name();
            return incomplete(format!("the public address `{name}` has no properties"));
        }
        let none = Exclusion::Other("its public address is not given out yet".into());
        let field = found.and_then(|found| found.properties.ip_address.clone());
        (field, none)
    } else {
        (configuration.private_address(), Exclusion::NoAddress)
    };
    match field {
        Some(AddressField::Address(address)) => Ok(address),
        Some(block @ AddressField::Block(..)) => Err(Exclusion::AddressBlock {
            block: block.to_string(),
        }),
        Some(AddressField::Unreadable(text)) => incomplete(format!(
            "`{text}` of its IP configuration `{name}` is no IP address"
        )),
        None => Err(none),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::select::{AddressType, Selection};

    // shape: recorded azure-cli test_vm_create_existing_nic (dual stack, no IPv6 address), 2023,
    // and test_vm_create_multi_nics
    const DUAL: &str = r#"{"properties":{"primary":true,"ipConfigurations":[
        {"properties":{"privateIPAddress":"10.0.0.5","primary":false}},
        {"properties":{"privateIPAddress":"10.0.0.4","primary":true,"publicIPAddress":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/p"}}},
        {"properties":{"privateIPAddress":"2001:db8::4","privateIPAddressVersion":"IPv6"}},
        {"properties":{"privateIPAddressVersion":"IPv6"}}]}}"#;

    fn config(address_type: AddressType, interfaces: Interfaces) -> AzureConfig {
        AzureConfig {
            address_type,
            interfaces,
            ..AzureConfig::new("s", Selection::scale_set("g", "web"))
        }
    }

    fn selected(
        json: &str,
        address_type: AddressType,
        interfaces: Interfaces,
    ) -> (Vec<String>, Vec<String>) {
        let interface: NetworkInterface = serde_json::from_str(json).unwrap();
        let public: PublicAddress =
            serde_json::from_str(r#"{"properties":{"ipAddress":"203.0.113.7"}}"#).unwrap();
        let public = HashMap::from([(
            ResourceId::new(
                "/SUBSCRIPTIONS/S/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/P",
            ),
            public,
        )]);
        let config = config(address_type, interfaces);
        let (addresses, excluded) = super::select(&config, &interface, &public).unwrap();
        (
            addresses.iter().map(ToString::to_string).collect(),
            excluded.iter().map(ToString::to_string).collect(),
        )
    }

    fn text(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_private_address_counts_by_default_and_a_missing_one_is_named() {
        assert_eq!(
            selected(DUAL, AddressType::Private, Interfaces::All),
            (
                text(&["10.0.0.5", "10.0.0.4", "2001:db8::4"]),
                text(&["no private address yet"])
            )
        );
    }

    #[test]
    fn one_family_leaves_the_other_out_with_a_reason() {
        let (addresses, excluded) = selected(DUAL, AddressType::PrivateV6, Interfaces::All);
        assert_eq!(addresses, ["2001:db8::4"]);
        assert!(
            excluded.contains(&"10.0.0.4 is not private_v6".to_owned()),
            "{excluded:?}"
        );
    }

    #[test]
    fn the_primary_interface_gives_its_primary_address_of_each_family() {
        assert_eq!(
            selected(DUAL, AddressType::Private, Interfaces::Primary),
            (text(&["10.0.0.4", "2001:db8::4"]), text(&["not primary"]))
        );
    }

    #[test]
    fn a_secondary_interface_is_not_primary_though_its_configuration_is() {
        // shape: recorded azure-cli test_vm_create_multi_nics, 2023
        let secondary = r#"{"properties":{"primary":false,"ipConfigurations":[{"properties":{"privateIPAddress":"10.0.0.9","primary":true}}]}}"#;
        assert_eq!(
            selected(secondary, AddressType::Private, Interfaces::Primary),
            (text(&[]), text(&["not primary"]))
        );
        assert_eq!(
            selected(secondary, AddressType::Private, Interfaces::All).0,
            ["10.0.0.9"]
        );
    }

    #[test]
    fn public_addresses_come_from_the_resources_the_configurations_name() {
        assert_eq!(
            selected(DUAL, AddressType::PublicV4, Interfaces::All),
            (text(&["203.0.113.7"]), text(&["no public address"]))
        );
        assert_eq!(
            selected(DUAL, AddressType::PublicV6, Interfaces::Primary).0,
            [] as [&str; 0]
        );
    }

    #[test]
    fn a_block_of_addresses_is_left_out_with_its_reason_and_is_primary_for_nothing() {
        let with_blocks = r#"{"properties":{"primary":true,"ipConfigurations":[
            {"properties":{"privateIPAddress":"10.240.0.16/28"}},
            {"properties":{"privateIPAddress":"10.240.0.32","privateIPAddressPrefixLength":28}},
            {"properties":{"privateIPAddress":"2001:db8:0:1::/80"}},
            {"properties":{"privateIPAddress":"10.240.0.4/32"}},
            {"properties":{"privateIPAddress":"2001:db8::4","privateIPAddressPrefixLength":"128"}}]}}"#;
        let (addresses, excluded) = selected(with_blocks, AddressType::Private, Interfaces::All);
        assert_eq!(addresses, ["10.240.0.4", "2001:db8::4"]);
        let blocks = ["10.240.0.16/28", "10.240.0.32/28", "2001:db8:0:1::/80"]
            .map(|block| format!("{block} is a block of addresses, not one address"));
        assert_eq!(excluded, blocks);
        assert_eq!(
            selected(with_blocks, AddressType::Private, Interfaces::Primary),
            (text(&["10.240.0.4", "2001:db8::4"]), text(&["not primary"]))
        );
    }

    #[test]
    fn an_interface_of_which_it_is_unknown_whether_it_has_an_address_is_an_error() {
        for (json, what) in [
            ("{}", "it has no IP configurations"),
            (r#"{"properties":null}"#, "it has no IP configurations"),
            (
                r#"{"properties":{"ipConfigurations":[]}}"#,
                "it has no IP configurations",
            ),
            (
                r#"{"properties":{"ipConfigurations":[null]}}"#,
                "its IP configuration `` has no properties",
            ),
            (
                r#"{"properties":{"ipConfigurations":[{"name":"main"}]}}"#,
                "its IP configuration `main` has no properties",
            ),
            (
                r#"{"properties":{"ipConfigurations":[{"name":"main","properties":{}}]}}"#,
                "its IP configuration `main` has no properties",
            ),
            (
                r#"{"properties":{"ipConfigurations":[{"name":"main","properties":{"privateIPAddress":"10.0.0.x"}}]}}"#,
                "`10.0.0.x` of its IP configuration `main`",
            ),
        ] {
            let interface: NetworkInterface = serde_json::from_str(json).unwrap();
            let config = config(AddressType::Private, Interfaces::All);
            let error = super::select(&config, &interface, &HashMap::new()).unwrap_err();
            assert!(error.to_string().contains(what), "{json}: {error}");
        }
    }

    #[test]
    fn a_hole_beside_an_address_is_a_reason() {
        let json = r#"{"properties":{"ipConfigurations":[{"properties":{"privateIPAddress":"10.0.0.4"}},{"name":"second"}]}}"#;
        let reason = "the response is incomplete: its IP configuration `second` has no properties";
        assert_eq!(
            selected(json, AddressType::Private, Interfaces::All),
            (text(&["10.0.0.4"]), text(&[reason]))
        );
    }
}
