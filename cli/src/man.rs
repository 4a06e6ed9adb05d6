//! `discover man`: manual pages, from the definition of the command line and the key tables.
//!
//! `discover.1` has everything; each subcommand also has its own page.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use cloud_autojoin::{ProviderSpec, Registry};

use crate::arguments::Arguments;
use crate::output;
use crate::providers;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// Runs the subcommand.
pub(crate) fn run(arguments: &crate::arguments::Man, reporter: &Reporter) -> ExitStatus {
    let registry = Registry::compiled_in();
    let failed = |error: std::io::Error| {
        reporter.error(&format!("cannot write the manual page: {error}"), None);
        ExitStatus::Failed
    };
    if let Some(directory) = &arguments.out {
        return match write_all(directory, &registry) {
            Ok(()) => ExitStatus::Done,
            Err(error) => failed(error),
        };
    }
    let page = match &arguments.subcommand {
        None => page(&registry),
        Some(name) => {
            match subcommands(&Arguments::whole_command()).find(|known| known.get_name() == name) {
                Some(subcommand) => page_of(subcommand, &registry),
                None => {
                    let known: Vec<String> = subcommands(&Arguments::whole_command())
                        .map(|known| format!("`{}`", known.get_name()))
                        .collect();
                    reporter.error(
                        "there is no page for this subcommand",
                        Some(&format!("known: {}", known.join(", "))),
                    );
                    return ExitStatus::Usage;
                }
            }
        }
    };
    match page {
        Ok(page) => output::print_page(&String::from_utf8_lossy(&page), "manual page", reporter),
        Err(error) => failed(error),
    }
}

fn write_all(directory: &Path, registry: &Registry) -> std::io::Result<()> {
    let at = |path: &Path, error: std::io::Error| {
        std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| at(directory, error))?;
    let command = Arguments::whole_command();
    let mut pages = vec![("discover.1".to_owned(), page(registry)?)];
    for subcommand in subcommands(&command) {
        pages.push((
            format!("discover-{}.1", subcommand.get_name()),
            page_of(subcommand, registry)?,
        ));
    }
    for (name, page) in pages {
        let path = directory.join(name);
        std::fs::write(&path, page).map_err(|error| at(&path, error))?;
    }
    Ok(())
}

fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
}

/// The page of one subcommand.
fn page_of(subcommand: &Command, registry: &Registry) -> std::io::Result<Vec<u8>> {
    let name = format!("discover-{}", subcommand.get_name());
    let man = Man::new(subcommand.clone().version(env!("CARGO_PKG_VERSION")))
        .title(&name)
        .manual("cloud-autojoin");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    sections(&mut roff, subcommand);
    environment(&mut roff, registry);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("discover"), roman("(1)")]);
    roff.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// The sections made from paragraphs of the help, by the words they begin with.
const SECTIONS: [(&str, &str, &str); 4] = [
    ("Examples:", "EXAMPLES", ""),
    (
        "Files:",
        "FILES",
        "@FILE, instead of a join string: a file that contains one.",
    ),
    (
        "Signals:",
        "SIGNALS",
        "SIGINT and SIGTERM end it at once, with its child processes.",
    ),
    (
        "Exit status:",
        "EXIT STATUS",
        "0 done, 1 failed, 2 invalid usage.",
    ),
];

fn paragraphs(command: &Command) -> Vec<String> {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    help.split("\n\n")
        .filter(|paragraph| !paragraph.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// Notes, examples, files, signals and the exit status.
fn sections(roff: &mut Roff, command: &Command) {
    let paragraphs = paragraphs(command);
    let notes: Vec<&String> = paragraphs
        .iter()
        .filter(|paragraph| {
            !SECTIONS
                .iter()
                .any(|(start, ..)| paragraph.starts_with(start))
        })
        .collect();
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
    }
    for note in notes {
        roff.control("PP", []);
        roff.text([roman(note.clone())]);
    }
    for (start, heading, default) in SECTIONS {
        let text = paragraphs
            .iter()
            .find_map(|paragraph| paragraph.strip_prefix(start))
            .unwrap_or(default)
            .trim_matches('\n');
        if text.is_empty() {
            continue;
        }
        roff.control("SH", [heading]);
        if start == "Examples:" {
            for line in text.lines() {
                roff.control("PP", []);
                roff.text([bold(line.trim())]);
            }
        } else {
            roff.text([roman(text.trim().to_owned())]);
        }
    }
}

fn page(registry: &Registry) -> std::io::Result<Vec<u8>> {
    let command = Arguments::whole_command();
    let man = Man::new(command.clone()).manual("cloud-autojoin");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    for subcommand in subcommands(&command) {
        describe(&mut roff, subcommand);
    }
    for spec in registry.providers() {
        keys(&mut roff, spec);
    }
    environment(&mut roff, registry);
    sections(&mut roff, &command);
    roff.control("SH", ["SEE ALSO"]);
    let pages: Vec<String> = subcommands(&command)
        .map(|subcommand| format!("discover-{}(1)", subcommand.get_name()))
        .collect();
    roff.text([roman(pages.join(", "))]);
    roff.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn describe(roff: &mut Roff, command: &Command) {
    roff.control(
        "SH",
        [format!("DISCOVER {}", command.get_name().to_uppercase()).as_str()],
    );
    let mut usage = command.clone();
    roff.text([italic(
        usage
            .render_usage()
            .to_string()
            .trim_start_matches("Usage: "),
    )]);
    roff.control("PP", []);
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        roff.text([roman(format!("{about}."))]);
    }
    // Global options are in the section OPTIONS.
    for argument in command.get_arguments().filter(|argument| {
        !argument.is_global_set() && argument.get_id() != "help" && !argument.is_hide_set()
    }) {
        roff.control("TP", []);
        roff.text([bold(argument.to_string())]);
        let mut text = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let values: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|_| !argument.is_hide_possible_values_set())
            .map(|value| value.get_name().to_owned())
            .collect();
        // The values of a flag are true and false.
        if argument.get_action().takes_values() && !values.is_empty() {
            text.push_str(&format!("; one of {}", values.join(", ")));
        }
        if let [default] = argument.get_default_values()
            && argument.get_action().takes_values()
        {
            text.push_str(&format!("; default {}", default.to_string_lossy()));
        }
        roff.text([roman(text)]);
    }
    for paragraph in paragraphs(command) {
        roff.control("PP", []);
        // Each example keeps its line.
        for line in paragraph.lines() {
            roff.text([roman(line.trim().to_owned())]);
            if paragraph.contains('\n') {
                roff.control("br", []);
            }
        }
    }
}

fn keys(roff: &mut Roff, spec: &ProviderSpec) {
    roff.control(
        "SH",
        [format!("KEYS OF PROVIDER={}", spec.name.to_uppercase()).as_str()],
    );
    roff.text([roman(format!("{}: {}.", spec.title, spec.summary))]);
    for key in spec.keys {
        roff.control("TP", []);
        roff.text([bold(key.label())]);
        roff.text([roman(providers::sentence(key))]);
    }
    for paragraph in spec
        .notes
        .split("\n\n")
        .filter(|paragraph| !paragraph.is_empty())
    {
        roff.control("PP", []);
        roff.text([roman(paragraph.to_owned())]);
    }
}

fn environment(roff: &mut Roff, registry: &Registry) {
    roff.control("SH", ["ENVIRONMENT"]);
    for (names, meaning) in [
        (
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
            "the proxy for requests to the cloud, and the hosts that bypass it; requests for instance metadata never use a proxy",
        ),
        (
            "SSL_CERT_FILE, SSL_CERT_DIR",
            "CA certificates to trust instead of the system's",
        ),
        ("NO_COLOR", "disables colour on terminals"),
        (
            "COLUMNS",
            "the width of tables and text; by default the terminal's, and lines aren't wrapped in a pipe",
        ),
    ] {
        roff.control("TP", []);
        roff.text([bold(names)]);
        roff.text([roman(meaning)]);
    }
    for spec in registry.providers() {
        for key in spec.keys.iter().filter(|key| !key.env.is_empty()) {
            roff.control("TP", []);
            roff.text([bold(key.env.join(", "))]);
            roff.text([roman(format!(
                "provider={}: default of the key {}",
                spec.name, key.name
            ))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_with_examples_files_signals_and_exit_status() {
        let registry = Registry::compiled_in();
        let command = Arguments::whole_command();
        for subcommand in subcommands(&command) {
            let page = String::from_utf8(page_of(subcommand, &registry).unwrap()).unwrap();
            for section in [
                "NAME",
                "SYNOPSIS",
                "OPTIONS",
                "EXAMPLES",
                "FILES",
                "SIGNALS",
                "EXIT STATUS",
                "SEE ALSO",
            ] {
                assert!(
                    page.contains(&format!(".SH {section}\n"))
                        || page.contains(&format!(".SH \"{section}\"\n")),
                    "{section} of {}:\n{page}",
                    subcommand.get_name()
                );
            }
            // Of each command line in the help its parser takes the flags.
            for example in paragraphs(subcommand)
                .iter()
                .filter_map(|text| text.strip_prefix("Examples:"))
                .flat_map(str::lines)
            {
                let words = example
                    .split_whitespace()
                    .take_while(|word| !["|", ">"].contains(word))
                    .map(std::ffi::OsString::from);
                assert!(
                    example.is_empty() || Arguments::parse_words(words).is_ok(),
                    "{example}"
                );
            }
        }
    }

    #[test]
    fn the_page_has_every_subcommand_key_and_variable() {
        let registry = Registry::compiled_in();
        let page = String::from_utf8(page(&registry).unwrap())
            .unwrap()
            .replace("\\-", "-");
        for subcommand in subcommands(&Arguments::whole_command()) {
            assert!(
                page.contains(&format!(
                    ".SH \"DISCOVER {}\"",
                    subcommand.get_name().to_uppercase()
                )),
                "{}",
                subcommand.get_name()
            );
        }
        for key in registry.providers().iter().flat_map(|spec| spec.keys) {
            assert!(
                page.contains(&format!("\\fB{}\\fR", key.label())),
                "{}",
                key.name
            );
            assert!(
                key.env.iter().all(|variable| page.contains(variable)),
                "{}",
                key.name
            );
        }
    }
}
