//! Whether tags hold, and how near those came that do not.
//!
//! Names are compared without case and values exactly, as Azure does. A tag may be set on the
//! interface, on its instance or on the scale set of that; which of these count is the query's.

use std::collections::BTreeMap;

use cloud_autojoin_core::config::key;
use cloud_autojoin_core::{Exclusion, Finding};

use crate::arm::{self, same_name};
use crate::select::{TagCondition, TagPlace, Tags};

/// How many different values of one tag are remembered for the answer.
const VALUES: usize = 20;

/// Why the tags do not hold: one reason for each that does not, in the order of the query. Empty:
/// they hold. `tagged` are the tags of an interface and of what it belongs to.
pub(super) fn judge(wanted: &Tags, tagged: &[(TagPlace, &arm::Tags)]) -> Vec<Exclusion> {
    let judge_one = |condition: &TagCondition| {
        let tag = || condition.name.clone();
        let mut elsewhere = None;
        let mut differing = None;
        for (place, tags) in tagged {
            let counts = wanted.may_be_on(*place);
            match holds(condition, tags) {
                true if counts => return None,
                true => _ = elsewhere.get_or_insert(place),
                false if counts && differing.is_none() => {
                    let mut tags = tags.0.iter();
                    differing = tags.find(|(name, _)| same_name(name, &condition.name));
                }
                false => {}
            }
        }
        Some(match (elsewhere, differing) {
            (Some(place), _) => Exclusion::TagElsewhere {
                tag: tag(),
                found_on: place.to_string(),
            },
            (None, Some((_, found))) => Exclusion::TagDiffers {
                tag: tag(),
                wanted: condition.value.clone(),
                found: found.clone(),
            },
            (None, None) => Exclusion::TagMissing { tag: tag() },
        })
    };
    wanted.conditions.iter().filter_map(judge_one).collect()
}

/// Whether one condition holds for the tags of one place.
pub(super) fn holds(condition: &TagCondition, tags: &arm::Tags) -> bool {
    let mut tags = tags.0.iter();
    tags.any(|(name, value)| *value == condition.value && same_name(name, &condition.name))
}

/// What was seen of tags that did not hold, in a memory that does not grow with what is looked at.
#[derive(Debug, Default)]
pub(super) struct NearMisses {
    examined: usize,
    differing: BTreeMap<String, Differing>,
    elsewhere: BTreeMap<(String, String), usize>,
}

/// The values seen of one tag that are not the one asked for.
#[derive(Debug, Default)]
struct Differing {
    count: usize,
    /// The first few, with how often each was seen.
    values: BTreeMap<String, usize>,
}

impl NearMisses {
    /// Takes in the verdict on one thing; no reasons: it matched.
    pub(super) fn note(&mut self, reasons: &[Exclusion]) {
        self.examined += 1;
        for reason in reasons {
            match reason {
                Exclusion::TagDiffers { tag, found, .. } => {
                    let differing = self.differing.entry(tag.clone()).or_default();
                    differing.count += 1;
                    if differing.values.len() < VALUES || differing.values.contains_key(found) {
                        *differing.values.entry(found.clone()).or_default() += 1;
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

    /// How many things were looked at.
    pub(super) fn examined(&self) -> usize {
        self.examined
    }

    /// The findings about tags that are set on another resource, and of values that are not the
    /// ones asked for; `things` is what was looked at, in the plural.
    pub(super) fn findings(&self, wanted: &Tags, things: &str) -> Vec<Finding> {
        let elsewhere = self
            .elsewhere
            .iter()
            .filter_map(|((tag, found_on), count)| {
                let mut places = TagPlace::WORDS
                    .iter()
                    .filter_map(|word| TagPlace::from_word(word));
                let place = places.find(|place| place.to_string() == *found_on)?;
                let message =
                    format!("of {count} of the {things} tag `{tag}` is set on the {place}");
                let hint = format!("add `tag_on={}`", place.word());
                let finding = Finding::new(message).with_hint(hint);
                Some(with_place(finding, wanted, place))
            });
        let differing = wanted.conditions.iter().filter_map(|condition| {
            let differing = self.differing.get(&condition.name)?;
            Some(of_values(condition, differing, things))
        });
        elsewhere.chain(differing).collect()
    }
}

fn of_values(condition: &TagCondition, differing: &Differing, things: &str) -> Finding {
    let TagCondition { name, value } = condition;
    let Differing { count, values } = differing;
    let mut like = values.iter();
    if let Some((found, count)) = like.find(|(found, _)| same_name(found.trim(), value.trim())) {
        let message = format!(
            "{count} of the {things} have tag `{name}` = `{found}`, and values are compared exactly"
        );
        let hint = format!("ask for the value `{found}`, or correct the tag");
        return Finding::new(message).with_hint(hint);
    }
    let listed = values.keys().take(3).map(|value| format!("`{value}`"));
    let mut listed: Vec<String> = listed.collect();
    if values.len() > listed.len() {
        listed.push("...".to_owned());
    }
    let near = key::nearest_name(value, values.keys().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("check the value `{value}` of tag `{name}`"),
    };
    let listed = listed.join(", ");
    let message = format!("{count} of the {things} have tag `{name}` with other values: {listed}");
    Finding::new(message).with_hint(hint)
}

/// The finding with the change by which tags on `place` count: alone where there is one tag, beside
/// the other places where there are several, each of which may be set elsewhere.
pub(super) fn with_place(finding: Finding, tags: &Tags, place: TagPlace) -> Finding {
    let mut words: Vec<&str> = vec![place.word()];
    if tags.conditions.len() > 1 {
        words.splice(0..0, tags.places.iter().map(|place| place.word()));
    }
    finding.with_change("tag_on", Some(&words.join(",")))
}

#[cfg(test)]
mod tests {
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

    fn reasons(wanted: &Tags, tagged: &[(TagPlace, &arm::Tags)]) -> Vec<String> {
        judge(wanted, tagged)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    const NIC: TagPlace = TagPlace::NetworkInterface;

    #[test]
    fn names_are_compared_without_case_and_values_exactly() {
        let wanted = wanted(&[("Consul", "server")], &[NIC]);
        assert!(judge(&wanted, &[(NIC, &tags(&[("cONSUL", "server")]))]).is_empty());
        assert_eq!(
            reasons(&wanted, &[(NIC, &tags(&[("consul", "Server")]))]),
            ["tag `Consul` is `Server`, not `server`"]
        );
        assert_eq!(
            reasons(&wanted, &[(NIC, &tags(&[("nomad", "server")]))]),
            ["no tag `Consul`"]
        );
    }

    #[test]
    fn all_tags_must_hold_each_in_any_of_the_places() {
        let wanted = wanted(&[("a", "1"), ("b", "2")], &[NIC, TagPlace::ScaleSet]);
        let (interface, set) = (tags(&[("a", "1")]), tags(&[("b", "2")]));
        assert!(judge(&wanted, &[(NIC, &interface), (TagPlace::ScaleSet, &set)]).is_empty());
        assert_eq!(reasons(&wanted, &[(NIC, &interface)]), ["no tag `b`"]);
    }

    #[test]
    fn a_tag_in_a_place_that_does_not_count_is_named_with_its_place() {
        let wanted = wanted(&[("a", "1")], &[NIC]);
        assert_eq!(
            reasons(
                &wanted,
                &[
                    (NIC, &tags(&[])),
                    (TagPlace::ScaleSet, &tags(&[("a", "1")]))
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
            near.note(&judge(&wanted, &[(NIC, &tags(&[("consul", value)]))]));
        }
        let findings = near.findings(&wanted, "network interfaces");
        assert_eq!(
            findings[0].message,
            "1 of the network interfaces have tag `consul` = `Server`, and values are compared exactly"
        );
        assert_eq!(
            findings[0].hint.as_deref(),
            Some("ask for the value `Server`, or correct the tag")
        );
    }

    #[test]
    fn a_mistyped_value_has_the_nearest_one_as_its_hint() {
        let wanted = wanted(&[("consul", "servre")], &[NIC]);
        let mut near = NearMisses::default();
        ["client", "server"]
            .into_iter()
            .for_each(|value| near.note(&judge(&wanted, &[(NIC, &tags(&[("consul", value)]))])));
        assert_eq!(
            near.findings(&wanted, "network interfaces")[0]
                .hint
                .as_deref(),
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
            near.note(&judge(
                &wanted,
                &[(NIC, &tags(&[])), (TagPlace::ScaleSet, &set)],
            ));
            assert_eq!(
                near.findings(&wanted, "network interfaces")[0].changes,
                [("tag_on".to_owned(), Some(words.to_owned()))]
            );
        }
    }

    #[test]
    fn other_values_are_listed_and_not_without_end() {
        let wanted = wanted(&[("consul", "server")], &[NIC]);
        let mut near = NearMisses::default();
        for number in 0..1000 {
            near.note(&judge(
                &wanted,
                &[(NIC, &tags(&[("consul", &format!("v{number:04}"))]))],
            ));
        }
        assert_eq!(
            near.findings(&wanted, "network interfaces")[0].message,
            "1000 of the network interfaces have tag `consul` with other values: `v0000`, `v0001`, `v0002`, ..."
        );
        assert_eq!(near.examined(), 1000);
    }
}
