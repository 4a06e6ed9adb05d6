//! Runs one watch: a task polls, and one task for each file, agent and action applies the results,
//! so that none blocks another.
//!
//! They share an [`AddressSnapshot`].

use std::sync::Arc;

use cloud_autojoin::cache::Cache;
use cloud_autojoin::watch::Event;
use cloud_autojoin::{Context, Watch};
use tokio::sync::Notify;
use tokio::sync::watch::{self, Sender};
use tokio::task::JoinSet;

use self::parts::{Shared, run_action, run_agent, run_file};
use self::snapshot::AddressSnapshot;
use super::agent::{AgentSession, TcpDialer};
use super::config::WatchConfig;
use super::event_log::EventLogger;
use super::failure::Failure;
use super::status::{PartStatus, PartType, SidecarStatus, WatchStatus};

mod parts;
mod snapshot;

/// A running watch; dropping it ends the watch.
pub(crate) struct WatchRunner {
    /// Its configuration.
    pub(crate) config: Arc<WatchConfig>,
    /// Its status.
    pub(crate) status: Arc<WatchStatus>,
    tasks: JoinSet<()>,
    /// Wakes the task that polls.
    poll_now: Arc<Notify>,
}

/// Builds the watch of the library from its configuration.
pub(crate) fn watch_of(config: &WatchConfig, context: &Context) -> Watch {
    let mut builder = Watch::builder(Arc::clone(&config.provider), context)
        .interval(config.interval)
        .splay(config.splay)
        .timeout(config.timeout)
        .guards(config.guards)
        .identity(&config.identity)
        .last_good_max_age(config.restore_max_age);
    if let Some(file) = &config.last_good {
        builder = builder.last_good(file);
    }
    if let Some((directory, query)) = &config.cache {
        match Cache::open(directory) {
            Ok(cache) => builder = builder.cache(cache.entry(query)),
            Err(error) => tracing::warn!(
                watch = config.name,
                hint = error.hint(),
                "no result is kept in the cache: {error}"
            ),
        }
    }
    builder.build()
}

impl WatchRunner {
    /// Starts the tasks.
    pub(crate) fn start(
        config: WatchConfig,
        context: &Context,
        sidecar: &Arc<SidecarStatus>,
    ) -> Self {
        let watch = watch_of(&config, context);
        let clock = context.clock();
        let shared = Shared {
            name: config.name.as_str().into(),
            provider: config.provider.name(),
            subject: config.provider.subject().into(),
            interval: config.interval,
            clock: clock.clone(),
            sidecar: Arc::clone(sidecar),
        };
        let (sender, snapshot) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let (mut parts, mut files) = (Vec::new(), Vec::new());
        for output in config.outputs.iter().cloned() {
            let part = PartStatus::new(
                PartType::File,
                output.kind.name(),
                output.path.display().to_string(),
                clock,
            );
            let (done, seen) = watch::channel(0);
            parts.push(Arc::clone(&part));
            files.push(seen);
            tasks.spawn(run_file(
                Arc::new(output),
                part,
                snapshot.clone(),
                done,
                shared.clone(),
            ));
        }
        for agent in config.agents.iter().cloned() {
            let part = PartStatus::new(
                PartType::Agent,
                agent.kind.name(),
                agent.client.shown(),
                clock,
            );
            parts.push(Arc::clone(&part));
            let session = AgentSession::new(agent, Arc::new(TcpDialer), clock);
            tasks.spawn(run_agent(session, part, snapshot.clone(), shared.clone()));
        }
        for action in config.on_change.iter().cloned() {
            let part = PartStatus::new(PartType::OnChange, "on_change", action.shown(), clock);
            parts.push(Arc::clone(&part));
            tasks.spawn(run_action(
                action,
                part,
                snapshot.clone(),
                files.clone(),
                shared.clone(),
            ));
        }
        let status = Arc::new(WatchStatus {
            name: config.name.clone(),
            identity: config.identity.clone(),
            polls: watch.status(),
            parts,
        });
        let poll_now = Arc::new(Notify::new());
        tasks.spawn(run_polls(watch, sender, shared, Arc::clone(&poll_now)));
        Self {
            config: Arc::new(config),
            status,
            tasks,
            poll_now,
        }
    }

    /// Polls as soon as the budget allows, as [`Watch::refresh_soon`] does.
    pub(crate) fn poll_now(&self) {
        self.poll_now.notify_one();
    }

    /// Waits until a task ends unexpectedly, by a panic or a bug.
    pub(crate) async fn task_ended(&mut self) -> Failure {
        let why = match self.tasks.join_next().await {
            Some(Err(error)) => format!(": {error}"),
            Some(Ok(())) | None => String::new(),
        };
        Failure::new(format!(
            "a task of watch `{}` ended unexpectedly{why}",
            self.config.name
        ))
    }

    /// Stops the tasks and waits for them.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn run_polls(
    mut watch: Watch,
    sender: Sender<Option<Arc<AddressSnapshot>>>,
    shared: Shared,
    poll_now: Arc<Notify>,
) {
    let mut logger = EventLogger::new(Arc::clone(&shared.name));
    loop {
        // `next` is cancel-safe.
        let event = tokio::select! {
            event = watch.next() => event,
            () = poll_now.notified() => {
                watch.refresh_soon();
                continue;
            }
        };
        logger.log(&event);
        match event {
            Event::Changed(change) => {
                sender.send_modify(|snapshot| {
                    *snapshot = Some(Arc::new(AddressSnapshot::of(&change, snapshot.as_deref())))
                });
            }
            Event::Unchanged(_) | Event::Held(_) => {
                let is_confirmed = matches!(event, Event::Unchanged(_));
                if let Some(in_use) = watch.in_use() {
                    sender.send_if_modified(|snapshot| match snapshot {
                        Some(snapshot) => match snapshot.confirmed(&in_use, is_confirmed) {
                            Some(newer) => {
                                *snapshot = Arc::new(newer);
                                true
                            }
                            None => false,
                        },
                        None => false,
                    });
                }
            }
            _ => {}
        }
        shared.sidecar.notify();
    }
}

#[cfg(test)]
mod tests;
