//! Runs the discoveries of a command line, for `addrs` and `explain`.

use cloud_autojoin::file::FileKind;
use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::sources::{self, Require, Source, SourcesError};
use cloud_autojoin::{
    Call, Clock, ConfigError, ConfigString, Context, Detail, Env, Error, Provider, Registry, Result,
};

use crate::arguments::QueryArguments;
use crate::report::Reporter;
use crate::status::ExitStatus;

/// The result of one join string.
pub(crate) struct QueryResult {
    /// The result with its requests, which are recorded also on failure.
    pub(crate) source: Source,
    /// The join string; `None` if it couldn't be read.
    pub(crate) config: Option<ConfigString>,
    /// Whether it is the only join string of the command line.
    pub(crate) is_only: bool,
}

impl QueryArguments {
    /// Which sources must succeed.
    pub(crate) fn require(&self) -> Require {
        if self.any { Require::Any } else { Require::All }
    }
}

/// Join strings with the arguments that they were read from.
pub(crate) type Strings = Vec<(ConfigString, Vec<JoinArgument>)>;

/// Runs one discovery for each join string, all at once, and returns at least one result. The time
/// limit includes reading an `@FILE`.
pub(crate) async fn run(
    query: &QueryArguments,
    detail: Detail,
    reporter: &Reporter,
) -> Vec<QueryResult> {
    let registry = Registry::compiled_in();
    let call = Call::new(&Clock::system(), query.timeout.0).with_detail(detail);
    match join_string::read_all(&query.words, FileKind::Any, &registry, &call).await {
        Ok(strings) => run_strings(strings, query, Env::Process, &registry, &call, reporter).await,
        Err(error) => failed(call, error),
    }
}

/// As [`run`], but the sources are one, and its result is shared through a store.
#[cfg(unix)]
pub(crate) async fn run_shared(
    query: &QueryArguments,
    shared: &crate::arguments::Shared,
    reporter: &Reporter,
) -> Vec<QueryResult> {
    let registry = Registry::compiled_in();
    let call = Call::new(&Clock::system(), query.timeout.0);
    match join_string::read_all(&query.words, FileKind::Any, &registry, &call).await {
        Ok(strings) => {
            let env = Env::Process;
            run_strings_shared(strings, query, shared, env, &registry, &call, reporter).await
        }
        Err(error) => failed(call, error),
    }
}

/// As [`run_strings`], but the sources are one, and its result is shared, if a store is given.
#[cfg(unix)]
pub(crate) async fn run_strings_shared(
    strings: Strings,
    query: &QueryArguments,
    shared: &crate::arguments::Shared,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Vec<QueryResult> {
    if shared.url.is_none() {
        return run_strings(strings, query, env, registry, call, reporter).await;
    }
    let provider = build_shared(&strings, query, shared, env, registry, call, reporter).await;
    match provider {
        Ok(provider) => {
            let sources = sources::discover_all(vec![Ok(provider)], query.require(), call).await;
            let config = strings.into_iter().next().map(|(config, _)| config);
            let results = sources.into_iter().map(|source| QueryResult {
                source,
                config: config.clone(),
                is_only: true,
            });
            results.collect()
        }
        Err(error) => failed(call.clone(), error),
    }
}

#[cfg(unix)]
async fn build_shared(
    strings: &Strings,
    query: &QueryArguments,
    shared: &crate::arguments::Shared,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Result<Box<dyn Provider>> {
    use cloud_autojoin::shared::{SharedProvider, SharedSettings, open_store, query_of, read_key};

    let context = Context::builder()
        .env(env)
        .clock(call.clock().clone())
        .build()?;
    let identity = query_of(
        strings.iter().map(|(config, _)| config),
        registry,
        context.env(),
    )?;
    let store = open_store(shared.url.as_deref().unwrap_or_default(), &context)?;
    let providers = strings
        .iter()
        .map(|(config, given)| build(config, given, registry, &context, query.strict, reporter));
    let provider = sources::AllOf::combine(providers.collect::<Result<_>>()?);
    let mut provider = SharedProvider::new(provider, store, identity, call.clock())
        .with_settings(SharedSettings::default().once());
    if let Some(file) = &shared.key_file {
        provider = provider.with_key(read_key(file).await?);
    }
    Ok(Box::new(provider))
}

/// What comes of a call that can't be made.
pub(crate) fn failed(call: Call, error: Error) -> Vec<QueryResult> {
    vec![QueryResult {
        source: Source::failed("the join string", call, error),
        config: None,
        is_only: true,
    }]
}

/// Resolves these join strings, which read their variables from `env`.
pub(crate) async fn run_strings(
    strings: Strings,
    query: &QueryArguments,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Vec<QueryResult> {
    query_sources(strings, query, env, registry, call, reporter)
        .await
        .unwrap_or_else(|error| failed(call.clone(), error))
}

async fn query_sources(
    strings: Strings,
    query: &QueryArguments,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Result<Vec<QueryResult>> {
    let context = Context::builder()
        .env(env)
        .clock(call.clock().clone())
        .build()?;
    let is_only = strings.len() == 1;
    let (mut configs, mut providers) = (Vec::new(), Vec::new());
    for (config, given) in strings {
        let label = registry.provider_of(&config).map_or_else(
            |_| "a join string".to_owned(),
            |spec| format!("provider `{}`", spec.name),
        );
        providers.push(
            build(&config, &given, registry, &context, query.strict, reporter)
                .map_err(|error| (label, error)),
        );
        configs.push(config);
    }
    // If one provider can't be built, the whole query fails before anything is sent.
    if query.require() == Require::All && providers.iter().any(Result::is_err) {
        let mut failed = providers.iter().map(Result::is_err);
        configs.retain(|_| failed.next().unwrap_or_default());
    }
    let sources = sources::discover_all(providers, query.require(), call).await;
    Ok(sources
        .into_iter()
        .zip(configs)
        .map(|(source, config)| QueryResult {
            source,
            config: Some(config),
            is_only,
        })
        .collect())
}

fn build(
    config: &ConfigString,
    given: &[JoinArgument],
    registry: &Registry,
    context: &Context,
    strict: bool,
    reporter: &Reporter,
) -> Result<Box<dyn Provider>> {
    check_unknown_keys(registry, config, strict, reporter)?;
    registry
        .build(config, context)
        .map_err(|error| join_string::locate(error, config, given, registry))
}

/// Reports that the query of several sources failed.
pub(crate) fn report_failed(error: &SourcesError, reporter: &Reporter) -> ExitStatus {
    reporter.error(&error.to_string(), error.hint().as_deref());
    if error.is_nothing_matched() {
        ExitStatus::NothingMatched
    } else {
        ExitStatus::Failed
    }
}

/// Warns about the failed sources that `--any` allows.
pub(crate) fn warn_of_failed(failed: &[(String, Error)], reporter: &Reporter) {
    for (label, error) in failed {
        let hint = error
            .hint()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        reporter.warning(&format!(
            "addresses are missing: {label}: {}{hint}",
            error.chain()
        ));
    }
}

/// Warns about unknown keys, or with `strict` returns an error. Strings are shared with agents that
/// ignore such keys, so the default is a warning.
pub(crate) fn check_unknown_keys(
    registry: &Registry,
    config: &ConfigString,
    strict: bool,
    reporter: &Reporter,
) -> Result<()> {
    let provider = registry.provider_of(config)?.name;
    let problems = join_string::unknown_keys(registry, config)?;
    if strict {
        return ConfigError::from_problems(Some(provider), problems)
            .map_or(Ok(()), |error| Err(error.into()));
    }
    for problem in problems {
        reporter.warning(&format!(
            "{} is ignored; {}",
            problem.message,
            problem.hint.unwrap_or_default()
        ));
    }
    Ok(())
}
