//! Fields read as widely as services write them.
//!
//! One odd field must not make a page of a thousand resources unreadable. `null` counts as absent
//! and as an empty element of a list, a number or a boolean is read where a text is documented and
//! the other way round, and a value of any other kind counts as absent. What an absent field means
//! is decided in `discover/`: an interface without addresses is an error there, not a shorter list.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that is no list and no object.
enum Scalar<'de> {
    Absent,
    Boolean(bool),
    Unsigned(u64),
    Text(Cow<'de, str>),
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| Scalar::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_map(object).map(|_| Scalar::Absent)
    }
}

/// Reads a text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Absent => None,
        Scalar::Boolean(value) => Some(value.to_string()),
        Scalar::Unsigned(value) => Some(value.to_string()),
        Scalar::Text(text) => Some(text.into_owned()),
    })
}

/// Reads the first text of a list that isn't empty.
pub(super) fn first_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize, Default)]
    struct Text(#[serde(deserialize_with = "text")] Option<String>);

    let list: Vec<Text> = objects(deserializer)?;
    let mut texts = list.into_iter().filter_map(|Text(text)| text);
    Ok(texts.find(|text| !text.is_empty()))
}

/// Reads a boolean.
pub(super) fn boolean<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Boolean(value) => Some(value),
        Scalar::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Scalar::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// Reads a number that is not negative.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Unsigned(value) => Some(value),
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Boolean(_) | Scalar::Absent => None,
    })
}

/// Reads an address; an empty text is none.
pub(super) fn address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AddressField>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => AddressField::parse(text.trim()),
        Scalar::Unsigned(value) => Some(AddressField::Unreadable(value.to_string())),
        Scalar::Boolean(_) | Scalar::Absent => None,
    })
}

/// Whether the field is there and not `null`.
pub(super) fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|value| value.is_some())
}

/// Reads what has a default, which `null` means too.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a list of objects. `null` among them is an empty object, so that none is lost.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    let list = list.unwrap_or_default().into_iter();
    Ok(list.map(Option::unwrap_or_default).collect())
}

/// What a field for an IP address holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddressField {
    /// One address.
    Address(IpAddr),
    /// A block of addresses, as AKS takes for pods: `10.240.0.16/28`.
    Block(IpAddr, u8),
    /// Something else.
    Unreadable(String),
}

impl AddressField {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse().map(Some)),
            None => (text, Ok(None)),
        };
        Some(match (address.parse(), length) {
            (Ok(address), Ok(length)) => Self::Address(address).with_prefix_length(length),
            _ => Self::Unreadable(text.to_owned()),
        })
    }

    /// The block of that prefix length; the address where the block holds no other.
    pub(super) fn with_prefix_length(self, length: Option<u64>) -> Self {
        match (self, length.map(u8::try_from)) {
            (Self::Address(address), Some(Ok(length)))
                if length < if address.is_ipv4() { 32 } else { 128 } =>
            {
                Self::Block(address, length)
            }
            (field, _) => field,
        }
    }
}

impl fmt::Display for AddressField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Block(address, length) => write!(f, "{address}/{length}"),
            Self::Unreadable(text) => f.write_str(text),
        }
    }
}
