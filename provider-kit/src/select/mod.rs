//! Selects addresses of listed resources, and records why the others are excluded.
//!
//! A provider converts each item of a list to an [`Instance`]; [`Selection::apply`] makes a
//! [`Node`] of it, with its addresses or the reasons for exclusion. [`AddressType`], [`PowerState`]
//! and [`TagFilter`] have the same meaning for every provider.

mod address_type;
mod places;
mod tags;

use std::net::IpAddr;

use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::{Address, Discovery, Exclusion, Node};

pub use address_type::{AddressScope, AddressType, Interfaces, PowerState};
pub use places::Places;
pub use tags::{TagFilter, TagNearMisses, tag_pairs, tag_text};

/// A listed resource, independent of the cloud.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its kind, in the cloud's terms: `server`.
    pub kind: &'static str,
    /// The cloud's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its power state in the cloud's terms, and whether that means running.
    pub state: Option<(String, bool)>,
    /// Further facts about it, in display order.
    pub attributes: Vec<(&'static str, String)>,
    /// Its tags or labels; a tag without a value has an empty one.
    pub tags: Vec<(String, String)>,
    /// Its addresses, in the cloud's order.
    pub addresses: Vec<InstanceAddress>,
    /// The interface that further addresses are of: its name, and whether it is the primary one.
    interface: (Option<String>, bool),
    /// Why it is excluded regardless of the selection: another region, another network.
    pub excluded: Option<Exclusion>,
}

/// One address of an [`Instance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAddress {
    /// The address.
    pub ip: IpAddr,
    /// Where it is reachable from.
    pub scope: AddressScope,
    /// The network interface that has it.
    pub interface: Option<String>,
    /// Whether it is on the instance's primary interface.
    pub is_primary: bool,
    /// The port, for the clouds that know one.
    pub port: Option<u16>,
}

impl Instance {
    /// An instance of this kind, without addresses.
    pub fn new(kind: &'static str, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: name.into(),
            state: None,
            attributes: Vec::new(),
            tags: Vec::new(),
            addresses: Vec::new(),
            interface: (None, true),
            excluded: None,
        }
    }

    /// Sets the power state; it means running if it is `running`.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<String>, running: &str) -> Self {
        let state = state.into();
        let is_running = state == running;
        self.state = Some((state, is_running));
        self
    }

    /// Adds an attribute, unless its value is empty.
    #[must_use]
    pub fn with_attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.attributes.push((name, value));
        }
        self
    }

    /// Sets its tags, of names with values.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = (String, String)>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// Sets its tags, of names alone.
    #[must_use]
    pub fn with_tag_names(self, names: impl IntoIterator<Item = String>) -> Self {
        self.with_tags(names.into_iter().map(|name| (name, String::new())))
    }

    /// The addresses that are added from here on are of this interface; before, they are of a
    /// primary one without a name.
    #[must_use]
    pub fn on_interface(mut self, name: Option<String>, is_primary: bool) -> Self {
        self.interface = (name, is_primary);
        self
    }

    /// Adds addresses as [`Instance::add_address`] does.
    #[must_use]
    pub fn with_addresses<T: AsRef<str>>(
        mut self,
        texts: impl IntoIterator<Item = T>,
        scope: AddressScope,
    ) -> Self {
        for text in texts {
            self.add_address(text.as_ref(), scope);
        }
        self
    }

    /// Adds addresses whose range says their scope ([`AddressScope::of`]).
    #[must_use]
    pub fn with_addresses_by_range<T: AsRef<str>>(
        mut self,
        texts: impl IntoIterator<Item = T>,
    ) -> Self {
        for text in texts {
            if let Ok(ip) = text.as_ref().trim().parse() {
                self.add_address(text.as_ref(), AddressScope::of(ip));
            }
        }
        self
    }

    /// Adds an address. Text that isn't an IP address is ignored: clouds send empty strings and
    /// names while an instance is being created.
    pub fn add_address(&mut self, text: &str, scope: AddressScope) {
        if let Ok(ip) = text.trim().parse() {
            let (interface, is_primary) = self.interface.clone();
            self.addresses.push(InstanceAddress {
                ip,
                scope,
                interface,
                is_primary,
                port: None,
            });
        }
    }
}

/// The criteria of a join string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Tags that must all hold.
    pub tags: TagFilter,
    /// Where instances must be.
    pub places: Places,
    /// Which addresses are returned.
    pub address_type: AddressType,
    /// Which power states count.
    pub power_state: PowerState,
    /// Whether every interface counts, or only the primary one.
    pub interfaces: Interfaces,
}

impl Selection {
    /// What these keys ask for. A word that only the provider knows counts as the default type.
    pub fn from_options(
        options: &Options<'_>,
        address_type: &KeySpec,
        power_state: &KeySpec,
    ) -> Self {
        Self {
            address_type: options
                .word(address_type, AddressType::from_word)
                .unwrap_or_default(),
            power_state: options
                .word(power_state, PowerState::from_word)
                .unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The same selection, with the interfaces that the key selects.
    #[must_use]
    pub fn with_interfaces(mut self, options: &Options<'_>, interfaces: &KeySpec) -> Self {
        let word = options.word(interfaces, Interfaces::from_word);
        self.interfaces = word.unwrap_or_default();
        self
    }

    /// The same selection of instances with these tags.
    #[must_use]
    pub fn with_tags(mut self, tags: TagFilter) -> Self {
        self.tags = tags;
        self
    }

    /// The same selection of instances in these places.
    #[must_use]
    pub fn with_places(mut self, places: Places) -> Self {
        self.places = places;
        self
    }

    /// What is looked for, in words: ``servers with tag `consul` in region `fra1` ``.
    pub fn subject(&self, kind: &str) -> String {
        let mut subject = kind.to_owned();
        if !self.tags.is_empty() {
            subject += &format!(" with {}", self.tags);
        }
        if !self.places.is_empty() {
            subject += &format!(" in {}", self.places);
        }
        subject
    }

    /// Adds the nodes for `instances` to an answer.
    pub fn record<T: Into<Instance>>(
        &self,
        discovery: &mut Discovery,
        instances: impl IntoIterator<Item = T>,
    ) {
        for instance in instances {
            discovery.record(self.apply(instance.into()));
        }
    }

    /// The node for `instance`: with its addresses, or with the reason why it has none.
    pub fn apply(&self, instance: Instance) -> Node {
        let mut node = Node::new(instance.kind, instance.id, instance.name);
        // The first attribute is the widest container, by which a graph groups nodes.
        node.attributes = instance.attributes;
        if let Some((state, _)) = &instance.state {
            node.attributes.push(("status", state.clone()));
        }
        if let Some(reason) = instance.excluded {
            node.excluded.push(reason);
        }
        node.excluded.extend(self.tags.mismatches(&instance.tags));
        node.tags = instance.tags;
        node.excluded.extend(self.places.mismatch(&node.attributes));
        if let Some((state, false)) = instance.state
            && self.power_state == PowerState::Running
        {
            node.excluded.push(Exclusion::NotRunning { state });
        }
        if node.excluded.is_empty() {
            self.select_addresses(&mut node, instance.addresses);
        }
        node
    }

    fn select_addresses(&self, node: &mut Node, addresses: Vec<InstanceAddress>) {
        for address in addresses {
            let InstanceAddress {
                ip,
                scope,
                interface,
                is_primary,
                port,
            } = address;
            if !self.address_type.includes(ip, scope) {
                let wanted = self.address_type.word().to_owned();
                node.excluded.push(Exclusion::OtherAddressType {
                    found: ip.to_string(),
                    wanted,
                });
            } else if self.interfaces == Interfaces::Primary && !is_primary {
                node.excluded.push(Exclusion::NotPrimary);
            } else {
                let mut selected = Address::ip(ip).with_instance(node.name.clone());
                selected.port = port;
                selected.network_interface = interface;
                // Most have one address, and a list may have thousands of nodes.
                node.addresses.reserve_exact(1);
                node.addresses.push(selected);
            }
        }
        if node.addresses.is_empty() && node.excluded.is_empty() {
            node.excluded.push(Exclusion::NoAddress);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn instance() -> Instance {
        let mut instance = Instance::new("server", "1", "web").with_state("off", "running");
        instance.tags = vec![("role".into(), "server".into())];
        instance.add_address("10.0.0.4", AddressScope::Private);
        instance.add_address("2001:db8::4", AddressScope::Public);
        instance.add_address("", AddressScope::Public);
        instance
    }

    fn apply(selection: &Selection) -> (Vec<String>, Vec<String>) {
        let node = selection.apply(instance());
        let text = |reason: &Exclusion| reason.to_string();
        (
            node.addresses.iter().map(ToString::to_string).collect(),
            node.excluded.iter().map(text).collect(),
        )
    }

    #[test]
    fn an_instance_that_matches_gives_the_addresses_of_the_type() {
        let (addresses, excluded) = apply(&Selection::default());
        assert_eq!(addresses, ["10.0.0.4"]);
        assert_eq!(excluded, ["2001:db8::4 is not private"]);
    }

    #[test]
    fn every_reason_against_an_instance_is_given() {
        let selection = Selection {
            tags: TagFilter::new([("role", "client"), ("zone", "1")]),
            power_state: PowerState::Running,
            ..Selection::default()
        };
        let (addresses, excluded) = apply(&selection);
        assert!(addresses.is_empty());
        assert_eq!(
            excluded,
            [
                "tag `role` is `server`, not `client`",
                "no tag `zone`",
                "its instance is off"
            ]
        );
    }

    #[test]
    fn an_instance_elsewhere_is_excluded_by_the_attribute_that_places_name() {
        let selection = Selection {
            places: Places::new("region", vec!["fra1".into(), "ams3".into()]),
            ..Selection::default()
        };
        let node = |region| selection.apply(instance().with_attribute("region", region));
        assert!(node("ams3").is_match());
        assert_eq!(
            node("nyc3").excluded[0].to_string(),
            "not part of region `fra1`, `ams3`"
        );
        assert_eq!(node("").excluded[0].code(), "not_member");
    }

    #[test]
    fn a_selection_says_what_it_looks_for() {
        let selection = Selection::default();
        assert_eq!(selection.subject("droplets"), "droplets");
        let selection = selection
            .with_tags(TagFilter::of_names(["consul", "prod"]))
            .with_places(Places::new("region", vec!["fra1".into(), "ams3".into()]));
        assert_eq!(
            selection.subject("droplets"),
            "droplets with tag `consul` and `prod` in region `fra1`, `ams3`"
        );
    }

    #[test]
    fn addresses_have_the_scope_of_their_range_where_the_cloud_says_none() {
        let instance = Instance::new("server", "1", "web").with_addresses_by_range([
            "10.0.0.4",
            "fd00::4",
            "203.0.113.4",
            "2001:db8::4",
            "none",
        ]);
        let scopes: Vec<_> = instance.addresses.iter().map(|found| found.scope).collect();
        use AddressScope::{Private, Public};
        assert_eq!(scopes, [Private, Private, Public, Public]);
    }

    #[test]
    fn the_widest_place_is_the_first_attribute() {
        let node = Selection::default().apply(
            instance()
                .with_attribute("region", "fra1")
                .with_attribute("zone", ""),
        );
        assert_eq!(
            node.attributes,
            [("region", "fra1".to_owned()), ("status", "off".to_owned())]
        );
    }

    #[test]
    fn an_instance_without_addresses_says_so() {
        let node = Selection::default().apply(Instance::new("server", "1", "web"));
        assert_eq!(node.excluded, [Exclusion::NoAddress]);
    }
}
