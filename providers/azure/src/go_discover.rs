//! What go-discover (v1.4.0) would do with a join string for Azure: which keys it reads, which
//! selection it takes, which identity.
//!
//! For people who share a string with agents that still use it: `discover check` reports it.

use cloud_autojoin_core::config::PROVIDER;
use cloud_autojoin_core::config::key::find;
use cloud_autojoin_core::{ConfigString, Context};

use crate::keys::{self, SELF};

/// The keys it reads, each with the variable that is read where the key is absent. A key with an
/// empty value stays empty.
pub(crate) const KEYS: [(&str, Option<&str>); 9] = [
    ("tenant_id", Some("ARM_TENANT_ID")),
    ("client_id", Some("ARM_CLIENT_ID")),
    ("secret_access_key", Some("ARM_CLIENT_SECRET")),
    ("subscription_id", Some("ARM_SUBSCRIPTION_ID")),
    ("tag_name", None),
    ("tag_value", None),
    ("resource_group", None),
    ("vm_scale_set", None),
    ("msft_telemetry_opt_in", Some("OPT_IN_MSFT_TELEMETRY")),
];

/// What it would do, in sentences; where it fails, that sentence comes last, in place of the
/// outcome.
pub(crate) fn compare(config: &ConfigString, context: &Context) -> Vec<String> {
    // The caller has warned of keys that are none of this provider; they may be pieces of a secret.
    let is_ignored = |key: &str| {
        key != PROVIDER && find(keys::KEYS, key).is_some() && KEYS.iter().all(|row| row.0 != key)
    };
    let ignored = config.iter().filter(|(key, _)| is_ignored(key));
    let ignored: Vec<String> = ignored.map(|(key, _)| format!("`{key}`")).collect();
    let mut differences = Vec::new();
    if !ignored.is_empty() {
        differences.push(format!("ignores {}", ignored.join(", ")));
    }
    let value = |key: &str| {
        let variable = KEYS.iter().find(|row| row.0 == key).and_then(|row| row.1);
        let text = config.get(key).map(str::to_owned);
        let text = text.or_else(|| context.env().var(variable?));
        text.unwrap_or_default()
    };
    if let Some(failure) = failure(&value) {
        differences.push(format!("fails: {failure}"));
        return differences;
    }
    let has = |key| !value(key).is_empty();
    if has("client_id") && !(has("tenant_id") && has("secret_access_key")) {
        differences.push(
            "doesn't pass `client_id` to the managed identity: it needs `AZURE_CLIENT_ID` for that"
                .to_owned(),
        );
    }
    let outcome = if has("tag_name") {
        "takes every network interface of the subscription whose own tag fits, with case in the tag's name"
    } else {
        "finds nothing in a Flexible scale set, and in a Uniform one lists instances that are gone"
    };
    differences.push(outcome.to_owned());
    differences
}

/// Why it would fail.
fn failure(value: &dyn Fn(&str) -> String) -> Option<String> {
    let has = |key| !value(key).is_empty();
    let tags = [has("tag_name"), has("tag_value")];
    let set = [has("resource_group"), has("vm_scale_set")];
    if !has("subscription_id") {
        return Some(
            "`subscription_id not provided as argument or environment variable`".to_owned(),
        );
    }
    if tags[0] != tags[1] || set[0] != set[1] || tags == set {
        return Some(
            "`unclear configuration. use (tag name and value) or (resouce_group and vm_scale_set)`"
                .to_owned(),
        );
    }
    let named = ["subscription_id", "resource_group", "vm_scale_set"];
    let own = named.into_iter().find(|key| value(key) == SELF)?;
    Some(format!("takes the word `{SELF}` in `{own}` for a name"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Env;

    use super::*;

    fn differences(string: &str, env: Env) -> Vec<String> {
        let context = Context::builder().env(env).build().unwrap();
        compare(
            &ConfigString::parse(&format!("provider=azure {string}")).unwrap(),
            &context,
        )
    }

    const SUBSCRIPTION: &str = "subscription_id=00000000-0000-0000-0000-000000000001";

    #[test]
    fn every_combination_of_tags_and_scale_set_but_two_is_unclear_to_it() {
        for combination in 0..16_u32 {
            let keys = ["tag_name", "tag_value", "resource_group", "vm_scale_set"];
            let string: Vec<String> = keys
                .iter()
                .enumerate()
                .filter(|(bit, _)| combination & (1 << bit) != 0)
                .map(|(_, key)| format!("{key}=x"))
                .collect();
            let found = differences(
                &format!("{SUBSCRIPTION} {}", string.join(" ")),
                Env::empty(),
            );
            assert_eq!(
                found[0].starts_with("fails: `unclear configuration"),
                !matches!(combination, 0b0011 | 0b1100),
                "{string:?}: {found:?}"
            );
        }
    }

    #[test]
    fn it_takes_variables_for_absent_keys_and_not_for_empty_ones() {
        let env = || {
            Env::from([(
                "ARM_SUBSCRIPTION_ID",
                "00000000-0000-0000-0000-000000000001",
            )])
        };
        assert!(
            differences("tag_name=a tag_value=b", env())[0]
                .starts_with("takes every network interface")
        );
        assert!(
            differences("tag_name=a tag_value=b", Env::empty())[0]
                .starts_with("fails: `subscription_id not provided")
        );
        assert!(
            differences(r#"subscription_id="" tag_name=a tag_value=b"#, env())[0]
                .starts_with("fails: `subscription_id not provided")
        );
    }

    #[test]
    fn keys_it_ignores_are_named_and_unknown_ones_are_not() {
        let found = differences(
            &format!(
                "{SUBSCRIPTION} tag_name=a tag_value=b tag_on=vm tag.x=y client_secret=z canary=1"
            ),
            Env::empty(),
        );
        assert_eq!(found[0], "ignores `client_secret`, `tag.x`, `tag_on`");
    }

    #[test]
    fn its_words_for_an_own_name_and_for_a_chosen_identity() {
        assert_eq!(
            differences(
                &format!("{SUBSCRIPTION} resource_group=self vm_scale_set=self"),
                Env::empty()
            ),
            ["fails: takes the word `self` in `resource_group` for a name"]
        );
        let set = format!("{SUBSCRIPTION} resource_group=a vm_scale_set=b client_id=c");
        assert!(differences(&set, Env::empty())[0].contains("needs `AZURE_CLIENT_ID`"));
        assert_eq!(
            differences(
                &format!("{set} tenant_id=d secret_access_key=e"),
                Env::empty()
            )
            .len(),
            1
        );
    }
}
