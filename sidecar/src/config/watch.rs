//! Checks a watch: its join strings, times, guards, and where results go.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::cache::Query;
use cloud_autojoin::config::key::is_safe;
use cloud_autojoin::file::FileKind;
use cloud_autojoin::shared::{SharedSettings, query_of};
use cloud_autojoin::sources::AllOf;
use cloud_autojoin::watch::{DEFAULT_LAST_GOOD_MAX_AGE, Guards, MaxShrink, Pace};
use cloud_autojoin::{
    Call, ConfigString, Context, DEFAULT_TIMEOUT, Env, EnvRecord, Provider, Registry, join_string,
};

use super::preflight::Preflight;
use super::section::{Node, Problems, Section};
use super::shared::SharedStore;
use super::{CheckDepth, WatchConfig, part};

/// The minimum interval.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A shorter interval is a warning.
const LOW_INTERVAL: Duration = Duration::from_secs(10);

/// An environment variable for tests with another minimum interval, in milliseconds.
const TEST_MIN_INTERVAL: &str = "DISCOVER_TEST_MIN_INTERVAL_MS";

/// The time limit for reading the files of the configuration: a file system may hang.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks one watch; holds what it needs to know of the rest.
pub(super) struct WatchChecker<'a> {
    pub(super) context: &'a Context,
    pub(super) depth: CheckDepth,
    pub(super) state_directory: Option<&'a Path>,
    pub(super) cache_directory: Option<&'a Path>,
    pub(super) shared: Option<&'a SharedStore>,
    /// Whether it is the only watch, which needs no name.
    pub(super) only: bool,
    pub(super) index: usize,
}

impl WatchChecker<'_> {
    pub(super) async fn watch(&self, node: Node, problems: &mut Problems) -> Option<WatchConfig> {
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
            let warning = format!(
                "`interval` is below {low} s: with many machines the cloud will respond with 429 \
                 (too many requests)"
            );
            section.warn_at("interval", warning);
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
            .map_err(|error| section.error_at("join", &error))
            .ok()?;
        let count = strings.len();
        let (mut joins, mut identities, mut providers) = (Vec::new(), Vec::new(), Vec::new());
        for (join, given) in strings {
            let Ok(spec) = registry
                .provider_of(&join)
                .map_err(|error| section.error_at("join", &error))
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
                .map_err(|error| section.error_at("join", &located(error)))
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
                .map_err(|error| section.error_at("join", &error))
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
