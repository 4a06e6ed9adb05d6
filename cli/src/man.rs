//! `discover man`: the manual page, from the definition of the command line and the key tables.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use cloud_autojoin::{ProviderSpec, Registry};

use crate::arguments::Arguments;
use crate::output;
use crate::providers;
use crate::report::Reporter;
use crate::status::Status;

/// Runs the subcommand.
pub(crate) fn run(reporter: &Reporter) -> Status {
    match page(&Registry::compiled_in()) {
        Ok(page) => output::print_page(&String::from_utf8_lossy(&page), "manual page", reporter),
        Err(error) => {
            reporter.error(&format!("cannot write the manual page: {error}"), None);
            Status::Failed
        }
    }
}

fn page(registry: &Registry) -> std::io::Result<Vec<u8>> {
    let mut command = Arguments::command();
    command.build();
    let man = Man::new(command.clone()).manual("cloud-autojoin");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        describe(&mut roff, subcommand);
    }
    for spec in registry.providers() {
        keys(&mut roff, spec);
    }
    environment(&mut roff, registry);
    roff.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn describe(roff: &mut Roff, command: &Command) {
    roff.control("SH", [format!("DISCOVER {}", command.get_name().to_uppercase()).as_str()]);
    let mut usage = command.clone();
    roff.text([italic(usage.render_usage().to_string().trim_start_matches("Usage: "))]);
    roff.control("PP", []);
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        roff.text([roman(format!("{about}."))]);
    }
    // Those of the whole command stand under OPTIONS.
    for argument in command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help" && !argument.is_hide_set()) {
        roff.control("TP", []);
        roff.text([bold(argument.to_string())]);
        let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            argument.get_possible_values().iter().filter(|_| !argument.is_hide_possible_values_set()).map(|value| value.get_name().to_owned()).collect();
        // A flag's values are true and false.
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
    for paragraph in command.get_after_help().map(ToString::to_string).unwrap_or_default().split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        roff.control("PP", []);
        roff.text([roman(paragraph.to_owned())]);
    }
}

fn keys(roff: &mut Roff, spec: &ProviderSpec) {
    roff.control("SH", [format!("KEYS OF PROVIDER={}", spec.name.to_uppercase()).as_str()]);
    roff.text([roman(format!("{}: {}.", spec.title, spec.summary))]);
    for key in spec.keys {
        roff.control("TP", []);
        roff.text([bold(key.label())]);
        roff.text([roman(providers::sentence(key))]);
    }
    for paragraph in spec.notes.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        roff.control("PP", []);
        roff.text([roman(paragraph.to_owned())]);
    }
}

fn environment(roff: &mut Roff, registry: &Registry) {
    roff.control("SH", ["ENVIRONMENT"]);
    for (names, meaning) in [
        (
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
            "the proxy between here and the cloud, and what is asked without it; instance metadata never goes through one",
        ),
        ("SSL_CERT_FILE, SSL_CERT_DIR", "certificates of authorities to trust instead of the system's"),
        ("NO_COLOR", "no colour, on terminals too"),
    ] {
        roff.control("TP", []);
        roff.text([bold(names)]);
        roff.text([roman(meaning)]);
    }
    for spec in registry.providers() {
        for key in spec.keys.iter().filter(|key| !key.env.is_empty()) {
            roff.control("TP", []);
            roff.text([bold(key.env.join(", "))]);
            roff.text([roman(format!("provider={}: stands in for the key {}", spec.name, key.name))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_subcommand_key_and_variable() {
        let registry = Registry::compiled_in();
        let page = String::from_utf8(page(&registry).unwrap()).unwrap().replace("\\-", "-");
        for subcommand in Arguments::command().get_subcommands() {
            assert!(page.contains(&format!(".SH \"DISCOVER {}\"", subcommand.get_name().to_uppercase())), "{}", subcommand.get_name());
        }
        for key in registry.providers().iter().flat_map(|spec| spec.keys) {
            assert!(page.contains(&format!("\\fB{}\\fR", key.label())), "{}", key.name);
            assert!(key.env.iter().all(|variable| page.contains(variable)), "{}", key.name);
        }
    }
}
