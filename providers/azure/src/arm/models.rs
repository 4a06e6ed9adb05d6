//! The JSON of ARM, as far as it is read: only the fields that are needed, whatever else comes
//! along.
//!
//! `null` counts as absent everywhere, and every field but a list's `value` may be absent: recorded
//! bodies leave out tags, `properties`, `primary`, addresses and zones, each in some version.
//! `lenient.rs` reads the values. What is missing where something is needed is found in
//! `discover/completeness.rs`. Field names are those of Microsoft.Compute 2024-07-01 and
//! Microsoft.Network 2024-05-01; bodies recorded from 2016-03-30 to 2025-04-01 read the same.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::lenient::{
    AddressField, address, boolean, is_present, null_as_default, number, objects, text, texts,
};
use super::resource_id::ResourceId;

/// One page of any ARM list.
///
/// `value` must be there: a body without it is no page, and taking it for an empty one would make a
/// short list. An empty page with a link is normal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// What is on the page.
    #[serde(
        deserialize_with = "null_as_empty",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub value: Vec<T>,
    /// Where the next page is; absent or empty at the end.
    #[serde(default)]
    pub next_link: Option<String>,
}

/// Tags in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(pub Vec<(String, String)>);

/// `Microsoft.Network/networkInterfaces`, and the same of Uniform instances.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkInterface {
    pub id: ResourceId,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Tags,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: NetworkInterfaceProperties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkInterfaceProperties {
    #[serde(deserialize_with = "objects")]
    pub ip_configurations: Vec<IpConfiguration>,
    /// Absent while it is attached to nothing, and on what is left of a Uniform instance that is
    /// gone (recorded 2023 and 2025).
    #[serde(deserialize_with = "boolean")]
    pub primary: Option<bool>,
    /// Absent while it is attached to nothing, or to something else than a virtual machine.
    pub virtual_machine: Option<Reference>,
}

/// One IP configuration of an interface.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpConfiguration {
    pub id: ResourceId,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: IpConfigurationProperties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct IpConfigurationProperties {
    /// Absent during creation, and in the IPv6 half of an interface whose subnet has no IPv6 range
    /// (recorded 2022).
    #[serde(rename = "privateIPAddress", deserialize_with = "address")]
    private_ip_address: Option<AddressField>,
    /// Absent unless the configuration holds a block of addresses.
    #[serde(rename = "privateIPAddressPrefixLength", deserialize_with = "number")]
    private_ip_address_prefix_length: Option<u64>,
    /// Absent in some versions where there is an address.
    #[serde(rename = "privateIPAddressVersion", deserialize_with = "is_present")]
    has_version: bool,
    #[serde(rename = "provisioningState", deserialize_with = "is_present")]
    has_provisioning_state: bool,
    /// Absent on IPv6 configurations.
    #[serde(deserialize_with = "boolean")]
    pub primary: Option<bool>,
    #[serde(rename = "publicIPAddress")]
    pub public_ip_address: Option<Reference>,
}

/// An object of which only the id is known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    pub id: ResourceId,
}

/// `Microsoft.Compute/virtualMachines`, and an instance of a Uniform set
/// (`virtualMachineScaleSets/virtualMachines`), which has the same fields and an instance id.
///
/// The instances that a *Flexible* set lists under itself are stubs without `properties` (recorded
/// 2022 to 2025).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VirtualMachine {
    pub id: ResourceId,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// Uniform: the number, as text.
    #[serde(deserialize_with = "text")]
    pub instance_id: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Tags,
    /// `[null]` in the stubs of a Flexible set.
    #[serde(deserialize_with = "texts")]
    pub zones: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: VirtualMachineProperties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VirtualMachineProperties {
    pub virtual_machine_scale_set: Option<Reference>,
    #[serde(deserialize_with = "null_as_default")]
    pub network_profile: NetworkProfile,
    /// `Succeeded`, `Creating`.
    #[serde(deserialize_with = "text")]
    pub provisioning_state: Option<String>,
    /// Only there when it was asked for.
    pub instance_view: Option<InstanceView>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NetworkProfile {
    #[serde(deserialize_with = "objects")]
    pub network_interfaces: Vec<Reference>,
}

/// What runs on a virtual machine just now.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InstanceView {
    #[serde(deserialize_with = "objects")]
    pub statuses: Vec<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// `PowerState/running`, `ProvisioningState/succeeded`.
    #[serde(deserialize_with = "text")]
    pub code: Option<String>,
}

/// `Microsoft.Compute/virtualMachineScaleSets`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ScaleSet {
    pub id: ResourceId,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Tags,
    /// Absent for a Flexible set without profile (recorded 2023).
    pub sku: Option<Sku>,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: ScaleSetProperties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ScaleSetProperties {
    /// Absent with api-versions before 2020-12-01, when every set was Uniform.
    #[serde(deserialize_with = "text")]
    pub orchestration_mode: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sku {
    #[serde(deserialize_with = "number")]
    pub capacity: Option<u64>,
}

/// One hit of the resource index (`/subscriptions/S/resources`): no tags when it was asked for by
/// tag.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IndexedResource {
    pub id: ResourceId,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
}

/// `Microsoft.Network/publicIPAddresses`, and the same of Uniform instances.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PublicAddress {
    pub id: ResourceId,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: PublicAddressProperties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PublicAddressProperties {
    /// Absent until a dynamic address is given out (recorded 2023).
    #[serde(deserialize_with = "address")]
    pub ip_address: Option<AddressField>,
    #[serde(rename = "provisioningState", deserialize_with = "is_present")]
    has_provisioning_state: bool,
}

impl NetworkInterface {
    /// Its name; the end of its id where the name is absent.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.name())
    }

    /// Whether any of its IP configurations has a private address.
    pub(crate) fn has_private_address(&self) -> bool {
        self.properties
            .ip_configurations
            .iter()
            .any(|configuration| {
                configuration
                    .private_address()
                    .is_some_and(|field| field.address().is_some())
            })
    }
}

impl IpConfiguration {
    /// What it has for a private address.
    pub(crate) fn private_address(&self) -> Option<AddressField> {
        let IpConfigurationProperties {
            private_ip_address,
            private_ip_address_prefix_length,
            ..
        } = &self.properties;
        Some(
            private_ip_address
                .clone()?
                .with_prefix_length(*private_ip_address_prefix_length),
        )
    }

    /// Whether the answer says nothing of it: not even whether it has an address.
    pub(crate) fn is_blank(&self) -> bool {
        let IpConfigurationProperties {
            private_ip_address,
            primary,
            public_ip_address,
            has_version,
            has_provisioning_state,
            ..
        } = &self.properties;
        private_ip_address.is_none()
            && primary.is_none()
            && public_ip_address.is_none()
            && !has_version
            && !has_provisioning_state
    }
}

impl PublicAddress {
    /// Whether the answer says nothing of it: not even whether it was given out.
    pub(crate) fn is_blank(&self) -> bool {
        self.properties.ip_address.is_none() && !self.properties.has_provisioning_state
    }
}

impl IndexedResource {
    /// What it is: `Microsoft.Compute/virtualMachines`. Read off the id where the field is absent.
    pub(crate) fn kind(&self) -> Cow<'_, str> {
        match &self.kind {
            Some(kind) if !kind.is_empty() => Cow::Borrowed(kind),
            _ => Cow::Owned(self.id.kind()),
        }
    }
}

impl VirtualMachine {
    /// Its name; the end of its id where the name is absent.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.name())
    }

    /// Its availability zone.
    pub(crate) fn zone(&self) -> Option<&str> {
        self.zones
            .iter()
            .map(String::as_str)
            .find(|zone| !zone.is_empty())
    }

    /// Whether the answer leaves out which interfaces it has. One that is being made has none yet;
    /// every other one has.
    pub(crate) fn lacks_interfaces(&self) -> bool {
        let references = &self.properties.network_profile.network_interfaces;
        references.iter().any(|reference| reference.id.is_empty())
            || (references.is_empty() && self.is_made())
    }

    /// Whether it is neither being made, changed or deleted nor failed to be, as far as the answer
    /// says.
    pub(crate) fn is_made(&self) -> bool {
        self.properties
            .provisioning_state
            .as_deref()
            .is_none_or(|state| state.eq_ignore_ascii_case("Succeeded"))
    }

    /// The ids of its interfaces.
    pub(crate) fn interface_ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.properties
            .network_profile
            .network_interfaces
            .iter()
            .map(|reference| &reference.id)
            .filter(|id| !id.is_empty())
    }
}

impl ScaleSet {
    /// Its name; the end of its id where the name is absent.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.name())
    }
}

impl InstanceView {
    /// The word after `PowerState/`: `running`, `deallocated`. Without case in the prefix.
    pub(crate) fn power_state(&self) -> Option<&str> {
        self.statuses
            .iter()
            .filter_map(|status| status.code.as_deref()?.split_once('/'))
            .find(|(kind, _)| kind.eq_ignore_ascii_case("PowerState"))
            .map(|(_, state)| state)
    }
}

// As `null_as_default`, but not to be combined with `serde(default)`: the field itself must be
// there.
fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct TagValue(#[serde(deserialize_with = "text")] Option<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagsVisitor;

        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tags")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some(name) = map.next_key()? {
                    let TagValue(value) = map.next_value()?;
                    tags.push((name, value.unwrap_or_default()));
                }
                Ok(Tags(tags))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Tags, A::Error> {
                // Some writers of JSON give an empty list for an empty object.
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(Tags::default()),
                    Some(_) => Err(serde::de::Error::invalid_type(
                        serde::de::Unexpected::Seq,
                        &self,
                    )),
                }
            }
        }

        deserializer.deserialize_any(TagsVisitor)
    }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
