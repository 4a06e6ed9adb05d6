//! What the sidecar is to do: read from a TOML file, or from flags that are turned into the same table, and judged as a whole before anything is asked.
//!
//! `section.rs` takes a table apart and collects what is wrong, `part.rs` reads files, agents and on-change actions.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::config::key::is_safe;
use cloud_autojoin::file::FileKind;
use cloud_autojoin::watch::{Guards, MaxShrink, Pace};
use cloud_autojoin::{Call, ConfigProblem, ConfigString, Context, DEFAULT_TIMEOUT, Error, Provider, Registry};
use toml::Table;

use super::agent::Agent;
use super::on_change::OnChange;
use super::output::Output;
use crate::{join_string, question};

mod part;
mod section;

#[cfg(test)]
mod tests;

pub(crate) use part::{AGENT_KINDS, FILE_KINDS};
use section::{Problems, Section};

/// Where the status is served unless told.
pub(crate) const LISTEN: &str = "127.0.0.1:8510";

/// How long reading the files of the configuration may take: one may be on a file system that
/// hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that the sidecar is to do.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where the status is served, if anywhere.
    pub(crate) listen: Option<SocketAddr>,
    /// At least one.
    pub(crate) watches: Vec<WatchConfig>,
}

/// One question that is asked again and again, and what is done with its answers.
pub(crate) struct WatchConfig {
    /// Its name, which no other has.
    pub(crate) name: String,
    /// The join string.
    pub(crate) join: ConfigString,
    /// The same without secrets, which tells this watch from others in its last-good file.
    pub(crate) identity: String,
    /// What is asked.
    pub(crate) provider: Arc<dyn Provider>,
    /// How often.
    pub(crate) interval: Duration,
    /// How long one answer may take.
    pub(crate) timeout: Duration,
    /// How long the first question may wait, so that machines that start together do not ask together.
    pub(crate) splay: Duration,
    /// What an answer must be.
    pub(crate) guards: Guards,
    /// Where the last good answer is kept.
    pub(crate) last_good: Option<PathBuf>,
    /// The files.
    pub(crate) outputs: Vec<Output>,
    /// The running agents.
    pub(crate) agents: Vec<Agent>,
    /// What is done on change.
    pub(crate) on_change: Vec<OnChange>,
}

impl WatchConfig {
    /// Whether `other` says the same, so that a running watch need not be started again. Providers are alike where their join strings are.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.join, self.interval, self.timeout, self.splay, self.guards, &self.last_good, &self.outputs, &self.agents, &self.on_change)
            == (
                &other.name,
                &other.join,
                other.interval,
                other.timeout,
                other.splay,
                other.guards,
                &other.last_good,
                &other.outputs,
                &other.agents,
                &other.on_change,
            )
    }
}

impl fmt::Debug for WatchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchConfig").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A configuration that may be used, with what is odd about it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The configuration.
    pub(crate) config: Config,
    /// What is not as it should be and stops nothing.
    pub(crate) warnings: Vec<String>,
}

/// Reads the text of a configuration file.
///
/// # Errors
///
/// It is not TOML. The text is not repeated, which may hold a secret; the line is named.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Table, Vec<ConfigProblem>> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        vec![ConfigProblem::new(format!("{} is not TOML: {} (line {line})", file.display(), error.message().lines().next().unwrap_or_default()))]
    })
}

/// Judges a whole configuration, offline: every join string, template, URL and key.
///
/// # Errors
///
/// Everything that is wrong with it.
pub(crate) async fn judge(table: Table, context: &Context) -> Result<Judged, Vec<ConfigProblem>> {
    let mut problems = Problems::default();
    let mut warnings = Vec::new();
    let mut section = Section::new("", table, &mut problems);
    let listen = listen(&mut section);
    // systemd gives several with colons between them where the unit names several.
    let of_unit = || context.env().filled("STATE_DIRECTORY").and_then(|paths| paths.split(':').next().map(PathBuf::from));
    let state_directory = section.path("state_directory").or_else(of_unit);
    let tables = section.tables("watch");
    if tables.is_empty() {
        section.problem("there is nothing to watch", Some("write `[[watch]]` with `join = \"provider=...\"`".to_owned()));
    }
    section.finish();
    let count = tables.len();
    let mut watches = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let judge = WatchJudge { context, state_directory: state_directory.as_deref(), only: count == 1, index };
        watches.extend(judge.watch(table, &mut problems, &mut warnings).await);
    }
    find_twins(&watches, &mut problems);
    if problems.is_empty() { Ok(Judged { config: Config { listen, watches }, warnings }) } else { Err(problems.into_vec()) }
}

fn listen(section: &mut Section<'_>) -> Option<SocketAddr> {
    let text = section.text("listen").unwrap_or_else(|| LISTEN.to_owned());
    if text == "none" {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        section.problem("`listen` must be an address with a port, as 127.0.0.1:8510, or none", None);
    }
    address
}

/// Two parts that would work against each other.
fn find_twins(watches: &[WatchConfig], problems: &mut Problems) {
    let (mut names, mut paths, mut agents) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for watch in watches {
        if !names.insert(&watch.name) {
            problems.add("", format!("two watches are called `{}`", watch.name), Some("give each a `name`".to_owned()));
        }
        for output in &watch.outputs {
            if !paths.insert(&output.path) {
                problems.add("", format!("{} is written twice", output.path.display()), Some("give each file a path of its own".to_owned()));
            }
        }
        for agent in &watch.agents {
            if agents.contains(&agent) {
                problems.add("", format!("the {} agent {} is there twice", agent.kind.name(), agent.door.shown()), None);
            }
            agents.push(agent);
        }
    }
}

/// What judging a watch needs to know of the rest.
struct WatchJudge<'a> {
    context: &'a Context,
    state_directory: Option<&'a Path>,
    /// Whether it is the only watch, which needs no name.
    only: bool,
    index: usize,
}

impl WatchJudge<'_> {
    async fn watch(&self, table: Table, problems: &mut Problems, warnings: &mut Vec<String>) -> Option<WatchConfig> {
        let number = self.index + 1;
        let mut section = Section::new(format!("watch {number}"), table, problems);
        let name = self.name(&mut section);
        if let Some(name) = &name {
            section.rename(format!("watch `{name}`"));
        }
        let words = section.required_texts("join");
        let interval = section.duration("interval", false).unwrap_or_else(|| Pace::default().interval);
        let timeout = section.duration("timeout", false).unwrap_or(DEFAULT_TIMEOUT);
        let splay = section.duration("splay", true).unwrap_or_default();
        let guards = guards(&mut section);
        let tables = [section.tables("file"), section.tables("agent"), section.tables("on_change")];
        let place = section.place().to_owned();
        let asked = match words {
            Some(words) => self.join(words, &mut section, warnings).await,
            None => None,
        };
        let [files, agents, on_change] = tables;
        if files.is_empty() && agents.is_empty() && on_change.is_empty() {
            section.problem("nothing is done with its answers", Some("write a `[[watch.file]]`, a `[[watch.agent]]` or a `[[watch.on_change]]`".to_owned()));
        }
        section.finish();
        let at = |what: &str, index: usize| format!("{place}, {what} {}", index + 1);
        let mut outputs = Vec::new();
        for (index, table) in files.into_iter().enumerate() {
            outputs.extend(part::output(at("file", index), table, problems).await);
        }
        let agents = agents.into_iter().enumerate().filter_map(|(index, table)| part::agent(at("agent", index), table, problems)).collect();
        let on_change = on_change.into_iter().enumerate().filter_map(|(index, table)| part::on_change(at("on_change", index), table, problems)).collect();
        let (name, (join, identity, provider)) = (name?, asked?);
        let last_good = self.state_directory.map(|directory| directory.join(format!("{name}.json")));
        Some(WatchConfig { name, join, identity, provider, interval, timeout, splay, guards, last_good, outputs, agents, on_change })
    }

    fn name(&self, section: &mut Section<'_>) -> Option<String> {
        let name = section.text("name");
        if name.is_none() && !self.only {
            section.problem("`name` is missing", Some("each of several watches needs one".to_owned()));
        }
        let name = name.unwrap_or_else(|| if self.only { "peers".to_owned() } else { format!("watch-{}", self.index + 1) });
        // It becomes the name of a file and a label.
        let is_plain = name.len() <= 64 && !name.starts_with('.') && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        if !is_plain {
            section.problem("`name` must be at most 64 letters, digits, `-`, `_` and `.`", None);
            return None;
        }
        Some(name)
    }

    async fn join(&self, words: Vec<String>, section: &mut Section<'_>, warnings: &mut Vec<String>) -> Option<(ConfigString, String, Arc<dyn Provider>)> {
        let registry = Registry::compiled_in();
        let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let call = Call::new(self.context.clock(), READ_TIMEOUT);
        let join = join_string::read_from(&words, FileKind::Regular, &registry, &call).await.map_err(|error| add(section, &error)).ok()?;
        let spec = registry.provider_of(&join).map_err(|error| add(section, &error)).ok()?;
        for unknown in question::unknown_keys(&registry, &join).unwrap_or_default() {
            warnings.push(format!("{}: {} is ignored; {}", section.place(), unknown.message, unknown.hint.unwrap_or_default()));
        }
        let provider = registry.build(&join, self.context).map_err(|error| add(section, &error)).ok()?;
        let identity = join.masked(|key| key == "provider" || is_safe(spec.keys, key)).to_string();
        Some((join, identity, provider.into()))
    }
}

/// Adds what is wrong with a join string, each by itself.
fn add(section: &mut Section<'_>, error: &Error) {
    match error {
        Error::Config(error) => {
            for problem in error.problems() {
                section.problem(&problem.message, problem.hint.clone());
            }
        }
        other => section.problem(other, other.hint().map(Into::into)),
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
    let percent = section.number("max_shrink", 0_u8, 100).unwrap_or(usual.percent);
    let hold = section.duration("max_shrink_hold", false).unwrap_or(usual.hold);
    guards.max_shrink = (percent < 100).then(|| MaxShrink::new(percent, hold));
    guards
}
