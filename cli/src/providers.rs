//! `discover providers`: the providers and their keys, from the tables that the parser uses.

use std::fmt::Write as _;

use cloud_autojoin::config::{ConfigString, KeySpec, PROVIDER, Values};
use cloud_autojoin::{ProviderSpec, Registry};
use serde::Serialize;

use crate::arguments::{OutputFormat, Providers};
use crate::output;
use crate::report::Reporter;
use crate::status::ExitStatus;
use crate::terminal::Width;

/// Runs the subcommand.
pub(crate) fn run(arguments: &Providers, reporter: &Reporter) -> ExitStatus {
    let registry = Registry::compiled_in();
    let text = match &arguments.name {
        None => match arguments.output {
            OutputFormat::Json => output::json(
                &registry
                    .providers()
                    .iter()
                    .map(ProviderRow::from)
                    .collect::<Vec<_>>(),
            ),
            OutputFormat::Text | OutputFormat::Lines => list(&registry),
        },
        Some(name) => {
            let spec = match registry.provider_of(&ConfigString::new().with(PROVIDER, name)) {
                Ok(spec) => spec,
                Err(error) => {
                    reporter.failure(&error);
                    return ExitStatus::Usage;
                }
            };
            match arguments.output {
                OutputFormat::Json => output::json(&ProviderRow::from(spec)),
                OutputFormat::Text | OutputFormat::Lines => one(spec, Width::of_standard_output()),
            }
        }
    };
    output::print_page(&text, "providers", reporter)
}

fn list(registry: &Registry) -> String {
    let width = registry
        .providers()
        .iter()
        .map(|spec| spec.name.len())
        .max()
        .unwrap_or_default();
    let columns = Width::of_standard_output();
    let line = |spec: &ProviderSpec| {
        columns.wrapped_by(
            &format!("{:width$}  {}: {}", spec.name, spec.title, spec.summary),
            0,
            width + 2,
        ) + "\n"
    };
    registry.providers().iter().map(line).collect()
}

fn one(spec: &ProviderSpec, width: Width) -> String {
    let mut text = format!(
        "{}: provider={}\n{}\n\nKeys:\n",
        spec.title,
        spec.name,
        width.wrapped_by(spec.summary, 0, 0)
    );
    for key in spec.keys {
        let _ = writeln!(
            text,
            "  {}{}",
            key.label(),
            if key.required { " (required)" } else { "" }
        );
        let _ = writeln!(text, "{}", width.wrapped_by(&sentence(key), 6, 6));
    }
    if !spec.notes.is_empty() {
        for paragraph in spec.notes.trim_end().split("\n\n") {
            let _ = write!(text, "\n{}\n", width.wrapped_by(paragraph, 0, 0));
        }
    }
    text
}

/// The description of a key, in one line.
pub(crate) fn sentence(key: &KeySpec) -> String {
    let mut text = key.doc.to_owned();
    if key.values != Values::Text {
        let _ = write!(text, "; {}", key.values);
    }
    if let Some(default) = key.default {
        let _ = write!(text, "; default {default}");
    }
    if !key.aliases.is_empty() {
        let _ = write!(text, "; also written {}", key.aliases.join(", "));
    }
    if !key.env.is_empty() {
        let _ = write!(text, "; by default from {}", key.env.join(", "));
    }
    if key.secret {
        text.push_str("; secret");
    }
    text
}

#[derive(Serialize)]
struct ProviderRow {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    keys: Vec<KeyRow>,
}

#[derive(Serialize)]
struct KeyRow {
    name: String,
    aliases: &'static [&'static str],
    env: &'static [&'static str],
    secret: bool,
    required: bool,
    default: Option<&'static str>,
    values: String,
    doc: &'static str,
}

impl From<&ProviderSpec> for ProviderRow {
    fn from(spec: &ProviderSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            summary: spec.summary,
            keys: spec.keys.iter().map(KeyRow::from).collect(),
        }
    }
}

impl From<&KeySpec> for KeyRow {
    fn from(key: &KeySpec) -> Self {
        Self {
            name: key.label(),
            aliases: key.aliases,
            env: key.env,
            secret: key.secret,
            required: key.required,
            default: key.default,
            values: key.values.to_string(),
            doc: key.doc,
        }
    }
}
