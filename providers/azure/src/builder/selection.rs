//! Which keys select what, and which of them contradict each other.
//!
//! Wider than go-discover's `unclear configuration`: tags within resource groups, and tags together with a scale set, have a meaning here.

use cloud_autojoin_core::ConfigProblem;

use crate::config::{Lookup, OrchestrationMode, Selection, TagCondition, TagPlace, Tags};
use crate::key::{AzureKey, ORCHESTRATION_MODES, SELF};
use crate::reader::{Given, Reader};

/// Reads the selection; `None` when a problem was written down.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Selection> {
    let groups = reader.read(AzureKey::ResourceGroup, |value| Ok(without_duplicates(value.list()?)));
    let scale_set = reader.text(AzureKey::VmScaleSet);
    let mode = reader.word(AzureKey::OrchestrationMode, ORCHESTRATION_MODES, |word| {
        Some(match word {
            "uniform" => Some(OrchestrationMode::Uniform),
            "flexible" => Some(OrchestrationMode::Flexible),
            _ => None,
        })
    });
    let (conditions, has_tags) = conditions(reader);
    let places = reader.read(AzureKey::TagOn, |value| Ok(value.list_of(TagPlace::WORDS)?.into_iter().filter_map(TagPlace::from_word).collect::<Vec<_>>()));
    let lookup = reader.word(AzureKey::Lookup, Lookup::WORDS, Lookup::from_word);

    for (key, given) in [(AzureKey::TagOn, places.given_as()), (AzureKey::Lookup, lookup.given_as())] {
        if let Some(name) = given.filter(|_| !has_tags) {
            reader.problem(
                ConfigProblem::of_key(key.entry().name, format!("`{name}` is given without a tag")).with_hint("add `tag_name=...` and `tag_value=...`"),
            );
        }
    }
    if let Some(name) = mode.given_as().filter(|_| !scale_set.is_given()) {
        reader.problem(
            ConfigProblem::of_key(name, format!("`{name}` is given without `vm_scale_set`")).with_hint("add `vm_scale_set=...` and `resource_group=...`"),
        );
    }

    let tags = (!conditions.is_empty()).then(|| Tags { conditions, places: places.value().unwrap_or_else(|| vec![TagPlace::default()]) });
    if !scale_set.is_given() {
        if !has_tags {
            reader.problem(if groups.is_given() { group_alone() } else { nothing_selected() });
        }
        return Some(Selection::Tag { tags: tags?, resource_groups: groups.value().unwrap_or_default(), lookup: lookup.value().unwrap_or_default() });
    }
    if matches!(lookup, Given::Value(Lookup::Index, _)) {
        reader.problem(
            ConfigProblem::of_key("lookup", "`lookup=index` finds tagged resources and has no meaning with `vm_scale_set`")
                .with_hint("leave `lookup` out, or leave `vm_scale_set` out"),
        );
    }
    let name = scale_set.value()?;
    let resource_group = match groups {
        Given::Value(groups, _) => match <[String; 1]>::try_from(groups) {
            Ok([group]) => group,
            Err(_) => {
                reader.problem(
                    ConfigProblem::of_key("resource_group", "`resource_group` must be one with `vm_scale_set`: a scale set is in one resource group")
                        .with_hint("name the resource group of the scale set alone"),
                );
                return None;
            }
        },
        // The metadata of a machine name the group together with the set.
        Given::Absent if name == SELF => SELF.to_owned(),
        Given::Absent => {
            reader.missing(AzureKey::ResourceGroup, "vm_scale_set");
            return None;
        }
        Given::Refused => return None,
    };
    Some(Selection::ScaleSet { resource_group, name, orchestration_mode: mode.value().flatten(), tags })
}

/// The problem of a string that asks for nothing.
pub(super) fn nothing_selected() -> ConfigProblem {
    ConfigProblem::new("nothing is selected").with_hint("add `tag_name=... tag_value=...`, or `resource_group=... vm_scale_set=...`")
}

/// What is wrong with a selection that a program made: a string's is complete.
pub(super) fn incomplete(selection: &Selection) -> Vec<ConfigProblem> {
    let (tags, names) = match selection {
        Selection::Tag { tags, resource_groups, .. } => (Some(tags), resource_groups.iter().map(|group| ("resource_group", group)).collect()),
        Selection::ScaleSet { resource_group, name, tags, .. } => (tags.as_ref(), vec![("resource_group", resource_group), ("vm_scale_set", name)]),
    };
    let mut problems = Vec::new();
    if let Some(tags) = tags {
        if tags.conditions.is_empty() || tags.places.is_empty() {
            problems.push(nothing_selected());
        }
        if tags.conditions.iter().any(|condition| condition.name.is_empty() || condition.value.is_empty()) {
            problems.push(ConfigProblem::of_key("tag_name", "a tag has an empty name or value"));
        }
    }
    problems.extend(names.into_iter().filter(|(_, name)| name.is_empty()).map(|(key, _)| ConfigProblem::of_key(key, format!("`{key}` is empty"))));
    problems
}

fn group_alone() -> ConfigProblem {
    ConfigProblem::of_key("resource_group", "`resource_group` alone selects nothing").with_hint("add `vm_scale_set=...`, or `tag_name=... tag_value=...`")
}

/// Reads the tags: all conditions, and whether any tag was written, be it right or wrong.
fn conditions(reader: &mut Reader<'_>) -> (Vec<TagCondition>, bool) {
    let name = reader.text(AzureKey::TagName);
    let value = reader.text(AzureKey::TagValue);
    match (&name, &value) {
        (given, Given::Absent) if given.is_given() => reader.missing(AzureKey::TagValue, "tag_name"),
        (Given::Absent, given) if given.is_given() => reader.missing(AzureKey::TagName, "tag_value"),
        _ => {}
    }
    let has_tags = name.is_given() || value.is_given() || reader.has_member(AzureKey::Tag);
    let mut conditions: Vec<(String, TagCondition)> = Vec::new();
    if let (Some(name), Some(value)) = (name.value(), value.value()) {
        conditions.push(("tag_name".to_owned(), TagCondition { name, value }));
    }
    for (key, name, value) in reader.family(AzureKey::Tag) {
        // Azure compares names without case, so no resource has both `role` and `Role`.
        match conditions.iter().find(|(_, known)| known.name.eq_ignore_ascii_case(&name)) {
            None => conditions.push((key, TagCondition { name, value })),
            Some((_, known)) if known.value == value => {}
            Some((other, known)) => {
                let message = format!("`{key}` and `{other}` ask for two values of one tag, `{}`, which no resource can have", known.name);
                reader.problem(ConfigProblem::of_key(key, message).with_hint("keep one of the two"));
            }
        }
    }
    (conditions.into_iter().map(|(_, condition)| condition).collect(), has_tags)
}

/// Names of resource groups are compared without case.
fn without_duplicates(groups: Vec<&str>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for group in groups {
        if !unique.iter().any(|known| known.eq_ignore_ascii_case(group)) {
            unique.push(group.to_owned());
        }
    }
    unique
}
