//! One question to one or several clouds, from the words of the command line to the answers: what
//! `addrs` and `explain` have in common.

use cloud_autojoin::file::FileKind;
use cloud_autojoin::join_string::{self, JoinArgument};
use cloud_autojoin::sources::{self, Require, Source, SourcesError};
use cloud_autojoin::{
    Call, Clock, ConfigError, ConfigString, Context, Detail, Env, Error, Provider, Registry, Result,
};

use crate::arguments::Question;
use crate::report::Reporter;
use crate::status::Status;

/// A source that was asked.
pub(crate) struct Asked {
    /// What came of it; its requests can be read also where it failed.
    pub(crate) source: Source,
    /// Its join string; `None` where it couldn't be read.
    pub(crate) config: Option<ConfigString>,
    /// Whether it is the only join string of the command line.
    pub(crate) is_only: bool,
}

impl Question {
    /// Which sources have to answer.
    pub(crate) fn require(&self) -> Require {
        if self.any { Require::Any } else { Require::All }
    }
}

/// Join strings with the arguments that they were read from.
pub(crate) type Strings = Vec<(ConfigString, Vec<JoinArgument>)>;

/// Asks every source, all at once; at least one. The time that reading an `@FILE` takes counts too.
pub(crate) async fn ask(question: &Question, detail: Detail, reporter: &Reporter) -> Vec<Asked> {
    let registry = Registry::compiled_in();
    let call = Call::new(&Clock::system(), question.timeout.0).with_detail(detail);
    match join_string::read_all(&question.words, FileKind::Any, &registry, &call).await {
        Ok(strings) => {
            ask_strings(strings, question, Env::Process, &registry, &call, reporter).await
        }
        Err(error) => not_asked(call, error),
    }
}

/// What comes of a call that can't be made.
pub(crate) fn not_asked(call: Call, error: Error) -> Vec<Asked> {
    vec![Asked {
        source: Source::failed("the join string", call, error),
        config: None,
        is_only: true,
    }]
}

/// Asks the sources of these join strings, which read their variables of `env`.
pub(crate) async fn ask_strings(
    strings: Strings,
    question: &Question,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Vec<Asked> {
    ask_all(strings, question, env, registry, call, reporter)
        .await
        .unwrap_or_else(|error| not_asked(call.clone(), error))
}

async fn ask_all(
    strings: Strings,
    question: &Question,
    env: Env,
    registry: &Registry,
    call: &Call,
    reporter: &Reporter,
) -> Result<Vec<Asked>> {
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
            build(
                &config,
                &given,
                registry,
                &context,
                question.strict,
                reporter,
            )
            .map_err(|error| (label, error)),
        );
        configs.push(config);
    }
    // One that can't be built fails the whole before anything is sent; the others have no answer
    // then.
    if question.require() == Require::All && providers.iter().any(Result::is_err) {
        let mut failed = providers.iter().map(Result::is_err);
        configs.retain(|_| failed.next().unwrap_or_default());
    }
    let sources = sources::discover_all(providers, question.require(), call).await;
    Ok(sources
        .into_iter()
        .zip(configs)
        .map(|(source, config)| Asked {
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

/// Reports that several sources have no answer together.
pub(crate) fn report_failed(error: &SourcesError, reporter: &Reporter) -> Status {
    reporter.error(&error.to_string(), error.hint().as_deref());
    if error.is_nothing_matched() {
        Status::NothingMatched
    } else {
        Status::Failed
    }
}

/// Warns of the sources that `--any` does without.
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

/// Warns of keys that the provider does not know, or makes an error of them. Strings are shared
/// with agents that ignore such keys, so the default is the warning.
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
