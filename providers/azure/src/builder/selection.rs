//! Which keys select what, and which of them contradict each other.
//!
//! go-discover accepts tags or a scale set only. Tags within resource groups, and tags together
//! with a scale set, have a meaning here.

use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_provider_kit::Options;

use crate::arm::same_name;
use crate::instance_metadata::named_values;
use crate::keys::{
    LOOKUP, ORCHESTRATION_MODE, RESOURCE_GROUP, SELF, TAG, TAG_NAME, TAG_ON, TAG_VALUE,
    VM_SCALE_SET,
};
use crate::select::{
    AzureConfig, Lookup, OrchestrationMode, Selection, TagCondition, TagPlace, Tags,
};

/// Reads the selection; `None` when a problem was recorded.
pub(super) fn read(options: &mut Options<'_>) -> Option<Selection> {
    let mut groups: Vec<String> = Vec::new();
    for group in options.list(&RESOURCE_GROUP) {
        if !groups.iter().any(|known| same_name(known, &group)) {
            groups.push(group);
        }
    }
    let has_tags = [TAG_NAME, TAG_VALUE, TAG]
        .iter()
        .any(|key| options.is_given(key));
    let conditions = conditions(options);
    let lookup = options.word(&LOOKUP, Lookup::from_word).unwrap_or_default();
    let name = options.text(&VM_SCALE_SET);
    let of_tags = "add `tag_name=...` and `tag_value=...`";
    let of_set = "add `vm_scale_set=...` and `resource_group=...`";
    for (key, is_missing, message, hint) in [
        (TAG_ON, !has_tags, "is given without a tag", of_tags),
        (LOOKUP, !has_tags, "is given without a tag", of_tags),
        (
            ORCHESTRATION_MODE,
            name.is_none(),
            "is given without `vm_scale_set`",
            of_set,
        ),
    ] {
        if is_missing && options.is_given(&key) {
            options.add_problem(options.problem(&key, message).with_hint(hint));
        }
    }
    let tags = (!conditions.is_empty()).then(|| Tags {
        conditions,
        places: options.words(&TAG_ON, TagPlace::from_word),
    });
    let Some(name) = name else {
        if !has_tags {
            options.add_problem(if options.is_given(&RESOURCE_GROUP) {
                let problem = options.problem(&RESOURCE_GROUP, "alone selects nothing");
                problem.with_hint("add `vm_scale_set=...`, or `tag_name=... tag_value=...`")
            } else {
                nothing_selected()
            });
        }
        return Some(Selection::Tag {
            tags: tags?,
            resource_groups: groups,
            lookup,
        });
    };
    if lookup == Lookup::Index {
        let message =
            "`lookup=index` finds tagged resources and has no meaning with `vm_scale_set`";
        let problem = ConfigProblem::of_key(LOOKUP.name, message);
        options.add_problem(problem.with_hint("leave `lookup` out, or leave `vm_scale_set` out"));
    }
    let resource_group = match groups.len() {
        // What was given was refused.
        0 if options.is_given(&RESOURCE_GROUP) => return None,
        // The metadata of a machine names the group together with the set.
        0 if name == SELF => SELF.to_owned(),
        0 => {
            options.add_missing(&RESOURCE_GROUP, Some("`vm_scale_set` is given"));
            return None;
        }
        1 => groups.remove(0),
        _ => {
            let message = "must be one with `vm_scale_set`: a scale set is in one resource group";
            let problem = options.problem(&RESOURCE_GROUP, message);
            options
                .add_problem(problem.with_hint("name the resource group of the scale set alone"));
            return None;
        }
    };
    Some(Selection::ScaleSet {
        resource_group,
        name,
        orchestration_mode: options.word(&ORCHESTRATION_MODE, OrchestrationMode::from_word),
        tags,
    })
}

/// The problem of a string that selects nothing.
fn nothing_selected() -> ConfigProblem {
    ConfigProblem::new("nothing is selected")
        .with_hint("add `tag_name=... tag_value=...`, or `resource_group=... vm_scale_set=...`")
}

/// What is wrong with a selection that a program made: a string's is complete.
pub(super) fn incomplete(config: &mut AzureConfig) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let tags = match &config.selection {
        Selection::Tag { tags, .. } => Some(tags),
        Selection::ScaleSet { tags, .. } => tags.as_ref(),
    };
    if tags.is_some_and(|tags| tags.conditions.is_empty() || tags.places.is_empty()) {
        problems.push(nothing_selected());
    }
    let is_empty = |tag: &TagCondition| tag.name.is_empty() || tag.value.is_empty();
    if tags.is_some_and(|tags| tags.conditions.iter().any(is_empty)) {
        let message = "a tag has an empty name or value";
        problems.push(ConfigProblem::of_key(TAG_NAME.name, message));
    }
    // The subscription is the first, and must be a GUID.
    let empty = named_values(config)
        .skip(1)
        .filter(|(_, value)| value.is_empty());
    problems.extend(empty.map(|(key, _)| ConfigProblem::of_key(key, format!("`{key}` is empty"))));
    problems
}

/// Reads the tags that are complete.
fn conditions(options: &mut Options<'_>) -> Vec<TagCondition> {
    let mut conditions: Vec<TagCondition> = Vec::new();
    match (options.text(&TAG_NAME), options.text(&TAG_VALUE)) {
        (Some(name), Some(value)) => conditions.push(TagCondition { name, value }),
        (Some(_), None) => options.add_missing(&TAG_VALUE, Some("`tag_name` is given")),
        (None, Some(_)) => options.add_missing(&TAG_NAME, Some("`tag_value` is given")),
        (None, None) => {}
    }
    let has_first = !conditions.is_empty();
    for (name, value) in options.family(&TAG) {
        // Azure compares names without case, so no resource has both `role` and `Role`.
        let mut known = conditions.iter().enumerate();
        match known.find(|(_, known)| same_name(&known.name, &name)) {
            None => conditions.push(TagCondition { name, value }),
            Some((_, known)) if known.value == value => {}
            Some((index, TagCondition { name: known, .. })) => {
                let other = match index {
                    0 if has_first => TAG_NAME.name.to_owned(),
                    _ => format!("tag.{known}"),
                };
                let key = format!("tag.{name}");
                let message = format!(
                    "`{key}` and `{other}` require two values of one tag, `{known}`, which no resource can have"
                );
                let problem = ConfigProblem::of_key(key, message);
                options.add_problem(problem.with_hint("keep one of the two"));
            }
        }
    }
    conditions
}
