//! `--once`: asks until there is a good answer or no more time, writes the files, and ends: for an `ExecStartPre`, when the agents are not running yet.
//!
//! When the cloud gives no answer in time, the last good one serves, with a warning: an agent that starts with yesterday's peers finds the others, one that does not start does not.

use cloud_autojoin::watch::{Event, Source};
use cloud_autojoin::{Address, Context};

use super::config::{Config, WatchConfig};
use super::failure::Failure;
use super::keeper::watch_of;
use super::log::Teller;
use super::output::{Output, View};
use crate::report::Reporter;
use crate::status::Status;

/// Runs all watches side by side.
pub(crate) async fn run(config: Config, context: &Context, reporter: &Reporter) -> Status {
    let outcomes = futures::future::join_all(config.watches.iter().map(|watch| once(watch, context))).await;
    let mut status = Status::Done;
    for (watch, outcome) in config.watches.iter().zip(outcomes) {
        if let Err(end) = outcome {
            for failure in &end.failures {
                reporter.error(&format!("watch `{}`: {failure}", watch.name), failure.hint());
            }
            // A failure weighs more than an empty answer.
            if status != Status::Failed {
                status = end.status;
            }
        }
    }
    status
}

/// How a watch failed.
struct End {
    status: Status,
    failures: Vec<Failure>,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self { status: Status::Failed, failures: vec![failure] }
    }
}

async fn once(config: &WatchConfig, context: &Context) -> Result<(), End> {
    if let Some(directory) = config.last_good.as_deref().and_then(std::path::Path::parent)
        && let Err(error) = tokio::fs::create_dir_all(directory).await
    {
        tracing::warn!("cannot make {}: {error}; the last good answer is not kept over restarts", directory.display());
    }
    config.outputs.iter().for_each(Output::sweep);
    let (mut watch, mut teller) = (watch_of(config, context), Teller::new(config.name.as_str()));
    let mut why: Option<End> = None;
    let mut has_last_good = false;
    let deadline = context.clock().now() + config.timeout;
    loop {
        let left = deadline.saturating_duration_since(context.clock().now());
        let event = tokio::select! {
            event = watch.next() => event,
            () = context.clock().sleep(left) => break,
        };
        teller.tell(&event);
        match event {
            Event::Changed(change) => {
                write(config, &change.addresses).await?;
                if change.source == Source::Fresh {
                    watch.flush().await;
                    return Ok(());
                }
                has_last_good = true;
            }
            Event::Unchanged(_) => {
                watch.flush().await;
                return Ok(());
            }
            Event::Held(held) => why = Some(Failure::new(format!("no answer that may be used: {}", held.reason)).into()),
            Event::Failed(failure) => {
                let hint = failure.error.hint().map(Into::into);
                let (status, failed) = (Status::of(&failure.error), Failure::new(failure.error.chain()));
                why = Some(End {
                    status,
                    failures: vec![match hint {
                        Some::<String>(hint) => failed.with_hint(hint),
                        None => failed,
                    }],
                });
                if !failure.transient {
                    break;
                }
            }
            _ => {}
        }
    }
    if has_last_good {
        tracing::warn!(watch = config.name, "the cloud gave no answer in time; the files hold the last good one");
        return Ok(());
    }
    Err(why.unwrap_or_else(|| Failure::new(format!("no answer within {} s", config.timeout.as_secs_f64())).into()))
}

async fn write(config: &WatchConfig, addresses: &[Address]) -> Result<(), End> {
    let (provider, subject) = (config.provider.name(), config.provider.subject());
    let mut failures = Vec::new();
    for output in &config.outputs {
        // Nothing else has to go on meanwhile.
        failures.extend(output.write(&View { watch: &config.name, provider, subject: &subject, addresses }).err());
    }
    if failures.is_empty() { Ok(()) } else { Err(End { status: Status::Failed, failures }) }
}
