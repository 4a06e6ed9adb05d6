//! Where in a file the mistakes of a join string are.

use cloud_autojoin_core::config::key;
use cloud_autojoin_core::{ConfigError, ConfigProblem, ConfigString, Error, ProviderSpec};

use super::JoinArgument;
use crate::registry::Registry;

/// The file and line of the first parse error, as `FILE:LINE`; `None` if it isn't in a file.
pub fn line_of_error(given: &[JoinArgument]) -> Option<String> {
    let error = ConfigString::from_arguments(given.iter().map(|given| given.text.clone())).err()?;
    // The first prefix that fails in the same way.
    let mut line = None;
    for_each_prefix(given, |texts, place| {
        let is_found = place.is_some()
            && ConfigString::from_arguments(texts.to_vec()).err().as_ref() == Some(&error);
        line = if is_found { place } else { None };
        is_found
    });
    line
}

/// The file and line that set the value of a key, as `FILE:LINE`; `None` if they aren't in a file.
fn line_of_key(given: &[JoinArgument], key: &str) -> Option<String> {
    let (mut line, mut value) = (None, None);
    for_each_prefix(given, |texts, place| {
        let Ok(config) = ConfigString::from_arguments(texts.to_vec()) else {
            return false;
        };
        let present = config.get(key).map(ToOwned::to_owned);
        if present != value {
            (line, value) = (place, present);
        }
        false
    });
    line
}

/// Calls `visit` with each prefix of the join string, one line of a file or one word longer than
/// the one before, and the `FILE:LINE` where it ends (`None` for words), until `visit` returns
/// true.
fn for_each_prefix(
    given: &[JoinArgument],
    mut visit: impl FnMut(&[String], Option<String>) -> bool,
) {
    let mut texts: Vec<String> = Vec::new();
    for given in given {
        let Some(file) = &given.file else {
            texts.push(given.text.clone());
            if visit(&texts, None) {
                return;
            }
            continue;
        };
        let mut text = String::new();
        for (number, line) in &given.lines {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(line);
            texts.push(text.clone());
            if visit(&texts, Some(format!("{}:{number}", file.path.display()))) {
                return;
            }
            texts.pop();
        }
        texts.push(text);
    }
}

/// Puts `FILE:LINE` in front of each problem with a key that an `@FILE` sets.
pub fn locate(
    error: Error,
    config: &ConfigString,
    given: &[JoinArgument],
    registry: &Registry,
) -> Error {
    let (Error::Config(refusal), Ok(spec)) = (&error, registry.provider_of(config)) else {
        return error;
    };
    let problems = refusal
        .problems()
        .iter()
        .cloned()
        .map(|problem| located(problem, config, given, spec))
        .collect();
    ConfigError::from_problems(refusal.provider(), problems).map_or(error, Into::into)
}

/// Puts `FILE:LINE` in front of a problem with a key that an `@FILE` sets.
pub fn located(
    mut problem: ConfigProblem,
    config: &ConfigString,
    given: &[JoinArgument],
    spec: &ProviderSpec,
) -> ConfigProblem {
    // A problem has the name of the option, a string may have another name of it.
    let is_about =
        |name: &&str| key::find(spec.keys, name).map(|key| key.name) == problem.key.as_deref();
    let written = config.iter().map(|(name, _)| name).find(is_about);
    if let Some(line) = written.and_then(|name| line_of_key(given, name)) {
        problem.message = format!("{line}: {}", problem.message);
    }
    problem
}

/// Puts `line` in front of each message of a configuration error.
pub fn with_line(error: Error, line: &str) -> Error {
    let Error::Config(config) = &error else {
        return error;
    };
    let problems = config.problems().iter().cloned().map(|mut problem| {
        problem.message = format!("{line}: {}", problem.message);
        problem
    });
    ConfigError::from_problems(None, problems.collect()).map_or(error, Into::into)
}
