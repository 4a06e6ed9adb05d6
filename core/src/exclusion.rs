//! The reasons for which something that was looked at gives no address.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Why a node, or one of its addresses, was left out.
///
/// Serialised it is an object of `reason` (the [`Exclusion::code`]) and `message` (its words).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// It has no tag of that name.
    TagMissing {
        /// The tag's name as asked for.
        tag: String,
    },
    /// It has the tag with another value.
    TagDiffers {
        /// The tag's name as asked for.
        tag: String,
        /// The value asked for.
        wanted: String,
        /// The value it has.
        found: String,
    },
    /// The tag is set on its parent resource instead.
    TagElsewhere {
        /// The tag's name as asked for.
        tag: String,
        /// The resource that has the tag, as `instance group consul`.
        found_on: String,
    },
    /// It has no private address yet.
    NoAddress,
    /// Its instance is gone: the cloud still lists what belonged to it.
    InstanceGone,
    /// Its instance is not running.
    NotRunning {
        /// The power state, as `deallocated`.
        state: String,
    },
    /// It has addresses, but none of the type asked for.
    OtherAddressType {
        /// The address left out.
        found: String,
        /// The type asked for, as `private_v4`.
        wanted: String,
    },
    /// It is a block of addresses, which belongs to no single machine.
    AddressBlock {
        /// The block, as `10.240.0.16/28`.
        block: String,
    },
    /// The cloud's answer leaves out what decides it.
    Incomplete {
        /// What is missing, as `its IP configuration has no properties`.
        what: Cow<'static, str>,
    },
    /// It is not the primary interface or configuration, and only that one was asked for.
    NotPrimary,
    /// It is attached to no instance.
    NotAttached,
    /// It belongs to something else than what was asked for.
    NotMember {
        /// What it does not belong to.
        of: String,
    },
    /// It was in the list and gone a moment later.
    Vanished,
    /// Another reason, in words.
    Other(Cow<'static, str>),
}

impl Exclusion {
    /// The kind of the reason as one word, for counting and for JSON.
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
            Self::InstanceGone => f.write_str("its instance is gone"),
            Self::NotRunning { state } => write!(f, "its instance is {state}"),
            Self::OtherAddressType { found, wanted } => write!(f, "{found} is not {wanted}"),
            Self::AddressBlock { block } => {
                write!(f, "{block} is a block of addresses, not one address")
            }
            Self::Incomplete { what } => write!(f, "the answer is incomplete: {what}"),
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
