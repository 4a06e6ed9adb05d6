//! Fish: the generator doesn't describe positional arguments, so fish would complete file names.

use std::fmt::Write as _;

use cloud_autojoin::Registry;

use super::{JOIN_STRINGS, JoinWord};

/// The generated script with the values of positional arguments and of options with several parts.
pub(super) fn script(generated: &str, words: &[JoinWord], registry: &Registry) -> String {
    let mut script = generated.to_owned();
    let shells: Vec<String> = <clap_complete::Shell as clap::ValueEnum>::value_variants()
        .iter()
        .map(ToString::to_string)
        .collect();
    let names: Vec<&str> = registry.providers().iter().map(|spec| spec.name).collect();
    script.push_str(FUNCTIONS);
    let mut line = |subcommands: &str, rest: &str| {
        _ = writeln!(
            script,
            "complete -c discover -n \"__fish_discover_using_subcommand {subcommands}\" {rest}"
        )
    };
    line(
        "completions",
        &format!("-f -a {}", quoted(&shells.join(" "))),
    );
    line("providers", &format!("-f -a {}", quoted(&names.join(" "))));
    let subcommands: Vec<String> = <crate::arguments::Arguments as clap::CommandFactory>::command()
        .get_subcommands()
        .map(|known| known.get_name().to_owned())
        .collect();
    line("man", &format!("-f -a {}", quoted(&subcommands.join(" "))));
    line("help", "-f");
    let join_strings = JOIN_STRINGS.map(|(name, _)| name).join(" ");
    line(&join_strings, "-f -a '(__fish_discover_files_after @)'");
    for word in words {
        line(
            &join_strings,
            &format!("-a {} -d {}", quoted(&word.text), quoted(word.help)),
        );
    }
    for (option, kinds) in super::kinds()
        .into_iter()
        .filter(|(_, kinds)| !kinds.is_empty())
    {
        let values: Vec<String> = kinds
            .iter()
            .map(|kind| {
                if option == "--file" {
                    format!("{kind}:")
                } else {
                    (*kind).to_owned()
                }
            })
            .collect();
        line(
            "watch",
            &format!(
                "-l {} -x -a {}",
                option.trim_start_matches('-'),
                quoted(&values.join(" "))
            ),
        );
        if option == "--file" {
            line(
                "watch",
                &format!(
                    "-l file -x -a {}",
                    quoted(&format!(
                        "(__fish_discover_files_after {})",
                        values.join(" ")
                    ))
                ),
            );
        }
    }
    script
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

const FUNCTIONS: &str = r#"
# Files, for a word that begins with one of these texts.
function __fish_discover_files_after
    set -l word (string replace -r -- '^--[a-z-]+=' '' (commandline -ct))
    for start in $argv
        if string match -q -- "$start*" $word
            set -l length (math (string length -- $start) + 1)
            for file in (__fish_complete_path (string sub -s $length -- $word))
                echo -- $start$file
            end
        end
    end
end
"#;
