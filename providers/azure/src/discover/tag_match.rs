//! Whether tags hold, and what was found instead: values that differ, tags that are set elsewhere.
//!
//! Names are compared without case and values exactly, as Azure does. A tag may be set on the
//! interface, on its instance or on the scale set of that; which of these count is the query's.

use std::collections::BTreeMap;

use cloud_autojoin_core::config::key;
use cloud_autojoin_core::{Discovery, Exclusion, Finding};

use crate::arm::{
    self, IndexedResource, Kind, NETWORK_INTERFACES, SCALE_SETS, VIRTUAL_MACHINES, same_name,
};
use crate::select::{TagCondition, TagPlace, Tags};

/// How many different values of one tag are kept.
const VALUES: usize = 20;

/// The places, each with the type of its resources.
pub(super) const PLACES: [(TagPlace, Kind); 3] = [
    (TagPlace::ScaleSet, SCALE_SETS),
    (TagPlace::Instance, VIRTUAL_MACHINES),
    (TagPlace::NetworkInterface, NETWORK_INTERFACES),
];

/// The place that a hit of the index is of.
pub(super) fn place_of(hit: &IndexedResource) -> Option<TagPlace> {
    let found = hit.kind();
    let mut places = PLACES.iter();
    let place = places.find(|(_, kind)| found.eq_ignore_ascii_case(kind.name));
    place.map(|(place, _)| *place)
}

/// A place and the tags of the resource there, if they are known.
pub(super) type Tagged<'a> = (TagPlace, Option<&'a arm::Tags>);

/// Why the tags do not hold for a resource and its parents, of which `tagged` has the tags: one
/// reason for each that doesn't, in the order of the query.
pub(super) fn mismatches(wanted: &Tags, tagged: &[Tagged<'_>]) -> Vec<Exclusion> {
    let conditions = wanted.conditions.iter();
    let mismatch = |condition| mismatch(condition, wanted, tagged);
    conditions.filter_map(mismatch).collect()
}

fn mismatch(condition: &TagCondition, wanted: &Tags, tagged: &[Tagged<'_>]) -> Option<Exclusion> {
    let (mut elsewhere, mut differing) = (None, None);
    for (place, tags) in tagged {
        let tags = tags.iter().flat_map(|tags| &tags.0);
        for (_, found) in tags.filter(|(name, _)| same_name(name, &condition.name)) {
            match (wanted.may_be_on(*place), *found == condition.value) {
                (true, true) => return None,
                (true, false) => differing = differing.or(Some(found)),
                (false, true) => elsewhere = elsewhere.or(Some(place)),
                (false, false) => {}
            }
        }
    }
    let tag = condition.name.clone();
    Some(match (elsewhere, differing) {
        (Some(place), _) => Exclusion::TagElsewhere {
            tag,
            found_on: place.to_string(),
        },
        (None, Some(found)) => Exclusion::TagDiffers {
            tag,
            wanted: condition.value.clone(),
            found: found.clone(),
        },
        (None, None) => Exclusion::TagMissing { tag },
    })
}

/// How many resources have another value of a tag, and the first few values with their counts.
type Values = (usize, BTreeMap<String, usize>);

/// The tags that were found instead, in memory that does not grow with the resources examined.
#[derive(Debug, Default)]
pub(super) struct NearMisses {
    /// How many resources were examined.
    pub examined: usize,
    /// The other values of each tag.
    differing: BTreeMap<String, Values>,
    /// How many resources have a parent with the tag, by the tag and the parent's kind.
    elsewhere: BTreeMap<(String, String), usize>,
}

impl NearMisses {
    /// Adds the mismatches of one resource; none if it matched.
    pub(super) fn note(&mut self, reasons: &[Exclusion]) {
        self.examined += 1;
        for reason in reasons {
            match reason {
                Exclusion::TagDiffers { tag, found, .. } => {
                    let (count, values) = self.differing.entry(tag.clone()).or_default();
                    *count += 1;
                    if values.len() < VALUES || values.contains_key(found) {
                        *values.entry(found.clone()).or_default() += 1;
                    }
                }
                Exclusion::TagElsewhere { tag, found_on } => {
                    let key = (tag.clone(), found_on.clone());
                    *self.elsewhere.entry(key).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    /// Adds the findings about tags that are set on another resource, and about values that are not
    /// the requested ones; `things` is what was examined, in the plural.
    pub(super) fn explain(&self, wanted: &Tags, things: &str, discovery: &mut Discovery) {
        for ((tag, found_on), count) in &self.elsewhere {
            let message =
                format!("of {count} of the {things} tag `{tag}` is set on the {found_on}");
            let mut places = PLACES.iter().map(|(place, _)| *place);
            if let Some(place) = places.find(|place| place.to_string() == *found_on) {
                discovery.add_finding(with_place(Finding::new(message), wanted, place));
            }
        }
        for condition in &wanted.conditions {
            if let Some(values) = self.differing.get(&condition.name) {
                discovery.add_finding(of_values(condition, values, things));
            }
        }
    }
}

fn of_values(wanted: &TagCondition, (count, values): &Values, things: &str) -> Finding {
    let TagCondition { name, value } = wanted;
    let mut like = values.iter();
    if let Some((found, count)) = like.find(|(found, _)| same_name(found.trim(), value.trim())) {
        let message = format!(
            "{count} of the {things} have tag `{name}` = `{found}`, and values are compared exactly"
        );
        let hint = format!("use the value `{found}`, or correct the tag");
        return Finding::new(message).with_hint(hint);
    }
    let listed = values.keys().take(3).map(|value| format!("`{value}`"));
    let mut listed: Vec<String> = listed.collect();
    if values.len() > listed.len() {
        listed.push("...".to_owned());
    }
    let listed = listed.join(", ");
    let message = format!("{count} of the {things} have tag `{name}` with other values: {listed}");
    let near = key::nearest_name(value, values.keys().map(String::as_str));
    Finding::new(message).with_hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("check the value `{value}` of tag `{name}`"),
    })
}

/// The finding with the hint and the change by which tags on `place` count, unless they do: alone
/// where there is one tag, beside the other places where there are several, each of which may be
/// set elsewhere.
pub(super) fn with_place(finding: Finding, tags: &Tags, place: TagPlace) -> Finding {
    if tags.may_be_on(place) {
        return finding;
    }
    let mut words: Vec<&str> = vec![place.word()];
    if tags.conditions.len() > 1 {
        words.splice(0..0, tags.places.iter().map(|place| place.word()));
    }
    let before = finding.hint.as_ref().map(|hint| format!("{hint} and"));
    let before = before.unwrap_or_else(|| "add".to_owned());
    finding
        .with_hint(format!("{before} `tag_on={}`", place.word()))
        .with_change("tag_on", Some(&words.join(",")))
}

#[cfg(test)]
mod tests {
    use cloud_autojoin_core::Detail;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> arm::Tags {
        arm::Tags(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn wanted(conditions: &[(&str, &str)], places: &[TagPlace]) -> Tags {
        Tags::on_network_interface(
            conditions
                .iter()
                .map(|(name, value)| TagCondition::new(*name, *value))
                .collect(),
        )
        .with_places(places.to_vec())
    }

    fn reasons(wanted: &Tags, tagged: &[Tagged<'_>]) -> Vec<String> {
        mismatches(wanted, tagged)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn findings(near: &NearMisses, wanted: &Tags) -> Vec<Finding> {
        let mut discovery = Discovery::new("azure", "tags", Detail::Addresses);
        near.explain(wanted, "network interfaces", &mut discovery);
        discovery.findings().to_vec()
    }

    const NIC: TagPlace = TagPlace::NetworkInterface;

    #[test]
    fn names_are_compared_without_case_and_values_exactly() {
        let wanted = wanted(&[("Consul", "server")], &[NIC]);
        assert!(mismatches(&wanted, &[(NIC, Some(&tags(&[("cONSUL", "server")])))]).is_empty());
        assert_eq!(
            reasons(&wanted, &[(NIC, Some(&tags(&[("consul", "Server")])))]),
            ["tag `Consul` is `Server`, not `server`"]
        );
        assert_eq!(
            reasons(&wanted, &[(NIC, Some(&tags(&[("nomad", "server")])))]),
            ["no tag `Consul`"]
        );
    }

    #[test]
    fn all_tags_must_hold_each_in_any_of_the_places() {
        let wanted = wanted(&[("a", "1"), ("b", "2")], &[NIC, TagPlace::ScaleSet]);
        let (interface, set) = (tags(&[("a", "1")]), tags(&[("b", "2")]));
        assert!(
            mismatches(
                &wanted,
                &[(NIC, Some(&interface)), (TagPlace::ScaleSet, Some(&set))]
            )
            .is_empty()
        );
        assert_eq!(reasons(&wanted, &[(NIC, Some(&interface))]), ["no tag `b`"]);
    }

    #[test]
    fn a_tag_in_a_place_that_does_not_count_is_named_with_its_place() {
        let wanted = wanted(&[("a", "1")], &[NIC]);
        assert_eq!(
            reasons(
                &wanted,
                &[
                    (NIC, Some(&tags(&[]))),
                    (TagPlace::ScaleSet, Some(&tags(&[("a", "1")])))
                ]
            ),
            ["tag `a` is set on the scale set"]
        );
    }

    #[test]
    fn a_value_in_another_case_is_the_finding() {
        let wanted = wanted(&[("consul", "server")], &[NIC]);
        let mut near = NearMisses::default();
        for value in ["client", "Server", "client"] {
            near.note(&mismatches(
                &wanted,
                &[(NIC, Some(&tags(&[("consul", value)])))],
            ));
        }
        let findings = findings(&near, &wanted);
        assert_eq!(
            findings[0].message,
            "1 of the network interfaces have tag `consul` = `Server`, and values are compared exactly"
        );
        assert_eq!(
            findings[0].hint.as_deref(),
            Some("use the value `Server`, or correct the tag")
        );
    }

    #[test]
    fn a_mistyped_value_has_the_nearest_one_as_its_hint() {
        let wanted = wanted(&[("consul", "servre")], &[NIC]);
        let mut near = NearMisses::default();
        ["client", "server"].into_iter().for_each(|value| {
            near.note(&mismatches(
                &wanted,
                &[(NIC, Some(&tags(&[("consul", value)])))],
            ))
        });
        assert_eq!(
            findings(&near, &wanted)[0].hint.as_deref(),
            Some("did you mean `server`?")
        );
    }

    #[test]
    fn a_tag_elsewhere_says_what_to_change_and_keeps_the_other_places_where_there_are_other_tags() {
        let set = tags(&[("a", "1")]);
        for (conditions, words) in [
            (&[("a", "1")][..], "scale_set"),
            (&[("a", "1"), ("b", "2")], "nic,scale_set"),
        ] {
            let wanted = wanted(conditions, &[NIC]);
            let mut near = NearMisses::default();
            near.note(&mismatches(
                &wanted,
                &[(NIC, Some(&tags(&[]))), (TagPlace::ScaleSet, Some(&set))],
            ));
            assert_eq!(
                findings(&near, &wanted)[0].changes,
                [("tag_on".to_owned(), Some(words.to_owned()))]
            );
        }
    }

    #[test]
    fn other_values_are_listed_and_not_without_end() {
        let wanted = wanted(&[("consul", "server")], &[NIC]);
        let mut near = NearMisses::default();
        for number in 0..1000 {
            near.note(&mismatches(
                &wanted,
                &[(NIC, Some(&tags(&[("consul", &format!("v{number:04}"))])))],
            ));
        }
        assert_eq!(
            findings(&near, &wanted)[0].message,
            "1000 of the network interfaces have tag `consul` with other values: `v0000`, `v0001`, `v0002`, ..."
        );
        assert_eq!(near.examined, 1000);
    }
}
