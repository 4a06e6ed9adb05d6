//! `discover completions`: scripts by which shells complete the command, join strings too.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use cloud_autojoin::Registry;
use cloud_autojoin::config::{KeySpec, Values};

use crate::arguments::{Arguments, Completions};
use crate::output;
use crate::report::Reporter;
use crate::status::Status;

/// Runs the subcommand.
pub(crate) fn run(arguments: &Completions, reporter: &Reporter) -> Status {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut with_keys(Arguments::command(), &Registry::compiled_in()), "discover", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if arguments.shell == Shell::Fish {
        script.push_str(&fish(&Registry::compiled_in()));
    }
    output::deliver(&script, "completions", reporter)
}

/// What the generator leaves out for fish: the values of words.
fn fish(registry: &Registry) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let line = |word: PossibleValue| {
        let help = word.get_help().map(ToString::to_string).unwrap_or_default();
        format!("complete -c discover -n \"__fish_discover_using_subcommand addrs explain\" -a {} -d {}\n", quoted(word.get_name()), quoted(&help))
    };
    join_words(registry).into_iter().map(line).collect()
}

/// The command line with the keys of all providers as the values that its words may have. For scripts only: the parser of the command takes any word.
fn with_keys(command: Command, registry: &Registry) -> Command {
    let words = join_words(registry);
    let names: Vec<&str> = registry.providers().iter().map(|spec| spec.name).collect();
    ["addrs", "explain"]
        .into_iter()
        .fold(command, |command, name| {
            command.mut_subcommand(name, |subcommand| subcommand.mut_arg("words", |argument| argument.value_parser(PossibleValuesParser::new(words.clone()))))
        })
        .mut_subcommand("providers", |subcommand| subcommand.mut_arg("name", |argument| argument.value_parser(PossibleValuesParser::new(names))))
}

fn join_words(registry: &Registry) -> Vec<PossibleValue> {
    let providers = registry.providers().iter().map(|spec| PossibleValue::new(format!("provider={}", spec.name)).help(spec.title));
    providers.chain(registry.providers().iter().flat_map(|spec| spec.keys).flat_map(key_words)).collect()
}

/// The beginnings of pairs with this key, whole pairs where there are few values. A secret is not offered: it does not belong on a command line.
fn key_words(key: &KeySpec) -> Vec<PossibleValue> {
    match key.values {
        _ if key.secret => Vec::new(),
        Values::OneOf(words) => words.iter().map(|word| PossibleValue::new(format!("{}={word}", key.name)).help(key.doc)).collect(),
        _ if key.placeholder.is_some() => vec![PossibleValue::new(key.name).help(key.doc)],
        _ => vec![PossibleValue::new(format!("{}=", key.name)).help(key.doc)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_no_secret_is_offered_and_choices_are_whole() {
        let registry = Registry::compiled_in();
        let words: Vec<String> = join_words(&registry).iter().map(|word| word.get_name().to_owned()).collect();
        for spec in registry.providers() {
            assert!(words.contains(&format!("provider={}", spec.name)));
            for key in spec.keys {
                assert_eq!(words.iter().any(|word| word.starts_with(key.name)), !key.secret, "{}", key.name);
            }
        }
        assert_eq!(
            key_words(&KeySpec::new("mode", "").values(Values::OneOf(&["a", "b"]))).iter().map(PossibleValue::get_name).collect::<Vec<_>>(),
            ["mode=a", "mode=b"]
        );
    }
}
