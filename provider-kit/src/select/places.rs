//! Where instances must be.

use std::fmt;

use cloud_autojoin_core::Exclusion;

/// The regions, zones or locations that instances must be in one of; all if none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    attribute: &'static str,
    names: Vec<String>,
}

impl Places {
    /// Instances must have one of `names` as this attribute: `region`, `zone`.
    pub fn new(attribute: &'static str, names: Vec<String>) -> Self {
        Self { attribute, names }
    }

    /// The names, in the order given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether instances may be anywhere.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Why an instance with these attributes is elsewhere.
    pub(super) fn mismatch(&self, attributes: &[(&'static str, String)]) -> Option<Exclusion> {
        let is_here = |(attribute, value): &(&'static str, String)| {
            *attribute == self.attribute && self.names.contains(value)
        };
        let is_elsewhere = !self.is_empty() && !attributes.iter().any(is_here);
        is_elsewhere.then(|| Exclusion::NotMember {
            of: self.to_string(),
        })
    }
}

/// In words: ``region `fra1`, `ams3` ``.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.attribute, self.names.join("`, `"))
    }
}
