//! From options to one run of the program.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::call::{RequestOutcome, RequestRecord};
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{
    ApiError, Call, ConfigError, ConfigProblem, Context, Discovery, Error, Node, Provider, Result,
    TransportError, TransportFailure,
};
use cloud_autojoin_provider_kit::Options;

use crate::keys::{COMMAND, NAME, PASS_ENV, TIMEOUT};
use crate::output;

/// One program with its arguments.
pub struct Exec {
    program: String,
    arguments: Vec<String>,
    timeout: Option<Duration>,
    without: Vec<&'static str>,
    commands: Arc<dyn CommandRunner>,
}

/// Builds the provider from its options. Starts nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let command = options.text(&COMMAND).unwrap_or_default();
    let mut words = command.split_whitespace().map(str::to_owned);
    let program = words.next();
    if program.is_none() && options.is_given(&COMMAND) {
        let problem = ConfigProblem::of_key(COMMAND.name, format!("`{}` is blank", COMMAND.name));
        options
            .add_problem(problem.with_hint(
                "write `command=/path/program` or `command=\"/path/program argument\"`",
            ));
    }
    let timeout = options
        .duration(&TIMEOUT)
        .filter(|timeout| !timeout.is_zero());
    let passed = options.list(&PASS_ENV);
    let without = context
        .secret_variables()
        .iter()
        .copied()
        .filter(|name| !passed.iter().any(|passed| passed == name))
        .collect();
    let passed = passed.iter().map(String::as_str);
    context.env().note(passed.chain(["PATH"]));
    options.finish(|| {
        let commands = Arc::clone(context.commands());
        Some(Box::new(Exec {
            program: program?,
            arguments: words.collect(),
            timeout,
            without,
            commands,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Exec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        format!("the addresses that `{}` prints", self.program)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let output = self.run(call).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        for (index, address) in output::addresses(&self.operation(), &output.stdout)?
            .into_iter()
            .enumerate()
        {
            let mut node = Node::new("address", format!("{}", index + 1), address.to_string());
            node.add_attribute("program", Some(self.program.clone()));
            node.addresses.push(address);
            discovery.record(node);
        }
        discovery.explain_nothing(
            "the program printed nothing and exited with status 0",
            "run the command by hand; addresses are read from its standard output",
        );
        Ok(discovery)
    }
}

impl Exec {
    fn operation(&self) -> String {
        format!("run `{}`", self.program)
    }

    /// Runs the program to its end, within the deadline, and records that.
    async fn run(&self, call: &Call) -> Result<CommandOutput> {
        let limit = self
            .timeout
            .map_or_else(|| call.remaining(), |timeout| timeout.min(call.remaining()));
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let started = call.elapsed();
        let ended = self
            .commands
            .run_without_env(&self.without, &self.program, &arguments, limit)
            .await;
        let outcome = match &ended {
            Ok(CommandOutput {
                status: Some(status),
                ..
            }) => RequestOutcome::Status(u16::try_from(*status).unwrap_or(u16::MAX)),
            Ok(output) => RequestOutcome::Failed(by_signal(output)),
            Err(error) => RequestOutcome::Failed(error.to_string()),
        };
        let mut record = RequestRecord::new(self.operation(), &self.program, outcome);
        record.bytes = ended
            .as_ref()
            .map_or(0, |output| output.stdout.len() as u64);
        (record.started, record.elapsed) = (started, call.elapsed().saturating_sub(started));
        call.record(record);
        match ended {
            Ok(output) if output.status == Some(0) => Ok(output),
            Ok(output) => Err(self.failed(&output)),
            Err(error) => Err(self.not_run(error, limit)),
        }
    }

    /// The error for a program that ended without success.
    fn failed(&self, output: &CommandOutput) -> Error {
        let Some(status) = output.status else {
            let failure = TransportFailure::Unavailable;
            return TransportError::new(self.operation(), "the program", failure)
                .of_provider(NAME)
                .with_detail(by_signal(output))
                .with_hint("look in the system's log for what ended it (9: out of memory, or `kill`), and run the command by hand")
                .into();
        };
        let stderr = output.stderr.trim();
        let message = if stderr.is_empty() {
            "the program wrote nothing on standard error"
        } else {
            stderr
        };
        let error = ApiError::new(
            NAME,
            self.operation(),
            u16::try_from(status).unwrap_or(u16::MAX),
        )
        .with_message(Some(message.to_owned()));
        let hint = match self.without.as_slice() {
            [] => "run the command by hand".to_owned(),
            _ => format!(
                "run the command by hand; it gets no variable that holds a secret unless `{}` names it",
                PASS_ENV.name
            ),
        };
        // Whether it would fail again is the program's secret; callers of `exec=` always try again.
        error.with_hint(hint).transient().into()
    }

    /// The error for a program that wasn't started, or didn't end.
    fn not_run(&self, cause: io::Error, limit: Duration) -> Error {
        if cause.kind() == io::ErrorKind::TimedOut {
            let error =
                TransportError::new(self.operation(), "the program", TransportFailure::Deadline)
                    .of_provider(NAME);
            let detail = format!("killed after {} s", limit.as_secs_f64());
            let hint = if self.timeout == Some(limit) {
                TIMEOUT.name
            } else {
                "--timeout"
            };
            return error
                .with_detail(detail)
                .with_hint(format!(
                    "allow the program more time with `{hint}`, or make it faster"
                ))
                .into();
        }
        let problem = ConfigProblem::of_key(
            COMMAND.name,
            format!("cannot run `{}`: {cause}", self.program),
        );
        let hint = "check the path, that this user may execute it, and that a script begins with `#!`; there is no shell";
        ConfigError::new(Some(NAME), problem.with_hint(hint)).into()
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("program", &self.program)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn by_signal(output: &CommandOutput) -> String {
    match output.signal {
        Some(signal) => format!("ended by signal {signal}"),
        None => "ended by a signal".to_owned(),
    }
}
