//! The daemon: starts the watches, serves the status, talks to the service manager, takes a new configuration, and ends when told.

use std::sync::Arc;

use cloud_autojoin::{ConfigProblem, Context};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};

use super::admin::Admin;
use super::board::Board;
use super::config::{Config, Judged};
use super::failure::Failure;
use super::keeper::Keeper;
use super::systemd;

/// Reads the configuration anew.
pub(crate) type Reread = Box<dyn FnMut() -> BoxFuture<'static, Result<Judged, Vec<ConfigProblem>>>>;

/// A sidecar that has not started.
pub(crate) struct Daemon<Hangups> {
    /// What it is to do.
    pub(crate) config: Config,
    /// The world as the providers see it.
    pub(crate) context: Context,
    /// How the configuration is read again.
    pub(crate) reread: Reread,
    /// When.
    pub(crate) hangups: Hangups,
}

/// Works as `config` says until `shutdown`.
///
/// # Errors
///
/// The address of the status cannot be had, or a task ended unexpectedly: a sidecar of which a part is
/// dead must not look alive.
pub(crate) async fn run<Hangups: Stream<Item = ()> + Unpin>(daemon: Daemon<Hangups>, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
    let Daemon { config, context, mut reread, mut hangups } = daemon;
    let mut work = Work { board: Board::new(context.clock()), context, keepers: Vec::new(), admin: None };
    work.take(config).await?;
    let board = Arc::clone(&work.board);
    let mut shutdown = std::pin::pin!(shutdown);
    let watchdog = systemd::watchdog();
    let (mut was_ready, mut said) = (false, String::new());
    loop {
        let alive = async {
            match watchdog {
                Some(period) => board.clock().sleep(period).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(()) = hangups.next() => {
                if was_ready {
                    systemd::reloading();
                }
                work.reload_trust();
                match reread().await {
                    Ok(judged) => work.reload(judged).await,
                    Err(problems) => work.refuse(problems.iter().map(shown).collect()),
                }
                if was_ready {
                    systemd::ready();
                }
            }
            () = board.poked() => {}
            failure = work.task_ended() => return Err(failure.with_hint("this is a mistake of this program; the service manager starts it again")),
            () = alive => {}
        }
        // Said at each turn: whatever woke this up, it shows that this runs.
        if watchdog.is_some() {
            systemd::alive();
        }
        if !was_ready && board.is_ready() {
            was_ready = true;
            tracing::info!("ready");
            systemd::ready();
        }
        let line = board.line();
        if line != said {
            systemd::status(&line);
            said = line;
        }
    }
    systemd::stopping();
    tracing::info!("stopping");
    Ok(())
}

/// What runs.
struct Work {
    board: Arc<Board>,
    context: Context,
    keepers: Vec<Keeper>,
    admin: Option<Admin>,
}

impl Work {
    /// Puts a configuration to use: what says the same as before goes on, and polls now.
    async fn take(&mut self, config: Config) -> Result<(), Failure> {
        // First what can fail, so that a refusal changes nothing.
        Admin::change(&mut self.admin, config.listen, &self.board).await.map_err(|error| {
            let address = config.listen.map_or_else(String::new, |address| address.to_string());
            Failure::new(format!("cannot listen on {address}: {error}")).with_hint("choose another address with `listen`, or `none`")
        })?;
        let mut before = std::mem::take(&mut self.keepers);
        let mut fresh = Vec::new();
        for watch in config.watches {
            match before.iter().position(|keeper| keeper.config.says_the_same(&watch)) {
                Some(place) => fresh.push(Place::Runs(before.remove(place))),
                None => fresh.push(Place::Starts(watch)),
            }
        }
        // The old ones end before the new ones start: they may have files in common.
        for keeper in before {
            keeper.stop().await;
        }
        for place in fresh {
            self.keepers.push(match place {
                Place::Runs(keeper) => {
                    keeper.poll_now();
                    keeper
                }
                Place::Starts(watch) => {
                    prepare(&watch.last_good);
                    Keeper::start(watch, &self.context, &self.board)
                }
            });
        }
        self.board.show(self.keepers.iter().map(|keeper| Arc::clone(&keeper.board)).collect());
        Ok(())
    }

    /// Waits until anything that runs ends by itself.
    async fn task_ended(&mut self) -> Failure {
        let mut tasks: Vec<BoxFuture<'_, Failure>> = self.keepers.iter_mut().map(|keeper| keeper.task_ended().boxed()).collect();
        tasks.extend(self.admin.as_mut().map(|admin| admin.ended().boxed()));
        futures::future::select_all(tasks).await.0
    }

    /// Lets every later connection, to the cloud and to agents, trust what is on this machine now.
    fn reload_trust(&self) {
        self.context.http().reload_trust();
        for agent in self.keepers.iter().flat_map(|keeper| &keeper.config.agents) {
            agent.door.reload_trust();
        }
    }

    async fn reload(&mut self, judged: Judged) {
        for warning in &judged.warnings {
            tracing::warn!("{warning}");
        }
        match self.take(judged.config).await {
            Ok(()) => {
                tracing::info!("the configuration was read again");
                self.board.note_reload(Vec::new());
            }
            Err(failure) => self.refuse(vec![failure.to_string()]),
        }
    }

    fn refuse(&mut self, problems: Vec<String>) {
        for problem in &problems {
            tracing::error!("the new configuration is wrong, the old one stays in use: {problem}");
        }
        self.board.note_reload(problems);
        self.keepers.iter().for_each(Keeper::poll_now);
    }
}

/// A watch of a new configuration.
#[expect(clippy::large_enum_variant, reason = "a handful, for a moment")]
enum Place {
    Runs(Keeper),
    Starts(super::config::WatchConfig),
}

/// Makes the directory of the last good answer.
fn prepare(last_good: &Option<std::path::PathBuf>) {
    if let Some(directory) = last_good.as_deref().and_then(std::path::Path::parent)
        && let Err(error) = std::fs::create_dir_all(directory)
    {
        tracing::warn!("cannot make {}: {error}; the last good answer is not kept over restarts", directory.display());
    }
}

/// A problem with what to do about it, in one line.
pub(crate) fn shown(problem: &ConfigProblem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} (hint: {hint})", problem.message),
        None => problem.message.clone(),
    }
}

#[cfg(test)]
mod tests;
