//! The tests of the conformance suite that read the key table and send nothing.

#![allow(
    missing_docs,
    reason = "the names of the functions are the documentation"
)]

use cloud_autojoin_core::config::{KeySpec, PROVIDER, Values};
use cloud_autojoin_core::{ConfigString, Context, Env, Error};

use super::harness::assert_no_secret;
use super::{CANARY, Conformance, Harness, readme};

/// The messages of a join string that doesn't build, one a problem.
fn problems(conformance: &Conformance, config: &ConfigString, env: Env) -> Vec<String> {
    let context = Context::builder().env(env).build().expect("a context");
    match conformance.spec.build(config, &context) {
        Ok(provider) => panic!("{config:?} builds: {provider:?}"),
        Err(Error::Config(error)) => {
            let text = format!("{error:?} {error}");
            assert_no_secret(&text);
            error
                .problems()
                .iter()
                .map(|problem| problem.message.clone())
                .collect()
        }
        Err(other) => panic!("a configuration error, not {other:?}"),
    }
}

pub async fn required_keys_are_reported_together(conformance: Conformance) {
    let required: Vec<&KeySpec> = conformance
        .spec
        .keys
        .iter()
        .filter(|key| key.required)
        .collect();
    if required.is_empty() {
        return;
    }
    let config = ConfigString::new().with(PROVIDER, conformance.spec.name);
    let found = problems(&conformance, &config, Env::empty());
    for key in required {
        let named = format!("`{}`", key.name);
        assert!(
            found.iter().any(|problem| problem.contains(&named)),
            "{named} isn't in {found:?}"
        );
    }
}

pub async fn unacceptable_values_are_reported_together(conformance: Conformance) {
    let typed = |key: &&KeySpec| !matches!(key.values, Values::Text) && key.placeholder.is_none();
    let typed: Vec<&KeySpec> = conformance.spec.keys.iter().filter(typed).collect();
    if typed.is_empty() {
        return;
    }
    let mut config =
        ConfigString::parse(&conformance.join.replace("ENDPOINT", "https://example.test"))
            .expect("it parses");
    for key in &typed {
        key.names().for_each(|name| _ = config.remove(name));
        // A list accepts any text except an empty item.
        config.insert(
            key.name,
            if key.values == Values::List {
                "a,,b"
            } else {
                "@unacceptable@"
            },
        );
    }
    let found = problems(&conformance, &config, Env::empty());
    for key in typed {
        let named = format!("`{}`", key.name);
        assert!(
            found.iter().any(|problem| problem.contains(&named)),
            "{named} isn't in {found:?}"
        );
    }
}

pub async fn every_environment_variable_supplies_its_key(conformance: Conformance) {
    let harness = Harness::start(conformance).await;
    let given = harness.config();
    for key in harness.conformance.spec.keys {
        let Some(value) = key
            .names()
            .find_map(|name| given.get(name))
            .map(str::to_owned)
        else {
            continue;
        };
        for variable in key.env {
            let mut config = given.clone();
            key.names().for_each(|name| _ = config.remove(name));
            let env: Env = [((*variable).to_owned(), value.clone())]
                .into_iter()
                .collect();
            let context = Context::builder().env(env).build().expect("a context");
            let built = harness.conformance.spec.build(&config, &context);
            assert!(
                built.is_ok(),
                "`{variable}` doesn't supply `{}`: {:?}",
                key.name,
                built.err()
            );
        }
    }
}

pub async fn secret_keys_are_marked(conformance: Conformance) {
    for key in conformance.spec.keys {
        let sounds_secret = ["secret", "token", "password", "private_key"]
            .iter()
            .any(|word| key.name.contains(word))
            && !["_id", "_file", "_path", "_credentials"]
                .iter()
                .any(|end| key.name.ends_with(end));
        assert!(
            key.secret || !sounds_secret,
            "`{}` isn't marked as secret",
            key.name
        );
    }
    let config = ConfigString::parse(conformance.join).expect("it parses");
    for key in conformance.spec.keys.iter().filter(|key| key.secret) {
        for value in key.names().filter_map(|name| config.get(name)) {
            assert!(
                value.contains(CANARY),
                "`{}` of the join string has to hold {CANARY}",
                key.name
            );
        }
    }
}

pub async fn keys_are_documented(conformance: Conformance) {
    let spec = conformance.spec;
    for text in [spec.title, spec.summary] {
        assert!(
            !text.is_empty() && !text.ends_with('.'),
            "title and summary without a full stop: {text:?}"
        );
    }
    for key in spec.keys {
        let doc = key.doc;
        assert!(
            !doc.is_empty() && !doc.ends_with('.'),
            "`{}`: {doc:?}",
            key.name
        );
        let first = doc.chars().next().unwrap_or_default();
        let is_acronym = doc.chars().nth(1).is_some_and(char::is_uppercase);
        assert!(
            !first.is_uppercase() || is_acronym,
            "`{}` begins in lower case: {doc:?}",
            key.name
        );
        if let Some(default) = key.default {
            let value = cloud_autojoin_core::config::Value::from_key(key, key.name, default);
            assert!(
                value.check().is_ok(),
                "the default of `{}` isn't accepted",
                key.name
            );
        }
    }
}

pub async fn the_readme_has_the_key_table(conformance: Conformance) {
    readme::assert_current(&conformance.spec, conformance.readme);
}
