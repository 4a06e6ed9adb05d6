//! The daemon: starts the watches, serves the status, talks to the service manager, takes a new configuration, and ends when told.

use std::sync::Arc;

use cloud_autojoin::{ConfigProblem, Context};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use super::admin::Admin;
use super::board::Board;
use super::config::{CheckedConfig, Config, WatchConfig};
use super::failure::Failure;
use super::keeper::Keeper;
use super::systemd;

/// Requests reloads, and reads the configuration for them. `()` never does.
pub trait ReloadSource: Send {
    /// Waits until a reload is requested. Cancel-safe.
    fn requested(&mut self) -> impl Future<Output = ()> + Send;

    /// Reads and checks the configuration.
    fn read(&mut self) -> impl Future<Output = Result<CheckedConfig, Vec<ConfigProblem>>> + Send;
}

impl ReloadSource for () {
    fn requested(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn read(&mut self) -> impl Future<Output = Result<CheckedConfig, Vec<ConfigProblem>>> + Send {
        std::future::pending()
    }
}

/// Runs the sidecar until `shutdown` completes.
///
/// `listener` serves the status ([`Config::bind`]); without one it isn't served. It is replaced when a
/// reload changes the address. `reloads` says when the configuration is read again.
///
/// # Errors
///
/// A task ended unexpectedly: a sidecar of which a part has failed must not look alive.
pub async fn run(config: Config, listener: Option<TcpListener>, mut reloads: impl ReloadSource, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
    let context = config.context.clone();
    let board = Board::new(context.clock());
    let admin = match listener {
        Some(listener) => Some(Admin::serve(listener, config.listen, &board).map_err(|error| Failure::new(format!("cannot serve the status: {error}")))?),
        None => None,
    };
    let mut work = Work { board, context, keepers: Vec::new(), admin };
    work.apply(config.watches).await;
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
            () = reloads.requested() => {
                if was_ready {
                    systemd::reloading();
                }
                work.reload_trust();
                match reloads.read().await {
                    Ok(checked) => work.reload(checked).await,
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
    /// Replaces the configuration.
    async fn replace(&mut self, config: Config) -> Result<(), Failure> {
        // The step that can fail comes first, so that a failure changes nothing.
        Admin::change(&mut self.admin, config.listen, &self.board).await?;
        self.context = config.context;
        self.apply(config.watches).await;
        Ok(())
    }

    /// Replaces the watches. Unchanged ones go on and poll now.
    async fn apply(&mut self, watches: Vec<WatchConfig>) {
        let mut before = std::mem::take(&mut self.keepers);
        let mut fresh = Vec::new();
        for watch in watches {
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

    async fn reload(&mut self, checked: CheckedConfig) {
        for warning in &checked.warnings {
            tracing::warn!("{warning}");
        }
        match self.replace(checked.config).await {
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
    Starts(WatchConfig),
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
