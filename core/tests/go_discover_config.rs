//! Join strings and the results of go-discover's own parser; `data/README.md` describes how they
//! were made.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use cloud_autojoin_core::config::{ConfigString, ParseErrorKind};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    input: String,
    pairs: Option<BTreeMap<String, String>>,
    error: Option<String>,
    string: Option<String>,
}

fn verdicts() -> Vec<(String, Verdict)> {
    let topics: BTreeMap<String, Vec<Verdict>> =
        serde_json::from_str(include_str!("data/go_discover_config.json")).unwrap();
    let verdicts: Vec<_> = topics
        .into_iter()
        .flat_map(|(topic, rows)| rows.into_iter().map(move |row| (topic.clone(), row)))
        .collect();
    assert!(verdicts.len() > 400, "{}", verdicts.len());
    verdicts
}

fn parsed(input: &str) -> Result<BTreeMap<String, String>, String> {
    let config = ConfigString::parse(input).map_err(|error| error.to_string())?;
    Ok(config
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

#[test]
fn every_string_gives_go_discovers_map_or_its_error_text() {
    for (topic, verdict) in verdicts() {
        let expected = match (verdict.pairs, verdict.error) {
            (Some(pairs), None) => Ok(pairs),
            (None, Some(error)) => Err(error),
            _ => panic!("{topic}: neither or both: {:?}", verdict.input),
        };
        assert_eq!(
            parsed(&verdict.input),
            expected,
            "{topic}: {:?}",
            verdict.input
        );
    }
}

#[test]
fn the_printed_string_is_go_discovers_where_that_reads_back_and_reads_back_always() {
    for (topic, verdict) in verdicts() {
        let Ok(config) = ConfigString::parse(&verdict.input) else {
            continue;
        };
        let printed = config.to_string();
        assert_eq!(
            ConfigString::parse(&printed).as_ref(),
            Ok(&config),
            "{topic}: {:?}",
            verdict.input
        );
        if let Some(string) = verdict.string {
            assert_eq!(printed, string, "{topic}: {:?}", verdict.input);
        }
    }
}

#[test]
fn words_of_a_command_line_mean_what_the_joined_string_means() {
    for (topic, verdict) in verdicts() {
        let words = verdict.input.split(' ').map(str::to_owned);
        let given = ConfigString::from_arguments(words).map_err(|error| error.to_string());
        if let Ok(config) = ConfigString::parse(&verdict.input) {
            assert_eq!(given, Ok(config), "{topic}: {:?}", verdict.input);
        }
    }
}

#[test]
fn where_go_discovers_own_output_breaks_the_text_is_quoted() {
    let cases = [
        (r#"a="""#, r#"a="""#),
        (r#"""=a"#, r#"""=a"#),
        (r#"a="\tb""#, r#"a="\tb""#),
        ("a=\t b=c", r#"a="" b=c"#),
        (r#"a="\u00a0b" provider="""#, r#"provider="" a="\u00a0b""#),
    ];
    for (input, printed) in cases {
        assert_eq!(
            ConfigString::parse(input).unwrap().to_string(),
            printed,
            "{input:?}"
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_by_name() {
    for (input, text) in [
        (
            r#"k="\377""#,
            "k: invalid syntax: the escapes give bytes that aren't UTF-8",
        ),
        (
            r#"k="\xed\xa0\x80=""#,
            "k: invalid syntax: the escapes give bytes that aren't UTF-8",
        ),
        (
            r#"a=b "\xff"=c"#,
            "a: error with key=value pair invalid syntax: the escapes give bytes that aren't UTF-8",
        ),
    ] {
        let error = ConfigString::parse(input).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ParseErrorKind::EscapesNotUtf8, text),
            "{input:?}"
        );
    }
    for (input, valid_up_to) in [
        (&b"a=\xff"[..], 2),
        (b"\xffa=b", 0),
        (b"a=\"\xff=\"", 3),
        (b"a=\xc3", 2),
    ] {
        let error = ConfigString::parse_bytes(input).unwrap_err();
        assert_eq!(error.kind(), ParseErrorKind::InputNotUtf8 { valid_up_to });
        assert_eq!(
            error.to_string(),
            format!("the join string is not UTF-8 (after {valid_up_to} bytes)")
        );
    }
    assert_eq!(
        ConfigString::parse_bytes("é=ü".as_bytes())
            .unwrap()
            .get("é"),
        Some("ü")
    );
}

#[test]
fn the_redacted_error_has_no_word_of_the_string() {
    let cases = [
        (
            "secret=abc canary",
            "missing '=' (pair 2 of the join string)",
        ),
        (
            "secret=abc canary=",
            "missing value (pair 2 of the join string)",
        ),
        (
            "canary=a canary=b",
            "duplicate key (pair 2 of the join string)",
        ),
        (
            "x=y canary=a=b",
            "equals in key's value, enclosing double-quote needed (pair 2 of the join string)",
        ),
        (
            "=canary",
            "equals in key's value, enclosing double-quote needed (at the start of the join string)",
        ),
        (
            r#"canary="a"#,
            "unbalanced quotes (pair 1 of the join string)",
        ),
        (
            r#"canary=a "b"#,
            "unbalanced quotes (after pair 1 of the join string)",
        ),
        (
            r#"canary="a\"#,
            "unterminated escape sequence (pair 1 of the join string)",
        ),
        (
            r#"canary="\q""#,
            "invalid syntax (pair 1 of the join string)",
        ),
        (
            r#""canary\q""#,
            "invalid syntax (at the start of the join string)",
        ),
    ];
    for (input, redacted) in cases {
        let error = ConfigString::parse(input).unwrap_err();
        assert_eq!(error.redacted().to_string(), redacted, "{input:?}");
        assert_eq!(
            format!("{error:?}"),
            format!("ParseError({redacted})"),
            "{input:?}"
        );
        assert!(!error.hint().contains("canary"));
    }
    let error = ConfigString::parse("a=b c=d=e").unwrap_err();
    assert_eq!(
        (error.kind(), error.key(), error.pair()),
        (ParseErrorKind::EqualsInValue, "c", 2)
    );
}

#[test]
fn pairs_come_in_order_with_the_provider_first() {
    let mut config = ConfigString::new()
        .with("b", "1")
        .with("provider", "x")
        .with("a", "2")
        .with("Z", "");
    let keys: Vec<_> = config.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["provider", "Z", "a", "b"]);
    assert_eq!(
        (
            config.len(),
            config.contains("Z"),
            config.get("Z"),
            config.get("z")
        ),
        (4, true, Some(""), None)
    );
    assert_eq!(config.insert("provider", ""), Some("x".to_owned()));
    assert_eq!(
        (config.provider(), config.get("provider")),
        (None, Some(""))
    );
    assert_eq!(config.remove("a"), Some("2".to_owned()));
    assert_eq!(config.to_string(), r#"provider="" Z="" b=1"#);
    assert!(ConfigString::parse("\u{a0}\t").unwrap().is_empty());
}
