//! The configuration: a TOML file, or flags converted to the same table. It is checked as a whole
//! before anything is sent.
//!
//! `section.rs` reads the keys of a table and collects problems, `part.rs` reads files, agents and
//! on-change actions.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::cache::Query;
use cloud_autojoin::config::key::is_safe;
use cloud_autojoin::file::FileKind;
use cloud_autojoin::shared::{SharedKey, SharedSettings, query_of};
use cloud_autojoin::sources::AllOf;
use cloud_autojoin::watch::{DEFAULT_LAST_GOOD_MAX_AGE, Guards, MaxShrink, Pace};
use cloud_autojoin::{
    Call, ConfigProblem, ConfigString, Context, DEFAULT_TIMEOUT, Env, EnvRecord, Error, Provider,
    Registry, join_string,
};

use tokio::net::TcpListener;

use super::agent::Agent;
use super::failure::Failure;
use super::on_change::OnChange;
use super::output::Output;

mod part;
mod preflight;
mod section;
mod shared;
mod source;

#[cfg(test)]
mod tests;

pub use part::{AGENT_KINDS, FILE_KINDS};
use preflight::Preflight;
use section::{Node, Problems, Section};
use shared::SharedStore;
pub use source::ConfigSource;

/// The address of the status endpoint by default.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8510";

/// The minimum interval.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A shorter interval is a warning.
const LOW_INTERVAL: Duration = Duration::from_secs(10);

/// An environment variable for tests with another minimum interval, in milliseconds.
const TEST_MIN_INTERVAL: &str = "DISCOVER_TEST_MIN_INTERVAL_MS";

/// The time limit for reading the files of the configuration: a file system may hang.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A checked configuration: at least one watch.
#[derive(Debug)]
pub struct Config {
    pub(crate) context: Context,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) watches: Vec<WatchConfig>,
}

impl Config {
    /// The address of the status endpoint; `None` if it isn't served.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Binds the address of the status endpoint, if it is served.
    ///
    /// # Errors
    ///
    /// The address can't be bound.
    pub async fn bind(&self) -> Result<Option<TcpListener>, Failure> {
        let Some(address) = self.listen else {
            return Ok(None);
        };
        TcpListener::bind(address)
            .await
            .map(Some)
            .map_err(|error| cannot_listen(address, &error))
    }
}

pub(crate) fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::new(format!("cannot listen on {address}: {error}"))
        .with_hint("choose another address with `listen`, or `none`")
}

/// A watch: what is polled, and what is done with the results.
pub(crate) struct WatchConfig {
    /// Its unique name.
    pub(crate) name: String,
    /// The join strings, one for each source.
    pub(crate) join: Vec<ConfigString>,
    /// The same without secrets; identifies this watch in its last-good file.
    pub(crate) identity: String,
    /// The provider.
    pub(crate) provider: Arc<dyn Provider>,
    /// The interval of polls.
    pub(crate) interval: Duration,
    /// The deadline of a poll.
    pub(crate) timeout: Duration,
    /// The maximum random delay of the first poll, so that machines that start together don't poll
    /// together.
    pub(crate) splay: Duration,
    /// The guards.
    pub(crate) guards: Guards,
    /// The age from which using the last good result is logged as an error.
    pub(crate) restore_max_age: Duration,
    /// The file of the last good result.
    pub(crate) last_good: Option<PathBuf>,
    /// The URL of the store that machines share, and the key of its results.
    pub(crate) shared: Option<(String, Option<SharedKey>)>,
    /// The cache for other processes of this host, and what the results are stored as.
    pub(crate) cache: Option<(PathBuf, Query)>,
    /// The files.
    pub(crate) outputs: Vec<Output>,
    /// The running agents.
    pub(crate) agents: Vec<Agent>,
    /// The on-change actions.
    pub(crate) on_change: Vec<OnChange>,
}

impl WatchConfig {
    /// Whether `other` has the same settings, so that a running watch isn't restarted. Providers
    /// are equal if their join strings are.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        (
            &self.name,
            &self.join,
            self.interval,
            self.timeout,
            self.splay,
            self.restore_max_age,
            self.guards,
            &self.last_good,
            (
                self.cache.as_ref().map(|(directory, _)| directory),
                &self.shared,
            ),
            &self.outputs,
            &self.agents,
            &self.on_change,
        ) == (
            &other.name,
            &other.join,
            other.interval,
            other.timeout,
            other.splay,
            other.restore_max_age,
            other.guards,
            &other.last_good,
            (
                other.cache.as_ref().map(|(directory, _)| directory),
                &other.shared,
            ),
            &other.outputs,
            &other.agents,
            &other.on_change,
        )
    }
}

impl fmt::Debug for WatchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchConfig")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A configuration that can be used, and its warnings.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedConfig {
    /// The configuration.
    pub config: Config,
    /// Mistakes that don't prevent its use.
    pub warnings: Vec<String>,
}

/// How much of a configuration is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// The configuration alone, with the files that it names.
    Text,
    /// Also whether it works on this machine: directories, programs, tokens, and templates with
    /// sample addresses.
    Machine,
}

impl ConfigSource {
    /// Checks the whole configuration without network access: every join string, template, URL and
    /// key.
    ///
    /// # Errors
    ///
    /// All problems.
    pub async fn check(
        self,
        depth: CheckDepth,
        context: &Context,
    ) -> Result<CheckedConfig, Vec<ConfigProblem>> {
        check(self, depth, context).await
    }
}

async fn check(
    source: ConfigSource,
    depth: CheckDepth,
    context: &Context,
) -> Result<CheckedConfig, Vec<ConfigProblem>> {
    let ConfigSource { table, origin } = source;
    let mut problems = Problems::of(origin);
    let mut section = Section::new(
        "",
        Node {
            table,
            path: String::new(),
        },
        &mut problems,
    );
    let listen = listen(&mut section);
    // systemd separates several directories by colons.
    let of_unit = || {
        context
            .env()
            .filled("STATE_DIRECTORY")
            .and_then(|paths| paths.split(':').next().map(PathBuf::from))
    };
    let state_directory = section.path("state_directory").or_else(of_unit);
    let of_environment = || context.env().filled("DISCOVER_CACHE_DIRECTORY");
    let cache_directory = section
        .path("cache_directory")
        .or_else(|| of_environment().map(PathBuf::from));
    let shared_nodes = section.tables("shared");
    let nodes = section.tables("watch");
    if nodes.is_empty() {
        section.problem(
            "there is nothing to watch",
            Some("write `[[watch]]` with `join = \"provider=...\"`".to_owned()),
        );
    }
    if depth == CheckDepth::Machine {
        preflight::listen(&mut section, listen).await;
        preflight::state_directory(&mut section, state_directory.as_deref());
        preflight::cache_directory(&mut section, cache_directory.as_deref());
    }
    if shared_nodes.len() > 1 {
        section.problem_at("shared", "`[shared]` is there twice", None);
    }
    section.finish();
    let shared = match shared_nodes.into_iter().next() {
        Some(node) => SharedStore::read(Section::new("shared", node, &mut problems), context).await,
        None => None,
    };
    let count = nodes.len();
    let mut watches = Vec::new();
    for (index, node) in nodes.into_iter().enumerate() {
        let path = node.path.clone();
        let checker = WatchChecker {
            context,
            depth,
            state_directory: state_directory.as_deref(),
            cache_directory: cache_directory.as_deref(),
            shared: shared.as_ref(),
            only: count == 1,
            index,
        };
        watches.extend(
            checker
                .watch(node, &mut problems)
                .await
                .map(|watch| (path, watch)),
        );
    }
    reject_duplicates(&watches, &mut problems);
    let warnings = problems.into_result()?;
    let watches = watches.into_iter().map(|(_, watch)| watch).collect();
    Ok(CheckedConfig {
        config: Config {
            context: context.clone(),
            listen,
            watches,
        },
        warnings,
    })
}

fn listen(section: &mut Section<'_>) -> Option<SocketAddr> {
    let text = section
        .text("listen")
        .unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    if text == "none" {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        section.problem_at(
            "listen",
            "`listen` must be an address with a port, as 127.0.0.1:8510, or none",
            None,
        );
    }
    address
}

/// Reports names, files and agents that are configured twice.
fn reject_duplicates(watches: &[(String, WatchConfig)], problems: &mut Problems) {
    let (mut names, mut paths, mut agents) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (path, watch) in watches {
        if !names.insert(&watch.name) {
            problems.add(
                "",
                path,
                format!("two watches are called `{}`", watch.name),
                Some("give each a `name`".to_owned()),
            );
        }
        for output in &watch.outputs {
            if !paths.insert(&output.path) {
                problems.add(
                    "",
                    path,
                    format!("{} is written twice", output.path.display()),
                    Some("give each file a path of its own".to_owned()),
                );
            }
        }
        for agent in &watch.agents {
            if agents.contains(&agent) {
                problems.add(
                    "",
                    path,
                    format!(
                        "the {} agent {} is there twice",
                        agent.kind.name(),
                        agent.client.shown()
                    ),
                    None,
                );
            }
            agents.push(agent);
        }
    }
}

/// Checks one watch; holds what it needs to know of the rest.
struct WatchChecker<'a> {
    context: &'a Context,
    depth: CheckDepth,
    state_directory: Option<&'a Path>,
    cache_directory: Option<&'a Path>,
    shared: Option<&'a SharedStore>,
    /// Whether it is the only watch, which needs no name.
    only: bool,
    index: usize,
}

impl WatchChecker<'_> {
    async fn watch(&self, node: Node, problems: &mut Problems) -> Option<WatchConfig> {
        let number = self.index + 1;
        let mut section = Section::new(format!("watch {number}"), node, problems);
        let name = self.name(&mut section);
        if let Some(name) = &name {
            section.rename(format!("watch `{name}`"));
        }
        let words = section.required_texts("join");
        let interval = self.interval(&mut section);
        let timeout = section
            .duration("timeout", false)
            .unwrap_or(DEFAULT_TIMEOUT);
        let splay = section.duration("splay", true).unwrap_or_default();
        let restore_max_age = section
            .duration("restore_max_age", false)
            .unwrap_or(DEFAULT_LAST_GOOD_MAX_AGE);
        let guards = guards(&mut section);
        let tables = [
            section.tables("file"),
            section.tables("agent"),
            section.tables("on_change"),
        ];
        let part = section.part().to_owned();
        let join = match words {
            Some(words) => self.join(words, interval, &mut section).await,
            None => None,
        };
        let [files, agents, on_change] = tables;
        if files.is_empty() && agents.is_empty() && on_change.is_empty() {
            section.problem(
                "nothing is done with its results",
                Some(
                    "write a `[[watch.file]]`, a `[[watch.agent]]` or a `[[watch.on_change]]`"
                        .to_owned(),
                ),
            );
        }
        section.finish();
        let at = |what: &str, index: usize| format!("{part}, {what} {}", index + 1);
        let check = (self.depth == CheckDepth::Machine).then_some(Preflight {
            context: self.context,
            watch: name.as_deref().unwrap_or_default(),
        });
        let mut outputs = Vec::new();
        for (index, node) in files.into_iter().enumerate() {
            outputs
                .extend(part::output(Section::new(at("file", index), node, problems), check).await);
        }
        let mut agent_list = Vec::new();
        for (index, node) in agents.into_iter().enumerate() {
            agent_list.extend(
                part::agent(
                    Section::new(at("agent", index), node, problems),
                    self.context.env(),
                    check,
                )
                .await,
            );
        }
        let agents = agent_list;
        let on_change = on_change.into_iter().enumerate();
        let on_change = on_change
            .filter_map(|(index, node)| {
                part::on_change(Section::new(at("on_change", index), node, problems), check)
            })
            .collect();
        let (name, join) = (name?, join?);
        let cache = join
            .query
            .and_then(|query| Some((self.cache_directory?.to_owned(), query)));
        let last_good = self
            .state_directory
            .map(|directory| directory.join(format!("{name}.json")));
        Some(WatchConfig {
            name,
            join: join.strings,
            identity: join.identity,
            provider: join.provider,
            // The leader polls the cloud at `interval`; all members look more often.
            interval: match self.shared {
                Some(_) => SharedSettings::new(interval).read_interval(),
                None => interval,
            },
            timeout,
            splay,
            restore_max_age,
            guards,
            last_good,
            cache,
            shared: self
                .shared
                .map(|shared| (shared.url.clone(), shared.key.clone())),
            outputs,
            agents,
            on_change,
        })
    }

    /// The interval of polls. Some clouds allow only a few reads a minute for all machines
    /// together.
    fn interval(&self, section: &mut Section<'_>) -> Duration {
        let Some(interval) = section.duration("interval", false) else {
            return Pace::default().interval;
        };
        let of_tests = self
            .context
            .env()
            .filled(TEST_MIN_INTERVAL)
            .and_then(|text| text.parse().ok().map(Duration::from_millis));
        if interval < of_tests.unwrap_or(MIN_INTERVAL) {
            let hint = "30s, the default, is enough for most clusters".to_owned();
            section.problem_at(
                "interval",
                format!("`interval` must be at least {} s", MIN_INTERVAL.as_secs()),
                Some(hint),
            );
        } else if interval < LOW_INTERVAL && of_tests.is_none() {
            let low = LOW_INTERVAL.as_secs();
            section.warn_at("interval", format!("`interval` is below {low} s: with many machines the cloud will respond with 429 (too many requests)"));
        }
        interval
    }

    fn name(&self, section: &mut Section<'_>) -> Option<String> {
        let name = section.text("name");
        if name.is_none() && !self.only {
            section.problem(
                "`name` is missing",
                Some("each of several watches needs one".to_owned()),
            );
        }
        let name = name.unwrap_or_else(|| {
            if self.only {
                "peers".to_owned()
            } else {
                format!("watch-{}", self.index + 1)
            }
        });
        // It is used as a file name and a label.
        let is_plain = name.len() <= 64
            && !name.starts_with('.')
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        if !is_plain {
            section.problem_at(
                "name",
                "`name` must be at most 64 letters, digits, `-`, `_` and `.`",
                None,
            );
            return None;
        }
        Some(name)
    }

    async fn join(
        &self,
        words: Vec<String>,
        interval: Duration,
        section: &mut Section<'_>,
    ) -> Option<Join> {
        let registry = Registry::compiled_in();
        // A result of the cache depends on what was read of the environment.
        let context = match self.cache_directory {
            Some(_) => {
                let record = EnvRecord::new(self.context.env().clone());
                &self.context.clone().with_env(Env::Recorded(record))
            }
            None => self.context,
        };
        let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let call = Call::new(self.context.clock(), READ_TIMEOUT);
        let strings = join_string::read_all(&words, FileKind::Regular, &registry, &call)
            .await
            .map_err(|error| add(section, &error))
            .ok()?;
        let count = strings.len();
        let (mut joins, mut identities, mut providers) = (Vec::new(), Vec::new(), Vec::new());
        for (join, given) in strings {
            let Ok(spec) = registry
                .provider_of(&join)
                .map_err(|error| add(section, &error))
            else {
                continue;
            };
            for unknown in join_string::unknown_keys(&registry, &join).unwrap_or_default() {
                section.warn_at(
                    "join",
                    format!(
                        "{} is ignored; {}",
                        unknown.message,
                        unknown.hint.unwrap_or_default()
                    ),
                );
            }
            let located = |error| join_string::locate(error, &join, &given, &registry);
            let Ok(provider) = registry
                .build(&join, context)
                .map_err(|error| add(section, &located(error)))
            else {
                continue;
            };
            providers.push(provider);
            identities.push(
                join.masked(|key| key == "provider" || is_safe(spec.keys, key))
                    .to_string(),
            );
            joins.push(join);
        }
        // A part of the sources isn't watched as the whole; the problems are reported.
        if providers.len() != count {
            return None;
        }
        let query = Query::new(&joins, &registry, context.env());
        let mut provider: Arc<dyn Provider> = AllOf::combine(providers).into();
        if let Some(shared) = self.shared {
            let of_fleet = query_of(&joins, &registry, context.env())
                .map_err(|error| add(section, &error))
                .ok()?;
            provider = shared.share(provider, of_fleet, interval, context);
        }
        Some(Join {
            query,
            strings: joins,
            identity: identities.join(" "),
            provider,
        })
    }
}

/// The join strings of a watch.
struct Join {
    strings: Vec<ConfigString>,
    identity: String,
    provider: Arc<dyn Provider>,
    query: Option<Query>,
}

/// Adds each problem of a join string.
fn add(section: &mut Section<'_>, error: &Error) {
    add_at("join", section, error);
}

/// Adds each problem of the value of a key.
fn add_at(key: &str, section: &mut Section<'_>, error: &Error) {
    match error {
        Error::Config(error) => {
            for problem in error.problems() {
                section.problem_at(key, &problem.message, problem.hint.clone());
            }
        }
        other => section.problem_at(key, other, other.hint().map(Into::into)),
    }
}

fn guards(section: &mut Section<'_>) -> Guards {
    let mut guards = Guards::default();
    let usual = MaxShrink::default();
    if let Some(min) = section.number("min", 1_u32, 100_000) {
        guards.min = min as usize;
    }
    if let Some(stable_for) = section.duration("stable_for", true) {
        guards.stable_for = stable_for;
    }
    let percent = section
        .number("max_shrink", 0_u8, 100)
        .unwrap_or(usual.percent);
    let hold = section
        .duration("max_shrink_hold", false)
        .unwrap_or(usual.hold);
    guards.max_shrink = (percent < 100).then(|| MaxShrink::new(percent, hold));
    guards
}
