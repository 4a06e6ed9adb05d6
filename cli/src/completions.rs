//! `discover completions`: completion scripts, which also complete join strings.
//!
//! clap generates the scripts; what it can't express is added for each shell: words such as
//! `tag_on=nic`, which shells split at `=` and `:`, and values such as `consul:/path`.

use std::collections::HashSet;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;
use cloud_autojoin::Registry;
use cloud_autojoin::config::{KeySpec, Values};

mod bash;
mod fish;
mod zsh;

use crate::arguments::{Arguments, Completions};
use crate::output;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// The subcommands that take a join string, with the names of its arguments.
const JOIN_STRINGS: [(&str, &str); 4] = [
    ("addrs", "words"),
    ("explain", "words"),
    ("check", "strings"),
    ("watch", "words"),
];

/// Runs the subcommand.
pub(crate) fn run(arguments: &Completions, reporter: &Reporter) -> ExitStatus {
    output::print_page(
        &script(arguments.shell, &Registry::compiled_in()),
        "completions",
        reporter,
    )
}

fn script(shell: Shell, registry: &Registry) -> String {
    let command = with_values(Arguments::whole_command(), registry);
    let generate = |mut command: Command| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "discover", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    };
    let words = JoinWord::all(registry);
    match shell {
        Shell::Bash => bash::script(&generate(with_join_words(command, &words))),
        Shell::Fish => fish::script(&generate(command), &words, registry),
        Shell::Zsh => zsh::script(&generate(zsh::with_escaped_names(command)), &words),
        _ => generate(command),
    }
}

/// A word of a join string.
struct JoinWord {
    /// The whole pair, or its beginning.
    text: String,
    help: &'static str,
}

impl JoinWord {
    fn all(registry: &Registry) -> Vec<Self> {
        let providers = registry.providers().iter().map(|spec| Self {
            text: format!("provider={}", spec.name),
            help: spec.title,
        });
        let keys = registry
            .providers()
            .iter()
            .flat_map(|spec| spec.keys)
            .flat_map(Self::of_key);
        // Providers share keys such as `address_type`.
        let mut seen = HashSet::new();
        providers
            .chain(keys)
            .filter(|word| seen.insert(word.text.clone()))
            .collect()
    }

    /// `KEY=` for this key, or `KEY=VALUE` for each of a few values. Secret keys aren't offered:
    /// they don't belong on a command line.
    fn of_key(key: &'static KeySpec) -> Vec<Self> {
        let word = |text| Self {
            text,
            help: key.doc,
        };
        match key.values {
            _ if key.secret => Vec::new(),
            Values::OneOf(values) | Values::ListOf(values) => values
                .iter()
                .map(|value| word(format!("{}={value}", key.name)))
                .collect(),
            Values::Boolean => ["true", "false"]
                .iter()
                .map(|value| word(format!("{}={value}", key.name)))
                .collect(),
            _ if key.placeholder.is_some() => vec![word(key.name.to_owned())],
            _ => vec![word(format!("{}=", key.name))],
        }
    }

    /// Whether a value must follow.
    fn is_open(&self) -> bool {
        self.text.ends_with(['=', '.'])
    }
}

/// The command line with values that the parser doesn't define: names of providers, and no file
/// names for durations and ports.
fn with_values(command: Command, registry: &Registry) -> Command {
    let names: Vec<&str> = registry.providers().iter().map(|spec| spec.name).collect();
    let hinted = |argument: Arg| {
        // A flag takes no value; a repeatable positional argument does.
        let takes_values = argument.is_positional() || argument.get_action().takes_values();
        let is_unknown = argument.get_value_hint() == ValueHint::Unknown
            && argument.get_possible_values().is_empty();
        if takes_values && is_unknown {
            argument.value_hint(ValueHint::Other)
        } else {
            argument
        }
    };
    let boolean = |argument: Arg| {
        if argument.get_id() == "quiet" {
            argument.value_parser(["true", "false"])
        } else {
            argument
        }
    };
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .filter(|name| name != "help")
        .collect();
    let command = command
        .mut_subcommand("providers", |providers| {
            providers.mut_arg("name", |name| {
                name.value_parser(PossibleValuesParser::new(names))
            })
        })
        .mut_subcommand("man", |man| {
            man.mut_arg("subcommand", |name| {
                name.value_parser(PossibleValuesParser::new(subcommands))
            })
        });
    command
        .mut_args(boolean)
        .mut_subcommands(move |subcommand| subcommand.mut_args(boolean).mut_args(hinted))
}

/// The command line with the words of join strings as values. For scripts only: the command itself
/// accepts any word.
fn with_join_words(command: Command, words: &[JoinWord]) -> Command {
    let values: Vec<PossibleValue> = words
        .iter()
        .map(|word| PossibleValue::new(word.text.clone()))
        .collect();
    JOIN_STRINGS
        .into_iter()
        .filter(|(name, _)| command.find_subcommand(name).is_some())
        .collect::<Vec<_>>()
        .into_iter()
        .fold(command, |command, (name, argument)| {
            let values = values.clone();
            command.mut_subcommand(name, |subcommand| {
                subcommand.mut_arg(argument, |argument| {
                    argument.value_parser(PossibleValuesParser::new(values))
                })
            })
        })
}

/// The options whose values are `KIND:...`, with their kinds.
fn kinds() -> [(&'static str, &'static [&'static str]); 2] {
    #[cfg(all(feature = "sidecar", unix))]
    return [
        ("--file", &cloud_autojoin_sidecar::FILE_KINDS),
        ("--agent", &cloud_autojoin_sidecar::AGENT_KINDS),
    ];
    #[cfg(not(all(feature = "sidecar", unix)))]
    [("--file", &[]), ("--agent", &[])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_no_secret_is_offered_and_choices_are_whole() {
        let registry = Registry::compiled_in();
        let words: Vec<String> = JoinWord::all(&registry)
            .into_iter()
            .map(|word| word.text)
            .collect();
        for spec in registry.providers() {
            assert!(words.contains(&format!("provider={}", spec.name)));
            for key in spec.keys {
                // A name may be secret for one provider and not for another.
                let same_name = registry
                    .providers()
                    .iter()
                    .flat_map(|spec| spec.keys)
                    .filter(|other| other.name == key.name);
                let is_offered = same_name.into_iter().any(|other| !other.secret);
                let begins = |word: &String| {
                    word.starts_with(&format!("{}=", key.name))
                        || key.placeholder.is_some() && word.starts_with(key.name)
                };
                assert_eq!(words.iter().any(begins), is_offered, "{}", key.name);
            }
        }
        const MODE: KeySpec = KeySpec::new("mode", "").values(Values::OneOf(&["a", "b"]));
        static KEY: KeySpec = MODE;
        assert_eq!(
            JoinWord::of_key(&KEY)
                .into_iter()
                .map(|word| word.text)
                .collect::<Vec<_>>(),
            ["mode=a", "mode=b"]
        );
    }

    #[test]
    fn what_each_shell_needs_finds_its_place_in_the_generated_script() {
        let registry = Registry::compiled_in();
        let zsh = script(Shell::Zsh, &registry);
        assert_eq!(
            zsh.matches(":_discover_join_words'").count(),
            if cfg!(all(feature = "sidecar", unix)) {
                4
            } else {
                3
            }
        );
        let bash = script(Shell::Bash, &registry);
        assert!(
            !bash.contains("complete -F _discover ")
                && bash.contains("complete -F _discover_whole_words ")
        );
        #[cfg(all(feature = "sidecar", unix))]
        assert!(
            zsh.contains(":KIND\\:PATH:_discover_file'")
                && zsh.contains(":KIND[\\:URL]:_discover_agent'"),
            "{zsh}"
        );
    }
}
