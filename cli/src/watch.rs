//! `discover watch`: runs the sidecar with the flags or a configuration file, until a signal.

use cloud_autojoin::{ConfigProblem, Context};
use cloud_autojoin_sidecar::{
    CheckDepth, CheckedConfig, Config, ConfigSource, Failure, ReloadSource,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::Watch;
use crate::output;
use crate::report::Reporter;
use crate::status::ExitStatus;

mod flags;

/// Runs the subcommand.
pub(crate) async fn run(arguments: &Watch, reporter: &Reporter) -> ExitStatus {
    let context = match Context::from_process() {
        Ok(context) => context,
        Err(error) => {
            reporter.failure(&error);
            return ExitStatus::Failed;
        }
    };
    let depth = if arguments.check {
        CheckDepth::Machine
    } else {
        CheckDepth::Text
    };
    let checked = match read(arguments, depth, &context).await {
        Ok(checked) => checked,
        Err(problems) => {
            for problem in problems {
                reporter.error(&problem.message, problem.hint.as_deref());
            }
            return ExitStatus::Failed;
        }
    };
    for warning in checked.warnings {
        reporter.warning(&warning);
    }
    let config = checked.config;
    if arguments.check {
        return output::deliver("ok\n", "result", reporter);
    }
    if arguments.once {
        return run_once(&config, reporter).await;
    }
    match serve(arguments, config, context).await {
        Ok(()) => ExitStatus::Done,
        Err(failure) => {
            reporter.error(&failure.to_string(), failure.hint());
            ExitStatus::Failed
        }
    }
}

async fn run_once(config: &Config, reporter: &Reporter) -> ExitStatus {
    let Err(error) = cloud_autojoin_sidecar::run_once(config).await else {
        return ExitStatus::Done;
    };
    for failure in &error.failures {
        reporter.error(&failure.to_string(), failure.hint());
    }
    if error.is_nothing_matched {
        ExitStatus::NothingMatched
    } else {
        ExitStatus::Failed
    }
}

/// Runs the sidecar until SIGTERM or SIGINT.
async fn serve(arguments: &Watch, config: Config, context: Context) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    let reloads = HangupReloads {
        signal: listen(SignalKind::hangup())?,
        arguments,
        context,
    };
    let listener = config.bind().await?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    cloud_autojoin_sidecar::run(config, listener, reloads, shutdown).await
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))
}

/// Reloads at SIGHUP: the configuration file, or the files that the flags name.
struct HangupReloads<'a> {
    signal: Signal,
    arguments: &'a Watch,
    context: Context,
}

impl ReloadSource for HangupReloads<'_> {
    async fn requested(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending().await
        }
    }

    async fn read(&mut self) -> Result<CheckedConfig, Vec<ConfigProblem>> {
        read(self.arguments, CheckDepth::Text, &self.context).await
    }
}

async fn read(
    arguments: &Watch,
    depth: CheckDepth,
    context: &Context,
) -> Result<CheckedConfig, Vec<ConfigProblem>> {
    let source = match &arguments.config {
        Some(file) => ConfigSource::read(file).await?,
        None => arguments.table()?.into(),
    };
    source.check(depth, context).await
}
