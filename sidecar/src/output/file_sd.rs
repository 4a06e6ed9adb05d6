//! Prometheus' file_sd and http_sd: a list of target groups, one for each target, so that each has
//! its own labels.
//!
//! Prometheus drops `__meta_` labels after relabelling, unless a rule keeps them.

use cloud_autojoin::Address;
use serde::{Deserialize, Serialize};

use super::address_format;
use crate::failure::Failure;

/// Labels, sorted by name.
pub(crate) type Labels = std::collections::BTreeMap<String, String>;

/// Whether every version of Prometheus accepts this label name.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A target group.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    targets: Vec<String>,
    labels: Labels,
}

/// The groups of `addresses`, found by the watch named `watch`. `port` is that of addresses without
/// one.
pub(crate) fn groups(
    watch: &str,
    addresses: &[Address],
    port: Option<u16>,
    labels: &Labels,
) -> Vec<Group> {
    let group = |address: &Address| {
        let mut labels = labels.clone();
        labels.insert("__meta_discover_watch".to_owned(), watch.to_owned());
        for (name, value) in [
            ("instance", &address.instance),
            ("network_interface", &address.network_interface),
        ] {
            if let Some(value) = value {
                labels.insert(format!("__meta_discover_{name}"), value.clone());
            }
        }
        Group {
            targets: vec![address.port.or(port).map_or_else(
                || address.host.to_string(),
                |port| address_format::with_port(&address.host, port),
            )],
            labels,
        }
    };
    addresses.iter().map(group).collect()
}

pub(super) fn render(groups: &[Group]) -> Result<String, Failure> {
    serde_json::to_string_pretty(groups)
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))
}

pub(super) fn verify(groups: &[Group], text: &str) -> Result<(), Failure> {
    let read: Vec<Group> = serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("what was written does not parse: {error}")))?;
    if read == groups {
        Ok(())
    } else {
        Err(Failure::new("what was written does not hold the addresses"))
    }
}
