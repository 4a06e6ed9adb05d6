#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::config::ConfigString;

const OPTION: KeySpec = KeySpec::new("option", "any option").aliases(&["opt"]);
const SECRET: KeySpec = KeySpec::new("client_secret", "a secret").secret();

fn value(text: &str) -> Value<'_> {
    Value::from_key(&OPTION, "option", text)
}

fn message<T: fmt::Debug>(result: Result<T, ValueError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn booleans_are_gos_twelve_spellings() {
    for text in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(value(text).boolean(), Ok(true));
    }
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(value(text).boolean(), Ok(false));
    }
    for text in ["", "yes", "tRUE", " true", "on", "2"] {
        assert!(value(text).boolean().is_err(), "{text:?}");
    }
    assert_eq!(
        message(value("yes").boolean()),
        r#"`option` must be true or false, not "yes""#
    );
}

#[test]
fn numbers_keep_their_bounds() {
    assert_eq!(value("7").number(1, 10), Ok(7));
    for text in [
        "0",
        "11",
        "+7",
        "-1",
        "7.0",
        "7 ",
        "",
        "99999999999999999999",
    ] {
        assert!(value(text).number(1, 10).is_err(), "{text:?}");
    }
    assert_eq!(
        message(value("11").number(1, 10)),
        r#"`option` must be a whole number from 1 to 10, not "11""#
    );
}

#[test]
fn lists_are_trimmed_and_have_no_empty_item() {
    assert_eq!(value("a, b c ,d").list().unwrap(), ["a", "b c", "d"]);
    for text in ["", ",", "a,", "a,,b", " "] {
        assert!(value(text).list().is_err(), "{text:?}");
    }
}

#[test]
fn words_are_matched_without_case_and_named_in_the_error() {
    const WORDS: &[&str] = &["nic", "vm", "scale_set"];
    assert_eq!(value("VM").one_of(WORDS), Ok("vm"));
    assert_eq!(value("vm, NIC,vm").list_of(WORDS).unwrap(), ["vm", "nic"]);
    assert_eq!(
        message(value("vmss").one_of(WORDS)),
        r#"`option` must be one of nic, vm, scale_set, not "vmss""#
    );
    assert_eq!(
        message(value("vm,").list_of(WORDS)),
        r#"`option` must be a comma-separated list of nic, vm, scale_set, not "vm,""#
    );
}

#[test]
fn guids_have_hyphens_and_become_lower_case() {
    assert_eq!(
        value("0A1B2C3D-0000-1111-2222-0123456789AB")
            .guid()
            .unwrap(),
        "0a1b2c3d-0000-1111-2222-0123456789ab"
    );
    for text in [
        "",
        "x",
        "0a1b2c3d00001111222201234567 89ab",
        "0a1b2c3d000011112222012345678 9ab",
        "{0a1b2c3d-0000-1111-2222-0123456789ab}",
        "0a1b2c3d-0000-1111-2222-0123456789ag",
        "0a1b2c3d-0000-1111-2222-0123456789ab-",
        "0a1b2c3d0-000-1111-2222-0123456789ab",
    ] {
        assert!(value(text).guid().is_err(), "{text:?}");
    }
}

#[test]
fn urls_have_a_web_scheme_and_a_host_and_no_password() {
    assert_eq!(
        value("http://host.example:8080/a").url().unwrap().as_str(),
        "http://host.example:8080/a"
    );
    for text in [
        "",
        "host.example",
        "ftp://host.example",
        "https://",
        "file:///etc/passwd",
        "https://u:p@host.example",
    ] {
        assert!(value(text).url().is_err(), "{text:?}");
    }
}

#[test]
fn endpoints_are_https_or_this_machine() {
    for text in [
        "https://host.example",
        "http://127.0.0.1:4000",
        "http://127.1.2.3",
        "http://[::1]:4000",
        "http://localhost:4000",
    ] {
        assert!(value(text).endpoint().is_ok(), "{text:?}");
    }
    for text in [
        "http://host.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
    ] {
        assert_eq!(
            message(value(text).endpoint()),
            "`option` must begin with https:// (http only to 127.0.0.1, ::1 or localhost), since a token is sent there"
        );
    }
}

#[test]
fn a_secret_is_in_no_message() {
    let canary = Value::from_key(&SECRET, "client_secret", "canary");
    for text in [
        message(canary.boolean()),
        message(canary.guid()),
        message(canary.endpoint()),
        format!("{canary:?}"),
    ] {
        assert!(text.contains("client_secret"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    let url = message(value("https://user:canary@host.example").endpoint());
    assert!(
        url.starts_with("`option` must be") && !url.contains("canary"),
        "{url}"
    );
    assert_eq!(
        message(canary.duration()),
        "`client_secret` must be a duration such as 30s, 1m30s, 1.5h"
    );
}

#[test]
fn the_message_names_the_place_the_value_came_from() {
    assert_eq!(
        message(Value::from_variable(&OPTION, "ARM_OPTION", String::new()).text()),
        "environment variable `ARM_OPTION` is empty: give it a value or omit it"
    );
    let long = "x".repeat(100);
    let error = value(&long).boolean().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`option` must be true or false, not \"{}\"...",
            "x".repeat(60)
        )
    );
    assert_eq!((error.option(), error.given_as()), ("option", "option"));
    assert_eq!(
        message(value("\x1b[31m").boolean()),
        r#"`option` must be true or false, not "\x1b[31m""#
    );
}

#[test]
fn an_option_under_two_names_must_have_one_value() {
    let config: ConfigString = "option=a opt=a".parse().unwrap();
    assert_eq!(config.value(&OPTION).unwrap().unwrap().raw(), "a");

    let config: ConfigString = "opt=b".parse().unwrap();
    let error = config
        .value(&OPTION)
        .unwrap()
        .unwrap()
        .boolean()
        .unwrap_err();
    assert_eq!((error.option(), error.given_as()), ("option", "opt"));

    let config: ConfigString = "option=a opt=b".parse().unwrap();
    assert_eq!(
        message(config.value(&OPTION)),
        "`option` and `opt` are two names of one option and have different values: keep one"
    );
    assert!(ConfigString::new().value(&OPTION).unwrap().is_none());
}

#[test]
fn check_judges_by_the_table() {
    const KEYS: &[(Values, &str, &str)] = &[
        (Values::Text, "a", ""),
        (Values::Boolean, "true", "yes"),
        (Values::Duration, "1m", "1"),
        (Values::Number { min: 1, max: 2 }, "2", "3"),
        (Values::List, "a,b", "a,,b"),
        (Values::OneOf(&["a"]), "a", "b"),
        (Values::ListOf(&["a", "b"]), "b,a", "c"),
        (Values::Guid, "00000000-0000-0000-0000-000000000000", "0"),
        (Values::Url, "http://host.example", "host.example"),
        (
            Values::Endpoint,
            "https://host.example",
            "http://host.example",
        ),
    ];
    for &(values, good, bad) in KEYS {
        let spec = KeySpec::new("option", "any").values(values);
        assert_eq!(Value::from_key(&spec, "option", good).check(), Ok(()));
        assert!(
            Value::from_key(&spec, "option", bad).check().is_err(),
            "{values:?}"
        );
    }
}
