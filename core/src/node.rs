//! An examined resource of a result.

use serde::{Serialize, Serializer};

use crate::address::Address;
use crate::exclusion::Exclusion;

/// An examined resource: a network interface, an instance, a pod.
///
/// It matches if it has addresses; `excluded` has the reasons for which it, or a part of it,
/// doesn't.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// Its kind, in the cloud's terms: `network interface`.
    pub kind: &'static str,
    /// Its id in the cloud.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its parent resources, outermost first: a group of instances, then an instance.
    pub parents: Vec<Parent>,
    /// Further facts about it, in the cloud's own terms and in display order: `("region", "fra1")`,
    /// `("status", "active")`. The first is the widest container it is in: a project, a namespace.
    #[serde(serialize_with = "as_object")]
    pub attributes: Vec<(&'static str, String)>,
    /// Its tags or labels, in the cloud's order, if the join string selects by them.
    pub tags: Vec<(String, String)>,
    /// Its matching addresses.
    #[serde(serialize_with = "as_text")]
    pub addresses: Vec<Address>,
    /// Why it, or a part of it, is excluded.
    pub excluded: Vec<Exclusion>,
}

/// A parent resource of a [`Node`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parent {
    /// Its kind, in the cloud's terms: `instance group`.
    pub kind: &'static str,
    /// Its name, unique within the node's first attribute.
    pub name: String,
}

impl Parent {
    /// A parent of this kind.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

fn as_object<S: Serializer>(
    attributes: &[(&'static str, String)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter().map(|(name, value)| (name, value)))
}

fn as_text<S: Serializer>(
    addresses: &[Address],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(addresses.iter().map(ToString::to_string))
}

impl Node {
    /// A node of this kind, without addresses or attributes.
    pub fn new(kind: &'static str, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: name.into(),
            parents: Vec::new(),
            attributes: Vec::new(),
            tags: Vec::new(),
            addresses: Vec::new(),
            excluded: Vec::new(),
        }
    }

    /// Adds an attribute, unless its value is unknown or empty.
    pub fn add_attribute(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.attributes.push((name, value));
        }
    }

    /// The name of the parent of this kind.
    pub fn parent(&self, kind: &str) -> Option<&str> {
        self.parents
            .iter()
            .find(|parent| parent.kind == kind)
            .map(|parent| parent.name.as_str())
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it has a matching address.
    pub fn is_match(&self) -> bool {
        !self.addresses.is_empty()
    }
}
