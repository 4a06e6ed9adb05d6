//! ARM's resource index: every resource by type, name and tag, without properties, and with a lag.
//!
//! Shapes: recorded azure-cli `test_tag_default_location_scenario`, `test_resource_scenario`,
//! `test_delete_dependent_resources` (2021-04-01, 2022-09-01): with a tag in the filter the
//! response has no tags.

use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::{ArmBody, ArmContext, id, page};
use crate::clouds::azure::world::{Listing, ResourceGroup, Tags};

const TYPES: [&str; 4] = [
    "Microsoft.Compute/virtualMachineScaleSets",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/publicIPAddresses",
];

/// One row of the index. Its id is formatted when it is returned: most rows of a large subscription
/// match no filter.
struct Row<'a> {
    group: &'a ResourceGroup,
    kind: &'static str,
    name: &'a str,
    tags: &'a Tags,
}

impl Row<'_> {
    fn id(&self, subscription: &str) -> String {
        id::resource(subscription, &self.group.name, self.kind, self.name)
    }
}

pub(super) fn list(context: &ArmContext<'_>) -> Result<ArmBody, ArmError> {
    let own = &context.subscription.id;
    let subscription = format!("/subscriptions/{own}");
    let may = |kind: &str, scope: &str| context.caller.may(&format!("{kind}/read"), scope);
    if !TYPES.iter().any(|kind| {
        may(kind, &subscription)
            || context
                .groups
                .iter()
                .any(|group| may(kind, &id::resource_group(own, &group.name)))
    }) {
        return Err(ArmError::authorization_failed(
            context.caller,
            "Microsoft.Resources/subscriptions/resources/read",
            &subscription,
        ));
    }
    let filter = Filter::parse(context.request.query("$filter").unwrap_or_default())?;
    let lag = &context.world.settings().index_lag;
    let all = || {
        let rows = context
            .groups
            .iter()
            .flat_map(|group| rows(group))
            .filter(|row| filter.fits(row));
        rows.filter(|row| {
            !lag.iter()
                .any(|hidden| hidden.eq_ignore_ascii_case(row.name))
                && may(row.kind, &row.id(own))
        })
        .collect::<Vec<_>>()
    };
    page::list_seen_by(
        context,
        Listing::Resources,
        &context.caller.object_id,
        all,
        |row| show(&row, own, !filter.names_a_tag()),
    )
}

fn rows(group: &ResourceGroup) -> impl Iterator<Item = Row<'_>> {
    let row = move |kind, name, tags| Row {
        group,
        kind,
        name,
        tags,
    };
    let sets = group
        .scale_sets
        .iter()
        .map(move |set| row(TYPES[0], &set.name, &set.tags));
    let machines = group
        .virtual_machines
        .iter()
        .map(move |machine| row(TYPES[1], &machine.name, &machine.tags));
    let interfaces = group
        .network_interfaces
        .iter()
        .map(move |interface| row(TYPES[2], &interface.name, &interface.tags));
    let addresses = group
        .public_addresses
        .iter()
        .map(move |address| row(TYPES[3], &address.name, &address.tags));
    sets.chain(machines).chain(interfaces).chain(addresses)
}

fn show(row: &Row<'_>, subscription: &str, shows_tags: bool) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), row.id(subscription).into());
    shown.insert("name".to_owned(), row.name.into());
    shown.insert("type".to_owned(), row.kind.into());
    if row.kind == TYPES[3] {
        shown.insert("sku".to_owned(), json!({ "name": "Basic" }));
    }
    shown.insert("location".to_owned(), row.group.location.clone().into());
    if shows_tags && !row.tags.is_empty() {
        shown.insert("tags".to_owned(), json!(row.tags));
    }
    shown.into()
}

/// The conditions of a `$filter`. A tag can't be combined with other conditions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    tag_name: Option<String>,
    tag_value: Option<String>,
    tag_name_start: Option<String>,
    kind: Option<String>,
    name: Option<String>,
}

impl Filter {
    fn parse(text: &str) -> Result<Self, ArmError> {
        let invalid = || ArmError::invalid_index_filter(text);
        let mut filter = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (place, value, after) = if let Some(inside) = strip_word(rest, "startswith(") {
                let inside = strip_word(inside.trim_start(), "tagName")
                    .and_then(|rest| rest.trim_start().strip_prefix(','))
                    .ok_or_else(invalid)?;
                let (value, after) = quoted(inside.trim_start()).ok_or_else(invalid)?;
                (
                    &mut filter.tag_name_start,
                    value,
                    after.trim_start().strip_prefix(')').ok_or_else(invalid)?,
                )
            } else {
                let (word, after) = rest.split_once(char::is_whitespace).ok_or_else(invalid)?;
                let place = match word.to_ascii_lowercase().as_str() {
                    "tagname" => &mut filter.tag_name,
                    "tagvalue" => &mut filter.tag_value,
                    "resourcetype" => &mut filter.kind,
                    "name" => &mut filter.name,
                    _ => return Err(invalid()),
                };
                let after = strip_word(after.trim_start(), "eq ").ok_or_else(invalid)?;
                let (value, after) = quoted(after.trim_start()).ok_or_else(invalid)?;
                (place, value, after)
            };
            if place.replace(value).is_some() {
                return Err(invalid());
            }
            rest = after.trim_start();
            if !rest.is_empty() {
                rest = strip_word(rest, "and ").ok_or_else(invalid)?.trim_start();
                if rest.is_empty() {
                    return Err(invalid());
                }
            }
        }
        let mixed = filter.names_a_tag() && (filter.kind.is_some() || filter.name.is_some());
        let value_alone = filter.tag_value.is_some() && filter.tag_name.is_none();
        if mixed || value_alone {
            Err(invalid())
        } else {
            Ok(filter)
        }
    }

    fn names_a_tag(&self) -> bool {
        self.tag_name.is_some() || self.tag_name_start.is_some()
    }

    /// Tag names are compared without case, tag values exactly.
    fn fits(&self, row: &Row<'_>) -> bool {
        let tag = |wanted: &String| {
            row.tags.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case(wanted)
                    && self.tag_value.as_ref().is_none_or(|wanted| value == wanted)
            })
        };
        let start = |wanted: &String| {
            row.tags.keys().any(|name| {
                name.to_ascii_lowercase()
                    .starts_with(&wanted.to_ascii_lowercase())
            })
        };
        self.tag_name.as_ref().is_none_or(tag)
            && self.tag_name_start.as_ref().is_none_or(start)
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| row.kind.eq_ignore_ascii_case(kind))
            && self
                .name
                .as_ref()
                .is_none_or(|name| row.name.eq_ignore_ascii_case(name))
    }
}

/// The text after `word`, which is compared case-insensitively.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// A text in single quotes, a quote in it doubled, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn filters_are_read_as_the_azure_cli_writes_them() {
        let filter = Filter::parse("tagname eq 'consul' and tagvalue eq 'it''s'").unwrap();
        assert_eq!(
            filter,
            Filter {
                tag_name: Some("consul".to_owned()),
                tag_value: Some("it's".to_owned()),
                ..Filter::default()
            }
        );
        assert_eq!(
            Filter::parse("startswith(tagName, 'con')").unwrap(),
            Filter {
                tag_name_start: Some("con".to_owned()),
                ..Filter::default()
            }
        );
        assert_eq!(Filter::parse("").unwrap(), Filter::default());
    }

    #[test]
    fn a_tag_with_anything_else_is_refused() {
        for filter in [
            "tagName eq 'a' and resourceType eq 'Microsoft.Network/networkInterfaces'",
            "tagValue eq 'b'",
            "tagName eq a",
            "tagName eq 'a' or tagName eq 'b'",
            "tagName eq 'a' and ",
            "tagName eq 'a' and tagName eq 'b'",
            "plan eq 'x'",
        ] {
            assert_eq!(
                Filter::parse(filter).unwrap_err().code,
                "InvalidFilterInQueryString",
                "{filter}"
            );
        }
    }
}
