//! The configuration: a TOML file, or flags converted to the same table. It is checked as a whole
//! before anything is sent.
//!
//! `section.rs` reads the keys of a table and collects problems, `watch.rs` checks a watch,
//! `part.rs` its files, agents and on-change actions.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::cache::Query;
use cloud_autojoin::shared::SharedKey;
use cloud_autojoin::watch::Guards;
use cloud_autojoin::{ConfigProblem, ConfigString, Context, Provider};
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
mod watch;

#[cfg(test)]
mod tests;

pub use part::{AGENT_KINDS, FILE_KINDS};
use section::{Node, Problems, Section};
use shared::SharedStore;
pub use source::ConfigSource;
use watch::WatchChecker;

/// The address of the status endpoint by default.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8510";

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
