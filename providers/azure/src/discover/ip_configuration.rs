//! Which addresses of a network interface count.
//!
//! By default every private address of every IP configuration, which is go-discover's answer. What an interface belongs to is decided elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;

use cloud_autojoin_core::Exclusion;

use crate::arm::{IpConfiguration, NetworkInterface, ResourceId};
use crate::config::{AddressType, AzureConfig, Interfaces};

/// What public address each resource holds; none while it is not given out.
pub(super) type PublicAddresses = HashMap<ResourceId, Option<IpAddr>>;

/// Which addresses of an interface count.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddressRule {
    address_type: AddressType,
    interfaces: Interfaces,
}

impl AddressRule {
    /// The rule of a configured provider.
    pub(super) fn of(config: &AzureConfig) -> Self {
        Self { address_type: config.address_type, interfaces: config.interfaces }
    }

    /// Whether public addresses must be looked up first.
    pub(super) fn needs_public_addresses(self) -> bool {
        self.address_type.is_public()
    }

    /// The resources whose public addresses [`AddressRule::judge`] will ask for.
    pub(super) fn public_address_ids(self, interface: &NetworkInterface) -> impl Iterator<Item = &ResourceId> {
        self.configurations(interface)
            .into_iter()
            .filter_map(|configuration| configuration.properties.public_ip_address.as_ref())
            .map(|reference| &reference.id)
    }

    /// The addresses of `interface` that count, and why others do not.
    ///
    /// With `interfaces=primary` these are those of the primary interface: of each family the primary IP configuration, or the first where none is marked (IPv6 never is).
    pub(super) fn judge(self, interface: &NetworkInterface, public: &PublicAddresses) -> (Vec<IpAddr>, Vec<Exclusion>) {
        // Unattached interfaces have no `primary`; only a plain `false` makes a secondary one.
        if self.interfaces == Interfaces::Primary && interface.properties.primary == Some(false) {
            return (Vec::new(), vec![Exclusion::NotPrimary]);
        }
        let (mut addresses, mut left_out) = (Vec::new(), Vec::new());
        let mut leave_out = |reason: Exclusion| {
            if !left_out.contains(&reason) {
                left_out.push(reason);
            }
        };
        let configurations = self.configurations(interface);
        if configurations.len() < interface.properties.ip_configurations.len() {
            leave_out(Exclusion::NotPrimary);
        }
        for configuration in &configurations {
            match self.address(configuration, public) {
                Ok(address) if self.is_of_type(address) => addresses.push(address),
                Ok(address) => leave_out(Exclusion::OtherAddressType { found: address.to_string(), wanted: self.address_type.word().to_owned() }),
                Err(reason) => leave_out(reason),
            }
        }
        if configurations.is_empty() {
            leave_out(Exclusion::NoAddress);
        }
        if addresses.is_empty() {
            // The node is counted by its first reason: "not primary" says nothing of the configuration that is.
            left_out.sort_by_key(|reason| *reason == Exclusion::NotPrimary);
        }
        (addresses, left_out)
    }

    fn configurations(self, interface: &NetworkInterface) -> Vec<&IpConfiguration> {
        let all = &interface.properties.ip_configurations;
        if self.interfaces == Interfaces::All {
            return all.iter().collect();
        }
        let is_v6 = |configuration: &IpConfiguration| configuration.properties.private_ip_address.is_some_and(|address| address.is_ipv6());
        let primary = |v6: bool| {
            let mut family = all.iter().filter(move |configuration| is_v6(configuration) == v6);
            family.clone().find(|configuration| configuration.properties.primary == Some(true)).or_else(|| family.next())
        };
        [primary(false), primary(true)].into_iter().flatten().collect()
    }

    fn address(self, configuration: &IpConfiguration, public: &PublicAddresses) -> Result<IpAddr, Exclusion> {
        if !self.address_type.is_public() {
            return configuration.properties.private_ip_address.ok_or(Exclusion::NoAddress);
        }
        let Some(reference) = &configuration.properties.public_ip_address else { return Err(Exclusion::Other("no public address".into())) };
        public.get(&reference.id).copied().flatten().ok_or_else(|| Exclusion::Other("its public address is not given out yet".into()))
    }

    fn is_of_type(self, address: IpAddr) -> bool {
        match self.address_type {
            AddressType::Private => true,
            AddressType::PrivateV4 | AddressType::PublicV4 => address.is_ipv4(),
            AddressType::PrivateV6 | AddressType::PublicV6 => address.is_ipv6(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    // shape: recorded azure-cli test_vm_create_existing_nic (dual stack, no IPv6 address), 2023, and test_vm_create_multi_nics
    const DUAL: &str = r#"{"properties":{"primary":true,"ipConfigurations":[
        {"properties":{"privateIPAddress":"10.0.0.5","primary":false}},
        {"properties":{"privateIPAddress":"10.0.0.4","primary":true,"publicIPAddress":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/p"}}},
        {"properties":{"privateIPAddress":"2001:db8::4","privateIPAddressVersion":"IPv6"}},
        {"properties":{"privateIPAddressVersion":"IPv6"}}]}}"#;

    fn judge(json: &str, address_type: AddressType, interfaces: Interfaces) -> (Vec<String>, Vec<String>) {
        let interface: NetworkInterface = serde_json::from_str(json).unwrap();
        let public =
            HashMap::from([(ResourceId::new("/SUBSCRIPTIONS/S/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/P"), "203.0.113.7".parse().ok())]);
        let (addresses, left_out) = AddressRule { address_type, interfaces }.judge(&interface, &public);
        (addresses.iter().map(ToString::to_string).collect(), left_out.iter().map(ToString::to_string).collect())
    }

    fn text(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_private_address_counts_by_default_and_a_missing_one_is_named() {
        assert_eq!(judge(DUAL, AddressType::Private, Interfaces::All), (text(&["10.0.0.5", "10.0.0.4", "2001:db8::4"]), text(&["no private address yet"])));
    }

    #[test]
    fn one_family_leaves_the_other_out_with_a_reason() {
        let (addresses, left_out) = judge(DUAL, AddressType::PrivateV6, Interfaces::All);
        assert_eq!(addresses, ["2001:db8::4"]);
        assert!(left_out.contains(&"10.0.0.4 is not private_v6".to_owned()), "{left_out:?}");
    }

    #[test]
    fn the_primary_interface_gives_its_primary_address_of_each_family() {
        assert_eq!(judge(DUAL, AddressType::Private, Interfaces::Primary), (text(&["10.0.0.4", "2001:db8::4"]), text(&["not primary"])));
    }

    #[test]
    fn a_secondary_interface_is_not_primary_though_its_configuration_is() {
        // shape: recorded azure-cli test_vm_create_multi_nics, 2023
        let secondary = r#"{"properties":{"primary":false,"ipConfigurations":[{"properties":{"privateIPAddress":"10.0.0.9","primary":true}}]}}"#;
        assert_eq!(judge(secondary, AddressType::Private, Interfaces::Primary), (text(&[]), text(&["not primary"])));
        assert_eq!(judge(secondary, AddressType::Private, Interfaces::All).0, ["10.0.0.9"]);
    }

    #[test]
    fn public_addresses_come_from_the_resources_the_configurations_name() {
        assert_eq!(judge(DUAL, AddressType::PublicV4, Interfaces::All), (text(&["203.0.113.7"]), text(&["no public address"])));
        assert_eq!(judge(DUAL, AddressType::PublicV6, Interfaces::Primary).0, [] as [&str; 0]);
    }

    #[test]
    fn an_interface_without_properties_or_configurations_has_no_address() {
        for json in ["{}", r#"{"properties":{"ipConfigurations":[]}}"#, r#"{"properties":{"ipConfigurations":[{}]}}"#] {
            assert_eq!(judge(json, AddressType::Private, Interfaces::All), (text(&[]), text(&["no private address yet"])), "{json}");
        }
    }
}
