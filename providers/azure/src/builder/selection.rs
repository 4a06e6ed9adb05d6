//! Which keys select what, and which of them contradict each other.
//!
//! go-discover accepts tags or a scale set only. Tags within resource groups, and tags together
//! with a scale set, have a meaning here.

use cloud_autojoin_core::ConfigProblem;
use cloud_autojoin_provider_kit::Options;

use crate::keys::{
    LOOKUP, ORCHESTRATION_MODE, RESOURCE_GROUP, SELF, TAG, TAG_NAME, TAG_ON, TAG_VALUE,
    VM_SCALE_SET,
};
use crate::select::{Lookup, OrchestrationMode, Selection, TagCondition, TagPlace, Tags};

/// Reads the selection; `None` when a problem was recorded.
pub(super) fn read(options: &mut Options<'_>) -> Option<Selection> {
    let groups = without_duplicates(options.list(&RESOURCE_GROUP));
    let has_tags =
        options.is_given(&TAG_NAME) || options.is_given(&TAG_VALUE) || options.is_given(&TAG);
    let conditions = conditions(options);
    let lookup = options.word(&LOOKUP, Lookup::from_word).unwrap_or_default();
    for key in [TAG_ON, LOOKUP] {
        if let Some(name) = options.given_as(&key).filter(|_| !has_tags) {
            options.add_problem(
                ConfigProblem::of_key(name, format!("`{name}` is given without a tag"))
                    .with_hint("add `tag_name=...` and `tag_value=...`"),
            );
        }
    }
    let tags = (!conditions.is_empty()).then(|| Tags {
        conditions,
        places: options.words(&TAG_ON, TagPlace::from_word),
    });
    let Some(name) = options.text(&VM_SCALE_SET) else {
        if let Some(name) = options.given_as(&ORCHESTRATION_MODE) {
            let problem =
                ConfigProblem::of_key(name, format!("`{name}` is given without `vm_scale_set`"));
            options
                .add_problem(problem.with_hint("add `vm_scale_set=...` and `resource_group=...`"));
        }
        if !has_tags {
            let group_alone = || {
                ConfigProblem::of_key("resource_group", "`resource_group` alone selects nothing")
                    .with_hint("add `vm_scale_set=...`, or `tag_name=... tag_value=...`")
            };
            options.add_problem(if options.is_given(&RESOURCE_GROUP) {
                group_alone()
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
        let problem = ConfigProblem::of_key(
            "lookup",
            "`lookup=index` finds tagged resources and has no meaning with `vm_scale_set`",
        );
        options.add_problem(problem.with_hint("leave `lookup` out, or leave `vm_scale_set` out"));
    }
    let resource_group = match <[String; 1]>::try_from(groups) {
        Ok([group]) => group,
        Err(groups) if !groups.is_empty() => {
            let message = "`resource_group` must be one with `vm_scale_set`: a scale set is in one resource group";
            options.add_problem(
                ConfigProblem::of_key("resource_group", message)
                    .with_hint("name the resource group of the scale set alone"),
            );
            return None;
        }
        // What was given was refused.
        Err(_) if options.is_given(&RESOURCE_GROUP) => return None,
        // The metadata of a machine names the group together with the set.
        Err(_) if name == SELF => SELF.to_owned(),
        Err(_) => {
            options.add_missing(&RESOURCE_GROUP, Some("`vm_scale_set` is given"));
            return None;
        }
    };
    let orchestration_mode = options.word(&ORCHESTRATION_MODE, OrchestrationMode::from_word);
    Some(Selection::ScaleSet {
        resource_group,
        name,
        orchestration_mode,
        tags,
    })
}

/// The problem of a string that selects nothing.
pub(super) fn nothing_selected() -> ConfigProblem {
    ConfigProblem::new("nothing is selected")
        .with_hint("add `tag_name=... tag_value=...`, or `resource_group=... vm_scale_set=...`")
}

/// What is wrong with a selection that a program made: a string's is complete.
pub(super) fn incomplete(selection: &Selection) -> Vec<ConfigProblem> {
    let (tags, names) = match selection {
        Selection::Tag {
            tags,
            resource_groups,
            ..
        } => (
            Some(tags),
            resource_groups
                .iter()
                .map(|group| ("resource_group", group))
                .collect(),
        ),
        Selection::ScaleSet {
            resource_group,
            name,
            tags,
            ..
        } => (
            tags.as_ref(),
            vec![("resource_group", resource_group), ("vm_scale_set", name)],
        ),
    };
    let mut problems = Vec::new();
    if let Some(tags) = tags {
        if tags.conditions.is_empty() || tags.places.is_empty() {
            problems.push(nothing_selected());
        }
        if tags
            .conditions
            .iter()
            .any(|condition| condition.name.is_empty() || condition.value.is_empty())
        {
            problems.push(ConfigProblem::of_key(
                "tag_name",
                "a tag has an empty name or value",
            ));
        }
    }
    problems.extend(
        names
            .into_iter()
            .filter(|(_, name)| name.is_empty())
            .map(|(key, _)| ConfigProblem::of_key(key, format!("`{key}` is empty"))),
    );
    problems
}

/// Reads the tags that are complete.
fn conditions(options: &mut Options<'_>) -> Vec<TagCondition> {
    let mut conditions: Vec<(String, TagCondition)> = Vec::new();
    match (options.text(&TAG_NAME), options.text(&TAG_VALUE)) {
        (Some(name), Some(value)) => {
            conditions.push(("tag_name".to_owned(), TagCondition { name, value }))
        }
        (Some(_), None) => options.add_missing(&TAG_VALUE, Some("`tag_name` is given")),
        (None, Some(_)) => options.add_missing(&TAG_NAME, Some("`tag_value` is given")),
        (None, None) => {}
    }
    for (name, value) in options.family(&TAG) {
        // Azure compares names without case, so no resource has both `role` and `Role`.
        match conditions
            .iter()
            .find(|(_, known)| known.name.eq_ignore_ascii_case(&name))
        {
            None => conditions.push((format!("tag.{name}"), TagCondition { name, value })),
            Some((_, known)) if known.value == value => {}
            Some((other, known)) => {
                let key = format!("tag.{name}");
                let message = format!(
                    "`{key}` and `{other}` ask for two values of one tag, `{}`, which no resource can have",
                    known.name
                );
                options.add_problem(
                    ConfigProblem::of_key(key, message).with_hint("keep one of the two"),
                );
            }
        }
    }
    conditions
        .into_iter()
        .map(|(_, condition)| condition)
        .collect()
}

/// Names of resource groups are compared without case.
fn without_duplicates(groups: Vec<String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for group in groups {
        if !unique
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&group))
        {
            unique.push(group);
        }
    }
    unique
}
