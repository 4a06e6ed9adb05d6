//! What go-discover would do with the same join string, as a table.

use cloud_autojoin_core::ConfigString;
use cloud_autojoin_core::config::KeySpec;

pub use When::{Absent, Always, Given, Several};

/// When a difference shows.
#[derive(Debug, Clone, Copy)]
pub enum When<'a> {
    /// With every join string.
    Always,
    /// When the key isn't in the join string.
    Absent(&'a KeySpec),
    /// When the key, or a member of the family, is in the join string.
    Given(&'a KeySpec),
    /// When the key has several values, separated by commas.
    Several(&'a KeySpec),
}

impl When<'_> {
    fn holds(self, config: &ConfigString) -> bool {
        let value = |spec: &KeySpec| {
            let mut pairs = config.iter();
            pairs.find_map(|(key, value)| spec.matches(key).then_some(value))
        };
        match self {
            Self::Always => true,
            Self::Absent(spec) => value(spec).is_none(),
            Self::Given(spec) => value(spec).is_some(),
            Self::Several(spec) => value(spec).is_some_and(|text| text.contains(',')),
        }
    }
}

/// The texts of the rows that hold for `config`. A text goes on after "go-discover:", as `reads the
/// token from ``api_token`` only`.
pub fn differences(config: &ConfigString, table: &[(When<'_>, &str)]) -> Vec<String> {
    let rows = table.iter().filter(|(when, _)| when.holds(config));
    rows.map(|(_, text)| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_hold_by_what_the_join_string_gives() {
        const TOKEN: KeySpec = KeySpec::new("token", "the token");
        const TAG: KeySpec = KeySpec::new("tag", "the tags").aliases(&["tag_name"]);
        let found = |join: &str| {
            let table = [
                (When::Always, "always"),
                (When::Absent(&TOKEN), "absent"),
                (When::Given(&TAG), "given"),
                (When::Several(&TAG), "several"),
            ];
            differences(&join.parse().unwrap(), &table).join(" ")
        };
        assert_eq!(found("provider=x tag=a,b"), "always absent given several");
        assert_eq!(found("provider=x token=t tag_name=a"), "always given");
    }
}
