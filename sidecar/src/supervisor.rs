//! Runs the watches and the status server, notifies the service manager and applies reloads, until
//! shutdown.

use std::sync::Arc;

use cloud_autojoin::{ConfigProblem, Context};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use super::config::{CheckedConfig, Config, WatchConfig};
use super::failure::Failure;
use super::runner::WatchRunner;
use super::status::SidecarStatus;
use super::status_server::StatusServer;
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
/// `listener` serves the status ([`Config::bind`]); without one it isn't served. It is replaced
/// when a reload changes the address. `reloads` is when the configuration is read again.
///
/// # Errors
///
/// A task ended unexpectedly: a sidecar of which a part has failed must not look alive.
pub async fn run(
    config: Config,
    listener: Option<TcpListener>,
    mut reloads: impl ReloadSource,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let context = config.context.clone();
    let status = SidecarStatus::new(context.clock());
    let server = match listener {
        Some(listener) => Some(
            StatusServer::serve(listener, config.listen, &status)
                .map_err(|error| Failure::new(format!("cannot serve the status: {error}")))?,
        ),
        None => None,
    };
    let mut supervisor = Supervisor {
        status,
        context,
        runners: Vec::new(),
        server,
    };
    supervisor.apply(config.watches).await;
    let status = Arc::clone(&supervisor.status);
    let mut shutdown = std::pin::pin!(shutdown);
    let watchdog = systemd::watchdog();
    let (mut was_ready, mut sent_line) = (false, String::new());
    loop {
        let keepalive = async {
            match watchdog {
                Some(period) => status.clock().sleep(period).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut shutdown => break,
            () = reloads.requested() => {
                if was_ready {
                    systemd::reloading();
                }
                supervisor.reload_trust();
                match reloads.read().await {
                    Ok(checked) => supervisor.reload(checked).await,
                    Err(problems) => supervisor.reject(problems.iter().map(one_line).collect()),
                }
                if was_ready {
                    systemd::ready();
                }
            }
            () = status.changed() => {}
            failure = supervisor.task_ended() => return Err(failure.with_hint("this is a bug of this program; the service manager restarts it")),
            () = keepalive => {}
        }
        // At each turn: it shows that the loop runs, whatever woke it up.
        if watchdog.is_some() {
            systemd::keepalive();
        }
        if !was_ready && status.is_ready() {
            was_ready = true;
            tracing::info!("ready");
            systemd::ready();
        }
        let line = status.line();
        if line != sent_line {
            systemd::status(&line);
            sent_line = line;
        }
    }
    systemd::stopping();
    tracing::info!("stopping");
    Ok(())
}

/// The running watches and the status server.
struct Supervisor {
    status: Arc<SidecarStatus>,
    context: Context,
    runners: Vec<WatchRunner>,
    server: Option<StatusServer>,
}

impl Supervisor {
    /// Replaces the configuration.
    async fn replace(&mut self, config: Config) -> Result<(), Failure> {
        // The step that can fail comes first, so that a failure changes nothing.
        StatusServer::change(&mut self.server, config.listen, &self.status).await?;
        self.context = config.context;
        self.apply(config.watches).await;
        Ok(())
    }

    /// Replaces the watches. Unchanged ones go on and poll now.
    async fn apply(&mut self, watches: Vec<WatchConfig>) {
        let mut before = std::mem::take(&mut self.runners);
        let mut reloads = Vec::new();
        for watch in watches {
            match before
                .iter()
                .position(|runner| runner.config.is_equivalent(&watch))
            {
                Some(index) => reloads.push(Reload::Keep(before.remove(index))),
                None => reloads.push(Reload::Start(watch)),
            }
        }
        // The old ones stop before the new ones start: both may write the same file.
        for runner in before {
            runner.stop().await;
        }
        for reload in reloads {
            self.runners.push(match reload {
                Reload::Keep(runner) => {
                    runner.poll_now();
                    runner
                }
                Reload::Start(watch) => {
                    create_state_directory(&watch.last_good);
                    WatchRunner::start(watch, &self.context, &self.status)
                }
            });
        }
        self.status.set_watches(
            self.runners
                .iter()
                .map(|runner| Arc::clone(&runner.status))
                .collect(),
        );
    }

    /// Waits until a task ends unexpectedly.
    async fn task_ended(&mut self) -> Failure {
        let mut tasks: Vec<BoxFuture<'_, Failure>> = self
            .runners
            .iter_mut()
            .map(|runner| runner.task_ended().boxed())
            .collect();
        tasks.extend(self.server.as_mut().map(|server| server.ended().boxed()));
        futures::future::select_all(tasks).await.0
    }

    /// Makes later connections, to the cloud and to agents, use the certificate authorities that
    /// are installed now.
    fn reload_trust(&self) {
        self.context.http().reload_trust();
        for agent in self.runners.iter().flat_map(|runner| &runner.config.agents) {
            agent.client.reload_trust();
        }
    }

    async fn reload(&mut self, checked: CheckedConfig) {
        for warning in &checked.warnings {
            tracing::warn!("{warning}");
        }
        match self.replace(checked.config).await {
            Ok(()) => {
                tracing::info!("the configuration was read again");
                self.status.note_reload(Vec::new());
            }
            Err(failure) => self.reject(vec![failure.to_string()]),
        }
    }

    fn reject(&mut self, problems: Vec<String>) {
        for problem in &problems {
            tracing::error!(
                "the new configuration is invalid, the old one stays in use: {problem}"
            );
        }
        self.status.note_reload(problems);
        self.runners.iter().for_each(WatchRunner::poll_now);
    }
}

/// What a reload does with a watch.
#[expect(clippy::large_enum_variant, reason = "few and short-lived")]
enum Reload {
    Keep(WatchRunner),
    Start(WatchConfig),
}

/// Creates the directory of the last good result.
fn create_state_directory(last_good: &Option<std::path::PathBuf>) {
    if let Some(directory) = last_good.as_deref().and_then(std::path::Path::parent)
        && let Err(error) = std::fs::create_dir_all(directory)
    {
        tracing::warn!(
            "cannot make {}: {error}; the last good result is not kept over restarts",
            directory.display()
        );
    }
}

/// A problem with its hint, on one line.
pub(crate) fn one_line(problem: &ConfigProblem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} (hint: {hint})", problem.message),
        None => problem.message.clone(),
    }
}

#[cfg(test)]
mod tests;
