//! The JSON of ARM, as far as it is read: only the fields that are needed, whatever else comes
//! along.
//!
//! `null` counts as absent everywhere, and every field but a list's `value` may be absent: recorded
//! bodies leave out tags, `properties`, `primary`, addresses and zones, each in some version.
//! `lenient.rs` reads the values. What is missing where something is needed is found in
//! `discover/`. Field names are those of Microsoft.Compute 2024-07-01 and Microsoft.Network
//! 2024-05-01; bodies recorded from 2016-03-30 to 2025-04-01 read the same.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::lenient::{
    AddressField, address, boolean, first_text, is_present, null_as_default, number, objects, text,
};
use super::requests::{Kind, NETWORK_INTERFACES, PUBLIC_ADDRESSES, SCALE_SETS, VIRTUAL_MACHINES};
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
        deserialize_with = "null_as_default",
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

/// What all resources have in common, and what is particular of one type.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    bound(deserialize = "P: Deserialize<'de> + Default")
)]
pub(crate) struct Resource<P> {
    pub id: ResourceId,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Tags,
    #[serde(deserialize_with = "null_as_default")]
    pub properties: P,
    /// Uniform instances: the number, as text.
    #[serde(deserialize_with = "text")]
    pub instance_id: Option<String>,
    /// The availability zone. `[null]` in the stubs of a Flexible set.
    #[serde(rename = "zones", deserialize_with = "first_text")]
    pub zone: Option<String>,
    /// Scale sets: how many instances there are to be. Absent for a Flexible set without profile
    /// (recorded 2023).
    #[serde(rename = "sku", deserialize_with = "capacity")]
    pub capacity: Option<u64>,
}

impl<P> Resource<P> {
    /// Its name; the end of its id where the name is absent.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.name())
    }
}

/// What is particular of a type of resources that is looked up by id.
pub(crate) trait Properties: DeserializeOwned + Default + Send + 'static {
    /// The type.
    const KIND: Kind;
}

/// `Microsoft.Network/networkInterfaces`, and the same of Uniform instances.
pub(crate) type NetworkInterface = Resource<InterfaceProperties>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct InterfaceProperties {
    #[serde(deserialize_with = "objects")]
    pub ip_configurations: Vec<IpConfiguration>,
    /// Absent while it is attached to nothing, and on what is left of a Uniform instance that is
    /// gone (recorded 2023 and 2025).
    #[serde(deserialize_with = "boolean")]
    pub primary: Option<bool>,
    /// Absent while it is attached to nothing, or to something else than a virtual machine.
    #[serde(deserialize_with = "reference")]
    pub virtual_machine: Option<ResourceId>,
}

impl Properties for InterfaceProperties {
    const KIND: Kind = NETWORK_INTERFACES;
}

/// One IP configuration of an interface.
pub(crate) type IpConfiguration = Resource<ConfigurationProperties>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConfigurationProperties {
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
    #[serde(rename = "publicIPAddress", deserialize_with = "reference")]
    pub public_address: Option<ResourceId>,
}

/// `Microsoft.Compute/virtualMachines`, and an instance of a Uniform set
/// (`virtualMachineScaleSets/virtualMachines`), which has the same fields and an instance id.
///
/// The instances that a *Flexible* set lists under itself are stubs without `properties` (recorded
/// 2022 to 2025).
pub(crate) type VirtualMachine = Resource<MachineProperties>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MachineProperties {
    #[serde(rename = "virtualMachineScaleSet", deserialize_with = "reference")]
    pub scale_set: Option<ResourceId>,
    #[serde(deserialize_with = "null_as_default")]
    network_profile: NetworkProfile,
    /// `Succeeded`, `Creating`.
    #[serde(deserialize_with = "text")]
    provisioning_state: Option<String>,
    /// The power state, only there when it was requested: `running`, `deallocated`.
    #[serde(rename = "instanceView", deserialize_with = "power_state")]
    pub power_state: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NetworkProfile {
    #[serde(deserialize_with = "objects")]
    network_interfaces: Vec<Reference>,
}

impl Properties for MachineProperties {
    const KIND: Kind = VIRTUAL_MACHINES;
}

/// `Microsoft.Compute/virtualMachineScaleSets`.
pub(crate) type ScaleSet = Resource<ScaleSetProperties>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ScaleSetProperties {
    /// Absent with api-versions before 2020-12-01, when every set was Uniform.
    #[serde(deserialize_with = "text")]
    pub orchestration_mode: Option<String>,
}

impl Properties for ScaleSetProperties {
    const KIND: Kind = SCALE_SETS;
}

/// `Microsoft.Network/publicIPAddresses`, and the same of Uniform instances.
pub(crate) type PublicAddress = Resource<AddressProperties>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AddressProperties {
    /// Absent until a dynamic address is given out (recorded 2023).
    #[serde(deserialize_with = "address")]
    pub ip_address: Option<AddressField>,
    #[serde(rename = "provisioningState", deserialize_with = "is_present")]
    has_provisioning_state: bool,
}

impl Properties for AddressProperties {
    const KIND: Kind = PUBLIC_ADDRESSES;
}

/// One hit of the resource index (`/subscriptions/S/resources`): no tags when it was requested by
/// tag.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IndexedResource {
    pub id: ResourceId,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
}

impl NetworkInterface {
    /// Whether any of its IP configurations has a private address.
    pub(crate) fn has_private_address(&self) -> bool {
        let mut fields = self.properties.ip_configurations.iter();
        fields.any(|field| matches!(field.private_address(), Some(AddressField::Address(_))))
    }
}

impl IpConfiguration {
    /// What it has for a private address.
    pub(crate) fn private_address(&self) -> Option<AddressField> {
        let field = self.properties.private_ip_address.clone()?;
        Some(field.with_prefix_length(self.properties.private_ip_address_prefix_length))
    }

    /// Whether the response has no data of it: not even whether it has an address.
    pub(crate) fn is_blank(&self) -> bool {
        let properties = &self.properties;
        properties.private_ip_address.is_none()
            && properties.primary.is_none()
            && properties.public_address.is_none()
            && !properties.has_version
            && !properties.has_provisioning_state
    }
}

impl PublicAddress {
    /// Whether the response has no data of it: not even whether it was given out.
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
    /// Whether the response leaves out which interfaces it has. One that is being made has none
    /// yet; every other one has.
    pub(crate) fn lacks_interfaces(&self) -> bool {
        let references = &self.properties.network_profile.network_interfaces;
        references.iter().any(|reference| reference.id.is_empty())
            || (references.is_empty() && self.is_made())
    }

    /// Whether it is neither being made, changed or deleted nor failed to be, as far as the
    /// response has its state.
    pub(crate) fn is_made(&self) -> bool {
        let state = self.properties.provisioning_state.as_deref();
        state.is_none_or(|state| state.eq_ignore_ascii_case("Succeeded"))
    }

    /// The ids of its interfaces.
    pub(crate) fn interface_ids(&self) -> impl Iterator<Item = &ResourceId> {
        let references = self.properties.network_profile.network_interfaces.iter();
        let ids = references.map(|reference| &reference.id);
        ids.filter(|id| !id.is_empty())
    }

    /// Takes the ids of its interfaces out of it.
    pub(crate) fn take_interface_ids(&mut self) -> Vec<ResourceId> {
        let references = &mut self.properties.network_profile.network_interfaces;
        let references = std::mem::take(references).into_iter();
        references.map(|reference| reference.id).collect()
    }

    /// Whether it is an instance of the scale set, by the set it names; `None` where the
    /// response has no data of it.
    pub(crate) fn is_member_of(&self, set: &ResourceId) -> Option<bool> {
        match &self.properties.scale_set {
            Some(id) if id.is_empty() => None,
            Some(id) => Some(id == set),
            None if self.lacks_interfaces() => None,
            None => Some(false),
        }
    }
}

/// An object of which only the id is known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: ResourceId,
}

/// Reads the id of a reference, which is empty where the reference has none.
fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ResourceId>, D::Error> {
    let reference: Option<Reference> = Option::deserialize(deserializer)?;
    Ok(reference.map(|reference| reference.id))
}

/// Reads the word after `PowerState/` in the statuses of an instance view. Without case in the
/// prefix.
fn power_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct InstanceView {
        #[serde(deserialize_with = "objects")]
        statuses: Vec<Status>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        #[serde(deserialize_with = "text")]
        code: Option<String>,
    }
    let view: InstanceView = null_as_default(deserializer)?;
    let mut codes = view.statuses.into_iter().filter_map(|status| status.code);
    Ok(codes.find_map(|code| {
        let (kind, state) = code.split_once('/')?;
        kind.eq_ignore_ascii_case("PowerState")
            .then(|| state.to_owned())
    }))
}

fn capacity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sku {
        #[serde(deserialize_with = "number")]
        capacity: Option<u64>,
    }
    null_as_default(deserializer).map(|sku: Sku| sku.capacity)
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct TagValue(#[serde(deserialize_with = "text")] Option<String>);

        struct TagsVisitor;

        impl<'de> Visitor<'de> for TagsVisitor {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tags")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = Vec::new();
                while let Some((name, TagValue(value))) = map.next_entry()? {
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
                    Some(_) => Err(serde::de::Error::invalid_length(1, &self)),
                }
            }
        }

        deserializer.deserialize_any(TagsVisitor)
    }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
