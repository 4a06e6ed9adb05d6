//! What an Azure join string selects, as typed values: [`AzureConfig`] and its [`Selection`].
//!
//! The keys and their documentation are in `keys.rs`; `builder.rs` turns keys into these values and
//! reports everything that is wrong with them; `discover/` reads them.

use std::{fmt, slice};

use cloud_autojoin_provider_kit::words;

pub use cloud_autojoin_provider_kit::select::{AddressType, Interfaces, PowerState};

/// The query: what to search for, where, and which of its addresses count.
///
/// Values are as given; resource groups and scale sets are compared without case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AzureConfig {
    /// The subscription: a GUID in lower case.
    pub subscription_id: String,
    /// Which network interfaces are meant.
    pub selection: Selection,
    /// Which of their addresses count.
    pub address_type: AddressType,
    /// Which interfaces of an instance, and which IP configurations of those, count.
    pub interfaces: Interfaces,
    /// Which instances count, by their power state.
    pub power_state: PowerState,
}

impl AzureConfig {
    /// A query of one subscription, as go-discover runs it: every private address of every selected
    /// interface, whatever the power state.
    pub fn new(subscription_id: impl Into<String>, selection: Selection) -> Self {
        Self {
            subscription_id: subscription_id.into(),
            selection,
            address_type: AddressType::default(),
            interfaces: Interfaces::default(),
            power_state: PowerState::default(),
        }
    }
}

/// Which network interfaces are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All that carry the tags, or whose instance or scale set does.
    Tag {
        /// The tags, and where they may be set.
        tags: Tags,
        /// The resource groups to look in, without duplicates; empty: the whole subscription.
        resource_groups: Vec<String>,
        /// How they are looked up.
        lookup: Lookup,
    },
    /// Those of the instances of one scale set; of these only the ones with the tags, if there are
    /// `tags`.
    ScaleSet {
        /// The resource group of the scale set.
        resource_group: String,
        /// The name of the scale set.
        name: String,
        /// How the scale set orchestrates its instances; none: it is read from Azure's responses.
        orchestration_mode: Option<OrchestrationMode>,
        /// What must hold as well.
        tags: Option<Tags>,
    },
}

impl Selection {
    /// Everything with these tags in the whole subscription, looked up by listing.
    pub fn tags(tags: Tags) -> Self {
        Self::Tag {
            tags,
            resource_groups: Vec::new(),
            lookup: Lookup::default(),
        }
    }

    /// The instances of a scale set, whose orchestration mode is read from Azure's responses.
    pub fn scale_set(resource_group: impl Into<String>, name: impl Into<String>) -> Self {
        Self::ScaleSet {
            resource_group: resource_group.into(),
            name: name.into(),
            orchestration_mode: None,
            tags: None,
        }
    }
}

impl Selection {
    /// The resource groups to look in; none: the whole subscription.
    pub(crate) fn resource_groups(&self) -> &[String] {
        match self {
            Self::Tag {
                resource_groups, ..
            } => resource_groups,
            Self::ScaleSet { resource_group, .. } => slice::from_ref(resource_group),
        }
    }

    /// The orchestration mode that is given for a scale set, if one is selected.
    pub(crate) fn orchestration_mode(&self) -> Option<Option<OrchestrationMode>> {
        match self {
            Self::Tag { .. } => None,
            Self::ScaleSet {
                orchestration_mode, ..
            } => Some(*orchestration_mode),
        }
    }

    /// The tags that are searched for; without conditions and places if there are none.
    pub(crate) fn tag_filter(&self) -> &Tags {
        static NONE: Tags = Tags {
            conditions: Vec::new(),
            places: Vec::new(),
        };
        match self {
            Self::Tag { tags, .. } => tags,
            Self::ScaleSet { tags, .. } => tags.as_ref().unwrap_or(&NONE),
        }
    }
}

/// The resource groups in words, if there are any.
pub(crate) fn named_groups(groups: &[String]) -> Option<String> {
    match groups {
        [] => None,
        [group] => Some(format!("resource group `{group}`")),
        groups => Some(format!("resource groups `{}`", groups.join("`, `"))),
    }
}

impl fmt::Display for Selection {
    /// The selection in words: ``scale set `web` of resource group `prod` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag {
                tags,
                resource_groups,
                ..
            } => {
                tags.fmt(f)?;
                named_groups(resource_groups).map_or(Ok(()), |groups| write!(f, " in {groups}"))
            }
            Self::ScaleSet {
                resource_group,
                name,
                tags,
                ..
            } => {
                write!(f, "scale set `{name}` of resource group `{resource_group}`")?;
                tags.as_ref()
                    .map_or(Ok(()), |tags| write!(f, " with {tags}"))
            }
        }
    }
}

/// Tags that must all hold, and the resources each may be set on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tags {
    /// The tags; at least one, no name twice. The one of `tag_name` is the first.
    pub conditions: Vec<TagCondition>,
    /// The places; at least one, none twice. A condition holds when the tag is set on any of them:
    /// interface, its instance, that instance's scale set.
    pub places: Vec<TagPlace>,
}

impl Tags {
    /// Tags that must all be set on the network interface.
    pub fn on_network_interface(conditions: Vec<TagCondition>) -> Self {
        Self {
            conditions,
            places: vec![TagPlace::NetworkInterface],
        }
    }

    /// The same tags in other places.
    #[must_use]
    pub fn with_places(mut self, places: Vec<TagPlace>) -> Self {
        self.places = places;
        self
    }

    /// The conditions in words: ``tags `a` = `1` and `b` = `2` ``.
    pub(crate) fn conditions(&self) -> String {
        let conditions: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        let word = if conditions.len() == 1 { "tag" } else { "tags" };
        format!("{word} {}", conditions.join(" and "))
    }

    /// Whether the tag may be set there.
    pub fn may_be_on(&self, place: TagPlace) -> bool {
        self.places.contains(&place)
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} on the {}",
            self.conditions(),
            places.join(" or the ")
        )
    }
}

/// One tag with its value. Names are compared without case, values exactly, as Azure compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagCondition {
    /// The name as it was given.
    pub name: String,
    /// The value.
    pub value: String,
}

impl TagCondition {
    /// The condition that the tag `name` has this value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl fmt::Display for TagCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` = `{}`", self.name, self.value)
    }
}

words! {
    /// The resource that a tag is set on (`tag_on`).
    TagPlace {
        /// On the network interface itself, as go-discover reads it. Interfaces inherit tags from
        /// nothing.
        #[default]
        NetworkInterface = "nic",
        /// On the instance, the virtual machine.
        Instance = "vm",
        /// On the scale set of the instance.
        ScaleSet = "scale_set",
    }
}

impl fmt::Display for TagPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkInterface => "network interface",
            Self::Instance => "instance",
            Self::ScaleSet => "scale set",
        })
    }
}

words! {
    /// How tagged resources are looked up (`lookup`).
    Lookup {
        /// By listing: exact, at the cost of the whole subscription or resource group.
        #[default]
        List = "list",
        /// By ARM's resource index: the cost follows the matches; the index may lag by seconds, so
        /// each hit is read afresh.
        Index = "index",
    }
}

words! {
    /// How a scale set orchestrates its instances (`orchestration_mode`).
    OrchestrationMode {
        /// Identical instances that exist only inside the set, as all sets had them at first.
        #[default]
        Uniform = "uniform",
        /// Ordinary virtual machines that belong to the set.
        Flexible = "flexible",
    }
}

impl fmt::Display for OrchestrationMode {
    /// Azure's name of the mode.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_parses_to_the_value_that_writes_it() {
        for word in TagPlace::WORDS {
            assert_eq!(TagPlace::from_word(word).map(TagPlace::word), Some(*word));
        }
        assert_eq!(TagPlace::from_word("vmss"), None);
    }

    #[test]
    fn a_selection_reads_as_a_sentence() {
        let tags = Tags::on_network_interface(vec![TagCondition::new("consul", "server")]);
        let select = |resource_groups: &[&str]| Selection::Tag {
            tags: tags.clone(),
            resource_groups: resource_groups.iter().map(ToString::to_string).collect(),
            lookup: Lookup::List,
        };
        assert_eq!(
            select(&[]).to_string(),
            "tag `consul` = `server` on the network interface"
        );
        assert_eq!(
            select(&["a"]).to_string(),
            "tag `consul` = `server` on the network interface in resource group `a`"
        );
        assert_eq!(
            select(&["a", "b"]).to_string(),
            "tag `consul` = `server` on the network interface in resource groups `a`, `b`"
        );

        let both = Tags::on_network_interface(vec![
            TagCondition::new("consul", "server"),
            TagCondition::new("zone", "1"),
        ])
        .with_places(vec![TagPlace::Instance, TagPlace::ScaleSet]);
        let set = Selection::ScaleSet {
            resource_group: "prod".to_owned(),
            name: "web".to_owned(),
            orchestration_mode: None,
            tags: Some(both),
        };
        assert_eq!(
            set.to_string(),
            "scale set `web` of resource group `prod` with tags `consul` = `server` and `zone` = `1` on the instance or the scale set"
        );
    }
}
