//! Fields read as widely as services write them.
//!
//! One odd field must not make a page of a thousand resources unreadable. `null` counts as absent
//! and as an empty element of a list, a number or a boolean is read where a text is documented and
//! the other way round, and a value of any other kind counts as absent. What an absent field means
//! is decided in `discover/`: an interface without addresses is an error there, not a shorter list.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::Value;

/// Reads a text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
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
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(value) => Some(value),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    })
}

/// Reads a number that is not negative.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = text(deserializer)?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

/// Reads an address; an empty text is none.
pub(super) fn address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AddressField>, D::Error> {
    let text = text(deserializer)?;
    Ok(text.and_then(|text| AddressField::parse(text.trim())))
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
