//! One question to a cloud, from the words of the command line to the answer: what `addrs` and `explain` have in common.

use std::time::Duration;

use cloud_autojoin::{Call, Clock, ConfigError, ConfigString, Context, Detail, Discovery, Registry, Result, TransportError, TransportFailure, join_string};

use crate::arguments::Question;
use crate::report::Reporter;

/// How much longer than the deadline a provider may take to notice it, before it is stopped from here.
const GRACE: Duration = Duration::from_millis(250);

/// A question that was asked.
pub(crate) struct Asked {
    /// The call: its requests can be read also when it failed.
    pub(crate) call: Call,
    /// What was read of the question, as far as it came.
    pub(crate) read: Read,
    /// How it ended.
    pub(crate) answer: Result<Discovery>,
}

/// A question as it was read.
#[derive(Default)]
pub(crate) struct Read {
    /// The join string.
    pub(crate) config: Option<ConfigString>,
    /// What is asked for, in words.
    pub(crate) subject: Option<String>,
}

/// Asks. The time that reading an `@FILE` takes counts too.
pub(crate) async fn ask(question: &Question, detail: Detail, reporter: &Reporter) -> Asked {
    let clock = Clock::system();
    let call = Call::new(&clock, question.timeout.0).with_detail(detail);
    let mut read = Read::default();
    let answer = discover(question, &clock, &call, &mut read, reporter).await;
    Asked { call, read, answer }
}

async fn discover(question: &Question, clock: &Clock, call: &Call, read: &mut Read, reporter: &Reporter) -> Result<Discovery> {
    let registry = Registry::compiled_in();
    let (config, given) = join_string::read(&question.words, &registry, call).await?;
    let config = read.config.insert(config);
    check_unknown_keys(&registry, config, question.strict, reporter)?;
    let context = Context::builder().clock(clock.clone()).build()?;
    let provider = registry.build(config, &context).map_err(|error| join_string::locate(error, config, &given, &registry))?;
    let subject = read.subject.insert(provider.subject());
    // Providers end by themselves at the deadline and say where they were; this is for one that does not.
    tokio::time::timeout(call.remaining() + GRACE, provider.discover(call)).await.unwrap_or_else(|_| {
        let error = TransportError::new(format!("find {subject}"), format!("provider `{}`", provider.name()), TransportFailure::Deadline);
        Err(error.after(1, call.elapsed()).into())
    })
}

/// Warns of keys that the provider does not know, or makes an error of them. Strings are shared with agents that ignore such keys, so the default is the warning.
fn check_unknown_keys(registry: &Registry, config: &ConfigString, strict: bool, reporter: &Reporter) -> Result<()> {
    let provider = registry.provider_of(config)?.name;
    let problems = join_string::unknown_keys(registry, config)?;
    if strict {
        return ConfigError::from_problems(Some(provider), problems).map_or(Ok(()), |error| Err(error.into()));
    }
    for problem in problems {
        reporter.warning(&format!("{} is ignored; {}", problem.message, problem.hint.unwrap_or_default()));
    }
    Ok(())
}
