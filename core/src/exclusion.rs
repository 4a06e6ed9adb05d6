//! The reasons for which an examined node or address is excluded.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Why a node, or one of its addresses, is excluded.
///
/// Serialises to an object with `reason` (the [`Exclusion::code`]) and `message` (the text).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// It doesn't have the tag.
    TagMissing {
        /// The requested tag.
        tag: String,
    },
    /// The tag has another value.
    TagDiffers {
        /// The requested tag.
        tag: String,
        /// The requested value.
        wanted: String,
        /// The actual value.
        found: String,
    },
    /// The tag is set on its parent resource instead.
    TagElsewhere {
        /// The requested tag.
        tag: String,
        /// The resource that has the tag, as `instance group consul`.
        found_on: String,
    },
    /// It has no private address yet.
    NoAddress,
    /// Its instance was deleted, and the cloud still lists the resources of it.
    InstanceGone,
    /// Its instance is not running.
    NotRunning {
        /// The power state, as `deallocated`.
        state: String,
    },
    /// It has addresses, but none of the requested type.
    OtherAddressType {
        /// The excluded address.
        found: String,
        /// The requested type, as `private_v4`.
        wanted: String,
    },
    /// It is a block of addresses instead of one address.
    AddressBlock {
        /// The block, as `10.240.0.16/28`.
        block: String,
    },
    /// The response lacks a field that decides whether it matches.
    Incomplete {
        /// What is missing, as `its IP configuration has no properties`.
        what: Cow<'static, str>,
    },
    /// It isn't the primary interface or configuration, and only that one was requested.
    NotPrimary,
    /// It is attached to no instance.
    NotAttached,
    /// It belongs to another resource than the requested one.
    NotMember {
        /// The resource it doesn't belong to.
        of: String,
    },
    /// It was deleted between list and get.
    Vanished,
    /// Another reason, in words.
    Other(Cow<'static, str>),
}

impl Exclusion {
    /// The code of the reason, for counts and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TagMissing { .. } => "tag_missing",
            Self::TagDiffers { .. } => "tag_differs",
            Self::TagElsewhere { .. } => "tag_elsewhere",
            Self::NoAddress => "no_address",
            Self::InstanceGone => "instance_gone",
            Self::NotRunning { .. } => "not_running",
            Self::OtherAddressType { .. } => "other_address_type",
            Self::AddressBlock { .. } => "address_block",
            Self::Incomplete { .. } => "incomplete",
            Self::NotPrimary => "not_primary",
            Self::NotAttached => "not_attached",
            Self::NotMember { .. } => "not_member",
            Self::Vanished => "vanished",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TagMissing { tag } => write!(f, "no tag `{tag}`"),
            Self::TagDiffers { tag, wanted, found } => {
                write!(f, "tag `{tag}` is `{found}`, not `{wanted}`")
            }
            Self::TagElsewhere { tag, found_on } => {
                write!(f, "tag `{tag}` is set on the {found_on}")
            }
            Self::NoAddress => f.write_str("no private address yet"),
            Self::InstanceGone => f.write_str("its instance was deleted"),
            Self::NotRunning { state } => write!(f, "its instance is {state}"),
            Self::OtherAddressType { found, wanted } => write!(f, "{found} is not {wanted}"),
            Self::AddressBlock { block } => {
                write!(f, "{block} is a block of addresses, not one address")
            }
            Self::Incomplete { what } => write!(f, "the response is incomplete: {what}"),
            Self::NotPrimary => f.write_str("not primary"),
            Self::NotAttached => f.write_str("attached to no instance"),
            Self::NotMember { of } => write!(f, "not part of {of}"),
            Self::Vanished => f.write_str("deleted between list and get"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl Serialize for Exclusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Exclusion", 2)?;
        fields.serialize_field("reason", self.code())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
