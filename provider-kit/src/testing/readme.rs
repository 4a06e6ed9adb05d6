//! The key table of a provider's README, generated from the table that the parser reads.

use std::fmt::Write as _;

use cloud_autojoin_core::ProviderSpec;
use cloud_autojoin_core::config::{KeySpec, Values};

/// The key table in Markdown.
pub fn key_table(spec: &ProviderSpec) -> String {
    let mut table = "| key | meaning | default | environment |\n|---|---|---|---|\n".to_owned();
    for key in spec.keys {
        let name = if key.required {
            format!("`{}` (required)", key.label())
        } else {
            format!("`{}`", key.label())
        };
        let default = key.default.map(code).unwrap_or_default();
        let _ = writeln!(
            table,
            "| {name} | {} | {default} | {} |",
            meaning(key),
            list(key.env)
        );
    }
    table
}

/// Fails unless the part between `<!-- keys -->` and `<!-- end -->` is the key table; reports what
/// to put there.
pub fn assert_current(spec: &ProviderSpec, readme: &str) {
    let between = readme
        .split_once("<!-- keys -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- end -->"));
    let (current, _) = between.expect("README.md has `<!-- keys -->` and `<!-- end -->`");
    let table = key_table(spec);
    assert!(
        current == table,
        "put this between the markers of {}'s README.md:\n{table}",
        spec.name
    );
}

fn meaning(key: &KeySpec) -> String {
    let mut text = key.doc.replace('|', "\\|");
    if !matches!(key.values, Values::Text) {
        // A bare URL is no link in rustdoc.
        let values = key
            .values
            .to_string()
            .replace("https://host.example/path", "`https://host.example/path`");
        let _ = write!(text, "; {values}");
    }
    if !key.aliases.is_empty() {
        let _ = write!(text, "; alias {}", list(key.aliases));
    }
    if key.secret {
        text.push_str("; secret");
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn list(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| code(text))
        .collect::<Vec<_>>()
        .join(", ")
}
