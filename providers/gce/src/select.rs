//! From an instance of the list to the kit's neutral one, and the filter that the API applies.

use std::collections::HashSet;

use cloud_autojoin_core::{ConfigProblem, Exclusion};
use cloud_autojoin_provider_kit::{AddressScope, Instance};
use regex::bytes::{Regex, RegexBuilder};

use crate::api;
use crate::keys::{SELF, ZONE_PATTERN};

/// What only Google Cloud can decide: network tags and places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// Network tags that an instance must all have.
    pub(crate) tags: Vec<String>,
    /// The places to look in.
    pub(crate) places: Places,
}

/// The zones to look in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) pattern: Option<Regex>,
    pub(crate) zones: Vec<String>,
    pub(crate) regions: Vec<String>,
}

/// Compiles `zone_pattern`, which must match the whole name of a zone, as the API takes it.
pub(crate) fn zone_pattern(pattern: &str) -> Result<Regex, ConfigProblem> {
    let mut whole = RegexBuilder::new(&format!("^(?:{pattern})$"));
    let compiled = whole.unicode(false).size_limit(1 << 20).build();
    compiled.map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ");
        let message = format!("`zone_pattern` is no regular expression: {reason}");
        let hint =
            "write it in RE2 syntax; it must match the whole name of a zone, as `us-(west|east).*`";
        ConfigProblem::of_key(ZONE_PATTERN.name, message).with_hint(hint)
    })
}

impl Places {
    /// Whether the place of this instance has to be known.
    pub(crate) fn names_self(&self) -> bool {
        let mut places = self.zones.iter().chain(&self.regions);
        places.any(|place| place == SELF)
    }

    /// The same places with `zone` in place of `self`.
    pub(crate) fn seen_from(mut self, zone: &str) -> Self {
        let own = [
            (&mut self.zones, zone),
            (&mut self.regions, region_of(zone)),
        ];
        for (places, own) in own {
            for place in places.iter_mut().filter(|place| *place == SELF) {
                own.clone_into(place);
            }
        }
        self
    }

    /// Whether a place of an aggregated list is one to look in: `zones/us-east1-b` or, for a
    /// regional resource, `regions/us-east1`.
    pub(crate) fn include(&self, place: &str) -> bool {
        let name = place.rsplit('/').next().unwrap_or_default();
        if place.contains("zones/") {
            return self.mismatch(name).is_none();
        }
        is_one_of(name, &self.regions)
    }

    fn mismatch(&self, zone: &str) -> Option<Exclusion> {
        let pattern = self.pattern.as_ref();
        let of = if pattern.is_some_and(|pattern| !pattern.is_match(zone.as_bytes())) {
            "the zones of `zone_pattern`".to_owned()
        } else if !is_one_of(zone, &self.zones) {
            format!("zone `{}`", self.zones.join("`, `"))
        } else if !is_one_of(region_of(zone), &self.regions) {
            format!("region `{}`", self.regions.join("`, `"))
        } else {
            return None;
        };
        Some(Exclusion::NotMember { of })
    }
}

/// Whether `place` is among `wanted`, which are all if none is given.
fn is_one_of(place: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == place)
}

/// The region of a zone: `us-east1` of `us-east1-b`.
fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}

/// The filter of the API for these network tags and labels; empty without any.
pub(crate) fn filter(tags: &[String], labels: &[(String, String)]) -> String {
    let tags = tags.iter().map(|tag| format!("tags.items:{}", quoted(tag)));
    let labels = labels
        .iter()
        .map(|(key, value)| format!("labels.{key}={}", quoted(value)));
    let conditions: Vec<String> = tags.chain(labels).collect();
    match conditions.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        several => format!("({})", several.join(") AND (")),
    }
}

/// A string of the filter language.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A managed instance group.
pub(crate) struct Group {
    pub(crate) name: String,
    /// The places (`zones/us-east1-b`) and names of its instances.
    pub(crate) members: HashSet<(String, String)>,
}

impl Conditions {
    /// The instance of `place` in neutral words, excluded if it doesn't meet the conditions.
    pub(crate) fn instance(
        &self,
        project: &str,
        place: &str,
        instance: api::Instance,
        group: Option<&Group>,
    ) -> Instance {
        let zone = place.rsplit('/').next().unwrap_or_default();
        let excluded = self.mismatch(zone, &instance, place, group);
        // The name identifies an instance in its zone, should the API leave out the id.
        let id = if instance.id.is_empty() {
            format!("{place}/instances/{}", instance.name)
        } else {
            instance.id
        };
        let mut neutral = Instance::new("instance", id, instance.name)
            .with_state(instance.status, "RUNNING")
            .with_attribute("project", project)
            .with_attribute("zone", zone)
            .with_attribute("network tags", instance.tags.items.join(", "))
            .with_tags(instance.labels);
        neutral.excluded = excluded;
        for (index, interface) in instance.network_interfaces.into_iter().enumerate() {
            let (internal, internal_v6) = (interface.network_ip, interface.ipv6_address);
            let (external, external_v6) = (interface.access_configs, interface.ipv6_access_configs);
            let external = external.into_iter().chain(external_v6);
            neutral = neutral
                .on_interface(interface.name, index == 0)
                .with_addresses(
                    internal.into_iter().chain(internal_v6),
                    AddressScope::Private,
                )
                .with_addresses(
                    external.filter_map(|config| config.address),
                    AddressScope::Public,
                );
        }
        neutral
    }

    fn mismatch(
        &self,
        zone: &str,
        instance: &api::Instance,
        place: &str,
        group: Option<&Group>,
    ) -> Option<Exclusion> {
        if let Some(Group { name, members }) = group
            && !members.contains(&(place.to_owned(), instance.name.clone()))
        {
            let of = format!("instance group `{name}`");
            return Some(Exclusion::NotMember { of });
        }
        let mut tags = self.tags.iter();
        match tags.find(|tag| !instance.tags.items.contains(tag)) {
            Some(tag) => Some(Exclusion::Other(format!("no network tag `{tag}`").into())),
            None => self.places.mismatch(zone),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn filter_of(tags: &[&str], labels: &[(&str, &str)]) -> String {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let labels: Vec<(String, String)> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        filter(&tags, &labels)
    }

    #[test]
    fn the_filter_is_that_of_go_discover() {
        assert_eq!(filter_of(&["t"], &[]), r#"tags.items:"t""#);
        assert_eq!(filter_of(&[], &[("k", "v")]), r#"labels.k="v""#);
        assert_eq!(
            filter_of(&["t"], &[("k", "v")]),
            r#"(tags.items:"t") AND (labels.k="v")"#
        );
        assert_eq!(filter_of(&[], &[]), "");
    }

    #[test]
    fn a_value_cannot_leave_its_string() {
        assert_eq!(
            filter_of(&[], &[("k", r#"x" OR labels.k:"*\"#)]),
            r#"labels.k="x\" OR labels.k:\"*\\""#
        );
    }

    #[test]
    fn a_zone_pattern_matches_the_whole_name() {
        let matches =
            |pattern: &str, zone: &str| zone_pattern(pattern).unwrap().is_match(zone.as_bytes());
        assert!(
            matches("us-east1-.*", "us-east1-b")
                && matches("us-(west|east)1-b", "us-east1-b")
                && matches(r"us-east\d-[a-c]", "us-east1-b")
        );
        assert!(!matches("us-east1", "us-east1-b") && !matches("a|us-east1-", "us-east1-b"));
        // The example of go-discover's help isn't valid RE2 either.
        assert!(zone_pattern("(?west|east).*").is_err());
        assert!(zone_pattern("(a{1000}){1000}").is_err());
    }

    #[test]
    fn places_are_zones_and_regions_as_lists_and_as_those_of_this_instance() {
        let places = |zones: &[&str], regions: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            Places {
                pattern: None,
                zones: list(zones),
                regions: list(regions),
            }
            .seen_from("europe-west1-c")
        };
        let included = |places: Places| {
            [
                "zones/europe-west1-c",
                "zones/europe-west1-b",
                "zones/us-east1-b",
                "regions/us-east1",
            ]
            .map(|place| places.include(place))
        };
        assert_eq!(included(places(&[], &[])), [true; 4]);
        assert_eq!(included(places(&["self"], &[])), [true, false, false, true]);
        assert_eq!(included(places(&[], &["self"])), [true, true, false, false]);
        assert_eq!(
            included(places(&[], &["us-east1", "europe-west1"])),
            [true; 4]
        );
    }
}
