//! `addrs` with the cache: a result that is fresh enough needs no request, one process makes the
//! request for all, and an older result is used if the cloud fails.

use std::time::SystemTime;

use cloud_autojoin::cache::{
    Cache, CacheEntry, CacheLock, CachedResult, Now, Query, SharedFailure,
};
use cloud_autojoin::file::FileKind;
use cloud_autojoin::sources::{self, Require};
use cloud_autojoin::{
    Call, Clock, Detail, Discovery, Env, EnvRecord, Error, Registry, join_string,
};

use crate::arguments::{Addrs, OutputFormat};
use crate::cache::Settings;
use crate::output;
use crate::query::{self, QueryResult, Strings};
use crate::report::Reporter;
use crate::status::ExitStatus;

/// Prints a result that is fresh enough; `None` if there is none. Needs no runtime and opens no
/// connection.
pub(crate) fn fresh(
    arguments: &Addrs,
    settings: &Settings,
    reporter: &Reporter,
) -> Option<ExitStatus> {
    if settings.policy.max_age.is_zero() {
        return None;
    }
    let registry = Registry::compiled_in();
    // What is wrong is reported by the call that follows.
    let strings = join_string::read_all_blocking(&arguments.query.words, &registry).ok()?;
    let cache = Cache::open_existing(&settings.directory).ok()??;
    let query = Query::new(configs(&strings), &registry, &Env::Process)?;
    let session = Session {
        arguments,
        settings,
        registry: &registry,
        reporter,
    };
    session.print_fresh(&cache.entry(&query), &strings)
}

/// Runs `addrs`.
pub(super) async fn run(arguments: &Addrs, settings: &Settings, reporter: &Reporter) -> ExitStatus {
    let clock = Clock::system();
    let started = Now::at(clock.wall());
    let registry = Registry::compiled_in();
    let query = &arguments.query;
    let call = Call::new(&clock, query.timeout.0).with_detail(Detail::Minimal);
    let session = Session {
        arguments,
        settings,
        registry: &registry,
        reporter,
    };
    let words = &query.words;
    let strings = match join_string::read_all(words, FileKind::Any, &registry, &call).await {
        Ok(strings) => strings,
        Err(error) => {
            return super::report(query::failed(call, error), arguments, reporter);
        }
    };
    let env = Env::Recorded(EnvRecord::new(Env::Process));
    let entry = session.entry(&strings, &env);
    let mut lock = None;
    if let Some(entry) = &entry {
        if let Some(status) = session.print_fresh(entry, &strings) {
            return status;
        }
        match entry.lock(&clock, call.remaining() / 2).await {
            Ok(locked) => lock = locked,
            Err(error) => session.warn_of_cache(&error),
        }
        if let Some(lock) = &mut lock {
            // Another process may have polled while this one waited.
            if let Some(status) = session.print_fresh(entry, &strings) {
                return status;
            }
            if let Some(failure) = lock.failure_since(&started)
                && failure.requires == session.requires()
            {
                return session.report_shared(&failure, entry);
            }
        }
    }
    let shared = &arguments.shared;
    let results =
        query::run_strings_shared(strings, query, shared, env, &registry, &call, reporter).await;
    match entry {
        Some(entry) => session.finish(results, &entry, lock),
        None => super::report(results, arguments, reporter),
    }
}

/// What stays the same during a call.
struct Session<'a> {
    arguments: &'a Addrs,
    settings: &'a Settings,
    registry: &'a Registry,
    reporter: &'a Reporter,
}

impl Session<'_> {
    /// The entry of the call; `None` if the cache can't be used, or a provider is unknown.
    fn entry(&self, strings: &Strings, env: &Env) -> Option<CacheEntry> {
        let query = Query::new(configs(strings), self.registry, env)?;
        match Cache::open(&self.settings.directory) {
            Ok(cache) => Some(cache.entry(&query)),
            Err(error) => {
                self.warn_of_cache(&error);
                None
            }
        }
    }

    fn warn_of_cache(&self, error: &cloud_autojoin::cache::CacheError) {
        let hint = error.hint().map(|hint| format!("; {hint}"));
        self.reporter.warning(&format!(
            "the cache is not used: {error}{}",
            hint.unwrap_or_default()
        ));
    }

    /// A call that settles for some sources may work where one that needs all fails.
    fn requires(&self) -> &'static str {
        match self.arguments.query.require() {
            Require::All => "all",
            Require::Any => "any",
        }
    }

    fn print_fresh(&self, entry: &CacheEntry, strings: &Strings) -> Option<ExitStatus> {
        let result = entry.lookup(&now())?;
        let is_fresh = !result.is_of_earlier_boot && self.settings.policy.is_fresh(result.age);
        // JSON has the source of each address.
        let is_enough = self.arguments.output != OutputFormat::Json || !result.sources.is_empty();
        if !is_fresh || !is_enough {
            return None;
        }
        let strict = self.arguments.query.strict;
        for (config, _) in strings {
            query::check_unknown_keys(self.registry, config, strict, self.reporter).ok()?;
        }
        tracing::debug!(age = ?result.age, "a result of an earlier call is fresh enough");
        Some(self.print(&result))
    }

    fn print(&self, result: &CachedResult) -> ExitStatus {
        for finding in &result.findings {
            self.reporter.finding(finding);
        }
        let text = output::cached(self.arguments.output, result);
        output::deliver(&text, "addresses", self.reporter)
    }

    /// Stores a good result, or uses an earlier one instead of a failure.
    fn finish(
        &self,
        results: Vec<QueryResult>,
        entry: &CacheEntry,
        lock: Option<CacheLock>,
    ) -> ExitStatus {
        let scopes = results.iter().map(|result| result.source.scope.clone());
        let scope = sources::merge_scopes(scopes);
        let failures: Vec<SourceFailure> = results.iter().filter_map(SourceFailure::of).collect();
        let is_failed = match self.arguments.query.require() {
            Require::All => !failures.is_empty(),
            Require::Any => failures.len() == results.len(),
        };
        if !is_failed {
            let good = results.iter().map(|result| result.source.result.as_ref());
            // A partial list is never stored, also where `--any` allows printing it.
            if let Ok(discoveries) = good.collect::<Result<Vec<&Discovery>, _>>()
                && failures.is_empty()
                && let Err(error) = entry.store(&discoveries, scope, &now())
            {
                self.warn_of_cache(&error);
            }
            return super::report(results, self.arguments, self.reporter);
        }
        let shared = SharedFailure::new(
            failures
                .iter()
                .map(|failure| failure.message.as_str())
                .collect::<Vec<_>>()
                .join("; "),
            failures.iter().find_map(|failure| failure.hint.clone()),
            failures.iter().all(|failure| failure.is_nothing_matched),
            self.requires(),
        );
        let is_outage = failures.iter().any(|failure| !failure.is_nothing_matched)
            && !failures.iter().any(|failure| failure.is_config);
        if let (Some(mut lock), true) = (lock, is_outage || shared.is_nothing_matched) {
            lock.note_failure(shared.clone(), &now());
        }
        let stale = is_outage.then(|| self.stale(entry, |result| result.differing(scope)));
        match stale.flatten() {
            Some(result) => self.print_stale(&result, &shared),
            None => super::report(results, self.arguments, self.reporter),
        }
    }

    /// Reports a failure of another process as that of this one.
    fn report_shared(&self, failure: &SharedFailure, entry: &CacheEntry) -> ExitStatus {
        if !failure.is_nothing_matched {
            // This process hasn't resolved where it looks.
            let is_elsewhere = |result: &CachedResult| {
                if result.is_of_earlier_boot {
                    vec!["the start of the machine".to_owned()]
                } else {
                    Vec::new()
                }
            };
            if let Some(result) = self.stale(entry, is_elsewhere) {
                return self.print_stale(&result, failure);
            }
        }
        let message = format!(
            "another process polled at the same time and failed: {}",
            failure.message
        );
        self.reporter.error(&message, failure.hint.as_deref());
        if failure.is_nothing_matched {
            ExitStatus::NothingMatched
        } else {
            ExitStatus::Failed
        }
    }

    /// The last result, if it may be used instead of a failure.
    fn stale(
        &self,
        entry: &CacheEntry,
        differing: impl FnOnce(&CachedResult) -> Vec<String>,
    ) -> Option<CachedResult> {
        let result = entry.lookup(&now())?;
        if !self.settings.policy.allows_stale(result.age) {
            return None;
        }
        if self.arguments.output == OutputFormat::Json && result.sources.is_empty() {
            return None;
        }
        let differing = differing(&result);
        if !differing.is_empty() {
            self.reporter.warning(&format!(
                "the last result is not used: it is of another scope: {} differs",
                differing.join(", ")
            ));
            return None;
        }
        Some(result)
    }

    fn print_stale(&self, result: &CachedResult, failure: &SharedFailure) -> ExitStatus {
        let age = result.age.unwrap_or_default().as_secs();
        let hint = failure.hint.as_ref().map(|hint| format!("; {hint}"));
        self.reporter.warning(&format!(
            "the addresses are those of {age} s ago, since the call failed: {}{}",
            failure.message,
            hint.unwrap_or_default()
        ));
        self.print(result)
    }
}

/// Why a source has no addresses.
struct SourceFailure {
    message: String,
    hint: Option<String>,
    is_nothing_matched: bool,
    is_config: bool,
}

impl SourceFailure {
    fn of(result: &QueryResult) -> Option<Self> {
        let source = &result.source;
        let error = match &source.result {
            Ok(discovery) if discovery.matched() > 0 => return None,
            Ok(discovery) => {
                return Some(Self {
                    message: discovery.summary(),
                    hint: discovery.hint().map(str::to_owned),
                    is_nothing_matched: true,
                    is_config: false,
                });
            }
            Err(error) => error,
        };
        let label = if result.is_only {
            String::new()
        } else {
            format!("{}: ", source.label)
        };
        Some(Self {
            message: format!("{label}{}", error.chain()),
            hint: error.hint().map(Into::into),
            is_nothing_matched: matches!(error, Error::NothingMatched(_)),
            is_config: matches!(error, Error::Config(_)),
        })
    }
}

fn configs(strings: &Strings) -> impl Iterator<Item = &cloud_autojoin::ConfigString> {
    strings.iter().map(|(config, _)| config)
}

fn now() -> Now {
    Now::at(SystemTime::now())
}
