//! `--once`: polls until there is a good result or the time is up, writes the files, and ends: for
//! an `ExecStartPre`, before the agents run.
//!
//! If there is no result in time, for whatever reason, the last good one is used with a warning: an
//! agent that starts with old peers can find the others. Only a configuration error fails at once.

use std::fmt;
use std::sync::Arc;

use cloud_autojoin::watch::{AddressSource, Change, Event};
use cloud_autojoin::{Clock, Context, Error};

use super::agent::TcpDialer;
use super::config::{Config, WatchConfig};
use super::event_log::EventLogger;
use super::failure::Failure;
use super::join_order::JoinOrder;
use super::output::{Output, View, Written};
use super::runner::watch_of;

/// Writes the files of every watch once. The watches run concurrently.
///
/// # Errors
///
/// The failures of all watches.
pub async fn run_once(config: &Config) -> Result<(), OnceError> {
    let outcomes = futures::future::join_all(
        config
            .watches
            .iter()
            .map(|watch| once(watch, &config.context)),
    )
    .await;
    let mut merged: Option<OnceError> = None;
    for (watch, outcome) in config.watches.iter().zip(outcomes) {
        let Err(error) = outcome else { continue };
        let merged = merged.get_or_insert(OnceError {
            is_nothing_matched: true,
            failures: Vec::new(),
        });
        merged.is_nothing_matched &= error.is_nothing_matched;
        merged.failures.extend(
            error
                .failures
                .into_iter()
                .map(|failure| failure.of(format!("watch `{}`", watch.name))),
        );
    }
    merged.map_or(Ok(()), Err)
}

/// Why files aren't up to date.
#[derive(Debug)]
#[non_exhaustive]
pub struct OnceError {
    /// Whether the only reason is that nothing matched.
    pub is_nothing_matched: bool,
    /// What failed, with the name of the watch.
    pub failures: Vec<Failure>,
}

impl fmt::Display for OnceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<String> = self.failures.iter().map(ToString::to_string).collect();
        f.write_str(&failures.join("; "))
    }
}

impl std::error::Error for OnceError {}

impl From<Failure> for OnceError {
    fn from(failure: Failure) -> Self {
        Self {
            is_nothing_matched: false,
            failures: vec![failure],
        }
    }
}

impl From<&Error> for OnceError {
    fn from(error: &Error) -> Self {
        let failure = Failure::new(error.chain());
        let failure = match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        };
        Self {
            is_nothing_matched: matches!(error, Error::NothingMatched(_)),
            failures: vec![failure],
        }
    }
}

async fn once(config: &WatchConfig, context: &Context) -> Result<(), OnceError> {
    if let Some(directory) = config
        .last_good
        .as_deref()
        .and_then(std::path::Path::parent)
        && let Err(error) = tokio::fs::create_dir_all(directory).await
    {
        tracing::warn!(
            "cannot make {}: {error}; the last good result is not kept over restarts",
            directory.display()
        );
    }
    config.outputs.iter().for_each(Output::sweep);
    let (mut watch, mut logger) = (
        watch_of(config, context),
        EventLogger::new(config.name.as_str()),
    );
    let mut why: Option<OnceError> = None;
    let mut has_last_good = false;
    let deadline = context.clock().now() + config.timeout;
    loop {
        let left = deadline.saturating_duration_since(context.clock().now());
        let event = tokio::select! {
            event = watch.next() => event,
            () = context.clock().sleep(left) => break,
        };
        logger.log(&event);
        match event {
            Event::Changed(change) => {
                write(config, &change, context.clock()).await?;
                if change.source == AddressSource::Fresh {
                    watch.flush().await;
                    return Ok(());
                }
                has_last_good = true;
            }
            Event::Unchanged(_) => {
                watch.flush().await;
                return Ok(());
            }
            Event::Held(held) => {
                why = Some(
                    Failure::new(format!("no result that can be used: {}", held.reason)).into(),
                )
            }
            Event::Failed(failure) => {
                let end = OnceError::from(&failure.error);
                // An earlier result must not hide a configuration error.
                if matches!(failure.error, Error::Config(_)) {
                    return Err(end);
                }
                why = Some(end);
                if !failure.transient {
                    break;
                }
            }
            _ => {}
        }
    }
    if let Some(change) = watch.use_last_good() {
        let event = Event::Changed(change.clone());
        logger.log(&event);
        write(config, &change, context.clock()).await?;
        has_last_good = true;
    }
    let end = why.unwrap_or_else(|| {
        Failure::new(format!(
            "no result within {} s",
            config.timeout.as_secs_f64()
        ))
        .into()
    });
    if has_last_good {
        for failure in &end.failures {
            tracing::warn!(
                watch = config.name,
                hint = failure.hint(),
                "no poll succeeded in time; the files have the last good result: {failure}"
            );
        }
        return Ok(());
    }
    Err(end)
}

async fn write(config: &WatchConfig, change: &Change, clock: &Clock) -> Result<(), OnceError> {
    let (provider, subject) = (config.provider.name(), config.provider.subject());
    let mut failures = Vec::new();
    for output in &config.outputs {
        let ordered = JoinOrder::new(Arc::new(TcpDialer), clock)
            .arrange(output, &change.current, &change.retained)
            .await;
        let (file, kind, addresses) = (output.path.display(), output.kind.name(), ordered.len());
        // Blocking is fine: nothing else runs.
        match output.write(&View {
            watch: &config.name,
            provider,
            subject: &subject,
            addresses: &ordered,
        }) {
            Ok(Written::Replaced) => {
                tracing::info!(watch = config.name, kind, %file, addresses, "written")
            }
            Ok(Written::Unchanged) => {
                tracing::info!(watch = config.name, kind, %file, addresses, "up to date already")
            }
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(OnceError {
            is_nothing_matched: false,
            failures,
        })
    }
}

#[cfg(test)]
mod tests;
