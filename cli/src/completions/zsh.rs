//! Zsh: the specifications of its `_arguments` are fields between colons.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::JoinWord;

/// The command line with the colons in the names of values escaped, which the generator doesn't do.
pub(super) fn with_escaped_names(command: Command) -> Command {
    let escaped = |argument: Arg| {
        let names: Vec<String> = argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(|name| name.replace(':', "\\:"))
            .collect();
        if names.iter().any(|name| name.contains(':')) {
            argument.value_names(names)
        } else {
            argument
        }
    };
    command.mut_subcommands(move |subcommand| subcommand.mut_args(escaped))
}

/// The generated script with functions for join strings and for values of several parts.
pub(super) fn script(generated: &str, words: &[JoinWord]) -> String {
    let mut script = String::new();
    for line in generated.lines() {
        let function = match line {
            _ if line.starts_with("'*::words -- ") || line.starts_with("'*::strings -- ") => {
                "_discover_join_words"
            }
            _ if line.contains("--file=[") => "_discover_file",
            _ if line.contains("--agent=[") => "_discover_agent",
            _ => "",
        };
        match line.rsplit_once(':').filter(|_| !function.is_empty()) {
            Some((start, end)) => {
                _ = writeln!(
                    script,
                    "{start}:{function}'{}",
                    end.split_once('\'').map_or("", |(_, end)| end)
                )
            }
            None => _ = writeln!(script, "{line}"),
        }
    }
    let at = script
        .find("\nif [ \"$funcstack[1]\"")
        .unwrap_or(script.len());
    script.insert_str(at, &functions(words));
    script
}

fn functions(words: &[JoinWord]) -> String {
    let described = |open: bool| {
        let described = words.iter().filter(|word| word.is_open() == open);
        described
            .map(|word| {
                format!(
                    "        {}\n",
                    quoted(&format!("{}:{}", word.text.replace(':', "\\:"), word.help))
                )
            })
            .collect::<String>()
    };
    let [(_, files), (_, agents)] = super::kinds();
    let files: Vec<String> = files.iter().map(|kind| format!("{kind}:")).collect();
    FUNCTIONS
        .replace("        OPEN\n", &described(true))
        .replace("        WHOLE\n", &described(false))
        .replace("FILES", &files.join(" "))
        .replace("AGENTS", &agents.join(" "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

const FUNCTIONS: &str = r#"
_discover_join_words() {
    if compset -P '@'; then
        _files
        return
    fi
    local -a open whole
    open=(
        OPEN
    )
    whole=(
        WHOLE
    )
    local ret=1
    _describe -t pairs pair whole && ret=0
    _describe -t keys key open -S '' && ret=0
    return ret
}

_discover_file() {
    if compset -P '*:'; then
        _files
    else
        compadd -S '' -- FILES
    fi
}

_discover_agent() {
    compadd -- AGENTS
}
"#;
