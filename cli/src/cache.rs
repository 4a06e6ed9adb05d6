//! Results that are kept on this host: which of them `addrs` may use, and `discover cache`.

use std::ops::ControlFlow;

use crate::arguments::Arguments;
#[cfg(unix)]
use crate::arguments::{Action, Cache, CacheAction, CacheFormat};
use crate::report::Reporter;
use crate::status::ExitStatus;

#[cfg(unix)]
mod settings;

#[cfg(unix)]
pub(crate) use settings::Settings;

/// Other systems have no cache.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) enum Settings {}

/// Prints a result that is fresh enough, before a runtime is built: a hit is as quick as can be.
/// Otherwise returns the settings of the cache, if it is used.
#[cfg(unix)]
pub(crate) fn before_runtime(
    arguments: &Arguments,
    reporter: &Reporter,
) -> ControlFlow<ExitStatus, Option<Settings>> {
    let Action::Addrs(addrs) = &arguments.action else {
        return ControlFlow::Continue(None);
    };
    match Settings::of(addrs) {
        Ok(Some(settings)) => match crate::addrs::fresh(addrs, &settings, reporter) {
            Some(status) => ControlFlow::Break(status),
            None => ControlFlow::Continue(Some(settings)),
        },
        Ok(None) => ControlFlow::Continue(None),
        Err(error) => {
            reporter.failure(&error);
            ControlFlow::Break(ExitStatus::Failed)
        }
    }
}

/// There is nothing to do.
#[cfg(not(unix))]
pub(crate) fn before_runtime(
    _: &Arguments,
    _: &Reporter,
) -> ControlFlow<ExitStatus, Option<Settings>> {
    ControlFlow::Continue(None)
}

/// Runs `discover cache`.
#[cfg(unix)]
pub(crate) fn run(arguments: &Cache, reporter: &Reporter) -> ExitStatus {
    let directory = match settings::directory(arguments.cache_directory.as_deref()) {
        Ok(directory) => directory,
        Err(error) => {
            reporter.failure(&error);
            return ExitStatus::Failed;
        }
    };
    let done = match arguments.action {
        CacheAction::List => list(&directory, arguments.output),
        CacheAction::Clear => clear(&directory, arguments.output),
    };
    match done {
        Ok(text) => crate::output::deliver(&text, "results", reporter),
        Err(error) => {
            reporter.error(&error.to_string(), error.hint());
            ExitStatus::Failed
        }
    }
}

#[cfg(unix)]
fn list(
    directory: &std::path::Path,
    format: CacheFormat,
) -> Result<String, cloud_autojoin::cache::CacheError> {
    use cloud_autojoin::cache;

    let now = cache::Now::at(std::time::SystemTime::now());
    let results = match cache::Cache::open_existing(directory)? {
        Some(cache) => cache.list(&now)?,
        None => Vec::new(),
    };
    if format == CacheFormat::Json {
        let results: Vec<_> = results
            .iter()
            .map(|result| {
                serde_json::json!({
                    "join_string": result.identity,
                    "age_seconds": result.age.map(|age| age.as_secs()),
                    "addresses": result.addresses,
                    "file": result.file,
                })
            })
            .collect();
        let document = serde_json::json!({ "directory": directory, "results": results });
        return Ok(crate::output::json(&document));
    }
    let line = |result: &cache::CachedSummary| {
        let age = result.age.map_or_else(
            || "of the future".to_owned(),
            |age| format!("{} s old", age.as_secs()),
        );
        let identity = cloud_autojoin::escape::printable(&result.identity);
        format!("{age}, {} addresses: {identity}\n", result.addresses)
    };
    Ok(results.iter().map(line).collect())
}

#[cfg(unix)]
fn clear(
    directory: &std::path::Path,
    format: CacheFormat,
) -> Result<String, cloud_autojoin::cache::CacheError> {
    let removed = cloud_autojoin::cache::Cache::clear(directory)?;
    Ok(match format {
        CacheFormat::Text => format!("{removed} results removed\n"),
        CacheFormat::Json => crate::output::json(&serde_json::json!({ "removed": removed })),
    })
}
