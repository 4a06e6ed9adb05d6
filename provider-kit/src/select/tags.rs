//! Tag filters, and near misses.

use std::collections::BTreeMap;
use std::fmt;

use cloud_autojoin_core::config::{KeySpec, Options};
use cloud_autojoin_core::{Discovery, Exclusion, Finding, Node};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

/// Tags (or labels) that must all be there, with the values they must have. Names and values are
/// compared exactly, unless the cloud compares otherwise ([`TagFilter::with_wildcards`],
/// [`TagFilter::without_case`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    conditions: Vec<(String, String)>,
    comparison: Comparison,
    /// The key that holds the value of the first condition, if that isn't `tag.NAME`.
    value_key: Option<&'static str>,
}

/// How tags are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Comparison {
    /// Name and value.
    #[default]
    Exact,
    /// Name, and a pattern for the value.
    Wildcards,
    /// The name alone: tags have no values.
    Name,
    /// The name alone, without case.
    NameWithoutCase,
}

impl TagFilter {
    /// Every one of these tags must have its value.
    pub fn new<N: Into<String>, V: Into<String>>(
        conditions: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let conditions = conditions
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Self {
            conditions: conditions.collect(),
            ..Self::default()
        }
    }

    /// Every one of these tags must be there, for a cloud whose tags have no values.
    pub fn of_names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self {
            comparison: Comparison::Name,
            ..Self::new(names.into_iter().map(|name| (name, "")))
        }
    }

    /// The same filter of names, which are compared without case.
    #[must_use]
    pub fn without_case(mut self) -> Self {
        self.comparison = Comparison::NameWithoutCase;
        self
    }

    /// The same filter, whose values are patterns: `*` matches any characters, `?` one or none, and
    /// `\` makes the following character literal.
    #[must_use]
    pub fn with_wildcards(mut self) -> Self {
        self.comparison = Comparison::Wildcards;
        self
    }

    /// The same filter, whose first value is that of `key`; those of the others, and by default of
    /// the first, are keys of the family `tag.`.
    #[must_use]
    pub fn with_value_key(mut self, key: Option<&'static str>) -> Self {
        self.value_key = key;
        self
    }

    /// The tag of the keys `key` and `value`, then the members of `families`; at least one of them
    /// is required.
    pub fn from_options(
        options: &mut Options<'_>,
        key: &KeySpec,
        value: &KeySpec,
        families: &[&KeySpec],
    ) -> Self {
        let families = families.iter().flat_map(|family| options.family(family));
        let mut tags: Vec<(String, String)> = families.collect();
        match (options.text(key), options.text(value)) {
            (Some(name), Some(wanted)) => tags.insert(0, (name, wanted)),
            (Some(_), None) => {
                options.add_missing(value, Some(&format!("`{}` is given", key.name)))
            }
            (None, Some(_)) => {
                options.add_missing(key, Some(&format!("`{}` is given", value.name)))
            }
            (None, None) if tags.is_empty() => options.add_missing(key, None),
            (None, None) => {}
        }
        Self::new(tags).with_value_key(options.is_given(key).then_some(value.name))
    }

    /// The tags with the value `self`, which means that of this machine; the values are to be
    /// replaced.
    pub fn own_values(&mut self) -> impl Iterator<Item = (&str, &mut String)> {
        let tags = self.conditions.iter_mut();
        tags.filter(|(_, value)| value == "self")
            .map(|(name, value)| (&**name, value))
    }

    /// The tags, in the order given.
    pub fn conditions(&self) -> &[(String, String)] {
        &self.conditions
    }

    /// The name of the first tag, for a service that filters by one; empty if there is none.
    pub fn first_name(&self) -> &str {
        self.conditions
            .first()
            .map_or("", |(name, _)| name.as_str())
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Every condition that `tags` don't meet, with the actual value.
    pub fn mismatches(&self, tags: &[(String, String)]) -> Vec<Exclusion> {
        let is_named = |known: &str, name: &str| match self.comparison {
            Comparison::NameWithoutCase => known.to_lowercase() == name.to_lowercase(),
            _ => known == name,
        };
        let has_value = |found: &str, wanted: &str| match self.comparison {
            Comparison::Exact => found == wanted,
            Comparison::Wildcards => matches_pattern(wanted, found),
            Comparison::Name | Comparison::NameWithoutCase => true,
        };
        let mismatch = |(name, wanted): &(String, String)| match tags
            .iter()
            .find(|(known, _)| is_named(known, name))
        {
            Some((_, found)) if has_value(found, wanted) => None,
            Some((_, found)) => Some(Exclusion::TagDiffers {
                tag: name.clone(),
                wanted: wanted.clone(),
                found: found.clone(),
            }),
            None => Some(Exclusion::TagMissing { tag: name.clone() }),
        };
        self.conditions.iter().filter_map(mismatch).collect()
    }
}

impl TagFilter {
    /// Adds `nodes` to an answer; where none of them matches, also what was probably meant.
    pub fn record(&self, discovery: &mut Discovery, nodes: impl IntoIterator<Item = Node>) {
        let mut misses = TagNearMisses::default();
        for node in nodes {
            misses.record(self, discovery, node);
        }
        misses.conclude(self, discovery);
    }

    /// The key of the join string that holds the value of `tag`.
    fn key_of(&self, tag: &str) -> String {
        let value_key = self.value_key.filter(|_| self.first_name() == tag);
        value_key.map_or_else(|| format!("tag.{tag}"), str::to_owned)
    }
}

/// The value of a tag as a join string has it, for a cloud whose values may be numbers or booleans.
pub fn tag_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Reads the tags of a JSON object, in its order, without a map: for `deserialize_with` of serde.
///
/// # Errors
///
/// It isn't an object of texts.
pub fn tag_pairs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    from.deserialize_map(Pairs)
}

/// In words: ``tag `role` = `server` and `dc` = `1` ``.
impl fmt::Display for TagFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tag ")?;
        for (index, (name, value)) in self.conditions.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            match self.comparison {
                Comparison::Exact | Comparison::Wildcards => write!(f, "`{name}` = `{value}`")?,
                Comparison::Name | Comparison::NameWithoutCase => write!(f, "`{name}`")?,
            }
        }
        Ok(())
    }
}

/// Whether `text` matches a pattern of `*`, `?` and `\`; in time proportional to the product of
/// their lengths, whatever the pattern.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether the pattern so far matches a prefix of the text of each length.
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    let mut pattern = pattern.chars();
    while let Some(character) = pattern.next() {
        match character {
            '*' => (0..text.len()).for_each(|at| matched[at + 1] |= matched[at]),
            '?' => (0..text.len())
                .rev()
                .for_each(|at| matched[at + 1] |= matched[at]),
            _ => {
                let plain = if character == '\\' {
                    pattern.next().unwrap_or(character)
                } else {
                    character
                };
                (0..text.len())
                    .rev()
                    .for_each(|at| matched[at + 1] = matched[at] && text[at] == plain);
                matched[0] = false;
            }
        }
    }
    matched[text.len()]
}

/// Collects the tags of instances that didn't match, to suggest the tag that was probably meant.
///
/// Names are compared case-insensitively and with `-` equal to `_`; memory is bounded by the number
/// of different near misses.
#[derive(Debug, Default)]
pub struct TagNearMisses {
    found: BTreeMap<(String, String, String), usize>,
}

impl TagNearMisses {
    /// Adds a node to an answer, page by page. [`TagFilter::record`] does so for a whole list.
    pub fn record(&mut self, filter: &TagFilter, discovery: &mut Discovery, node: Node) {
        if !node.is_match() {
            self.observe(filter, &node.tags);
        }
        discovery.record(node);
    }

    /// Where none of the examined nodes matched, adds what was probably meant.
    pub fn conclude(&self, filter: &TagFilter, discovery: &mut Discovery) {
        let examined = discovery.examined();
        if discovery.matched() == 0 && examined > 0 {
            let meant = self.finding(|tag| filter.key_of(tag));
            discovery.add_finding(meant.unwrap_or_else(|| {
                Finding::new(format!("none of {examined} instances gives an address"))
                    .with_hint("`discover explain` says why, instance by instance")
            }));
        }
    }

    /// Looks for near misses of `filter` in the tags of one instance.
    pub fn observe(&mut self, filter: &TagFilter, tags: &[(String, String)]) {
        const MAX: usize = 100;
        for (wanted_name, wanted_value) in filter.conditions() {
            for (name, value) in tags {
                let is_near = (folded(name) == folded(wanted_name)
                    || folded(value) == folded(wanted_value))
                    && (name, value) != (wanted_name, wanted_value);
                let key = (wanted_name.clone(), name.clone(), value.clone());
                if is_near && (self.found.len() < MAX || self.found.contains_key(&key)) {
                    *self.found.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// The most frequent near miss as a finding; `key_of` names the key of the join string that
    /// holds the value of a tag.
    pub fn finding(&self, key_of: impl Fn(&str) -> String) -> Option<Finding> {
        let ((wanted, name, value), count) = self.found.iter().max_by_key(|(_, count)| **count)?;
        let instances = if *count == 1 {
            "1 instance has".to_owned()
        } else {
            format!("{count} instances have")
        };
        let finding = Finding::new(format!("{instances} the tag `{name}` = `{value}`"));
        Some(if name == wanted {
            finding
                .with_hint(format!("set `{}={value}`", key_of(wanted)))
                .with_change(key_of(wanted), Some(value))
        } else {
            finding.with_hint(format!(
                "check the name of the tag: the join string has `{wanted}`"
            ))
        })
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Detail;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn all_tags_must_hold_exactly() {
        let filter = TagFilter::new([("role", "server"), ("dc", "1")]);
        assert_eq!(
            filter.mismatches(&tags(&[("dc", "1"), ("role", "server")])),
            []
        );
        assert_eq!(
            filter
                .mismatches(&tags(&[("Role", "server"), ("dc", "2")]))
                .len(),
            2
        );
    }

    #[test]
    fn tags_without_values_are_compared_by_name() {
        let found = tags(&[("Consul", ""), ("prod", "")]);
        let filter = TagFilter::of_names(["consul", "prod"]);
        assert_eq!(
            filter.mismatches(&found),
            [Exclusion::TagMissing {
                tag: "consul".into()
            }]
        );
        assert_eq!(filter.without_case().mismatches(&found), []);
    }

    #[test]
    fn a_filter_is_shown_in_words() {
        let filter = TagFilter::new([("role", "server"), ("dc", "1")]);
        assert_eq!(filter.to_string(), "tag `role` = `server` and `dc` = `1`");
        let filter = TagFilter::of_names(["consul", "prod"]);
        assert_eq!(filter.to_string(), "tag `consul` and `prod`");
        assert_eq!(filter.first_name(), "consul");
    }

    #[test]
    fn wildcards_stand_for_other_characters_where_the_cloud_has_them() {
        let matches = |pattern: &str, value: &str| {
            TagFilter::new([("role", pattern)])
                .with_wildcards()
                .mismatches(&tags(&[("role", value)]))
                .is_empty()
        };
        for (pattern, value) in [
            ("ser*", "server"),
            ("*", ""),
            ("*v*r", "server"),
            ("s?rver", "server"),
            ("server?", "server"),
            ("\\*a\\\\", "*a\\"),
            ("ä?", "äö"),
        ] {
            assert!(matches(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [
            ("ser*", "Server"),
            ("s?ver", "server"),
            ("", "x"),
            ("\\*", "x"),
            ("*v", "server"),
            ("server", "serve"),
        ] {
            assert!(!matches(pattern, value), "{pattern} {value}");
        }
        assert!(matches(&"*a".repeat(200), &"a".repeat(2000)));
        // Without wildcards they are characters as others are.
        assert_eq!(
            TagFilter::new([("role", "ser*")])
                .mismatches(&tags(&[("role", "server")]))
                .len(),
            1
        );
    }

    #[test]
    fn the_most_frequent_near_miss_is_suggested_with_the_key_to_change() {
        let filter = TagFilter::new([("role", "server")]);
        let mut misses = TagNearMisses::default();
        for value in ["servers", "Server", "servers"] {
            misses.observe(&filter, &tags(&[("role", value)]));
        }
        let finding = misses.finding(|name| format!("tag.{name}")).unwrap();
        assert_eq!(
            finding.message,
            "2 instances have the tag `role` = `servers`"
        );
        assert_eq!(finding.hint.as_deref(), Some("set `tag.role=servers`"));
    }

    #[test]
    fn the_first_tag_may_have_a_key_of_its_own_for_its_value() {
        let suggested = |filter: TagFilter| {
            let mut discovery = Discovery::new("example", "servers", Detail::Addresses);
            let mut node = Node::new("server", "1", "web");
            node.tags = tags(&[("role", "Server")]);
            filter.record(&mut discovery, [node]);
            discovery.hint().unwrap().to_owned()
        };
        let none = suggested(TagFilter::new([("dc", "1")]));
        assert_eq!(none, "`discover explain` says why, instance by instance");
        let filter = TagFilter::new([("role", "server")]);
        assert_eq!(suggested(filter.clone()), "set `tag.role=Server`");
        let pair = filter.with_value_key(Some("tag_value"));
        assert_eq!(suggested(pair), "set `tag_value=Server`");
    }

    #[test]
    fn tags_are_read_in_their_order_without_showing_a_value() {
        let read = |json: &str| tag_pairs(&mut serde_json::Deserializer::from_str(json));
        let found = read(r#"{"b": "2", "a": "1"}"#).unwrap();
        assert_eq!(found, tags(&[("b", "2"), ("a", "1")]));
        assert_eq!(read("{}").unwrap(), []);
        assert!(read("[]").is_err() && read(r#"{"a": 1}"#).is_err());
    }

    #[test]
    fn the_value_self_can_be_replaced() {
        let mut filter = TagFilter::new([("role", "self"), ("dc", "1")]);
        for (name, value) in filter.own_values() {
            *value = format!("own {name}");
        }
        assert_eq!(filter.to_string(), "tag `role` = `own role` and `dc` = `1`");
    }

    #[test]
    fn unrelated_tags_are_no_near_misses() {
        let mut misses = TagNearMisses::default();
        misses.observe(
            &TagFilter::new([("role", "server")]),
            &tags(&[("name", "web")]),
        );
        assert!(misses.finding(str::to_owned).is_none());
    }
}
