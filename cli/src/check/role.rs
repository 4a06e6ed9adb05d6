//! `discover check --role`: the least-privilege role that a join string needs.

use cloud_autojoin::{
    Call, Clock, ConfigError, ConfigProblem, Registry, Result, RoleDocument, RoleFormat,
    join_string,
};

use super::{READING, are_words_of_one, offline};
use crate::arguments::{Check, CheckFormat};
use crate::output;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// Runs it.
pub(super) async fn run(arguments: &Check, reporter: &Reporter) -> ExitStatus {
    let format = match arguments.output {
        None | Some(CheckFormat::Json) => RoleFormat::Native,
        Some(CheckFormat::Terraform) => RoleFormat::Terraform,
        Some(CheckFormat::Text) => {
            reporter.error(
                "a role is printed as JSON or as a Terraform resource",
                Some("omit `--output text`"),
            );
            return ExitStatus::Usage;
        }
    };
    if !are_words_of_one(&arguments.strings) {
        reporter.error(
            "`--role` takes one join string",
            Some("pass one `@FILE`, or the words of one string"),
        );
        return ExitStatus::Usage;
    }
    match write(arguments, format).await {
        Ok(document) => {
            for note in &document.notes {
                reporter.note(note);
            }
            output::print_page(&document.text, "role", reporter)
        }
        Err(error) => {
            reporter.failure(&error);
            ExitStatus::Failed
        }
    }
}

async fn write(arguments: &Check, format: RoleFormat) -> Result<RoleDocument> {
    let registry = Registry::compiled_in();
    let (config, given) = join_string::read(
        &arguments.strings,
        &registry,
        &Call::new(&Clock::system(), READING),
    )
    .await?;
    let spec = registry.provider_of(&config)?;
    let Some(write) = spec.role else {
        let problem =
            ConfigProblem::of_key("provider", format!("`{}` has no roles", spec.name)).with_hint(
                format!("`discover providers {}` shows what it needs", spec.name),
            );
        return Err(ConfigError::new(Some(spec.name), problem).into());
    };
    write(&config, &offline::context()?, format)
        .map_err(|error| join_string::locate(error, &config, &given, &registry))
}
