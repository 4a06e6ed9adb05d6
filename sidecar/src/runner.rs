//! Runs one watch: a task polls, and one task for each file, agent and action applies the results,
//! so that none blocks another.
//!
//! They share an [`AddressSnapshot`]. A part that failed is retried sooner than the next poll.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::cache::Cache;
use cloud_autojoin::http::Backoff;
use cloud_autojoin::watch::{AddressSource, Change, Event, InUse};
use cloud_autojoin::{Address, Clock, Context, Watch};
use tokio::sync::Notify;
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::agent::{AgentSession, JoinOutcome, Peers, TcpDialer};
use super::config::WatchConfig;
use super::event_log::EventLogger;
use super::failure::Failure;
use super::join_order::JoinOrder;
use super::on_change::{AddressChange, OnChange};
use super::output::{ExternalEdits, Output, View, Written};
use super::status::{FailureNotice, PartStatus, PartType, SidecarStatus, WatchStatus};

/// The longest delay before another look at an agent that isn't up: one that starts late is joined
/// within seconds.
const ABSENT_AGENT: Duration = Duration::from_secs(2);

/// How long an on-change action waits for the files of the change.
const FILES_TIMEOUT: Duration = Duration::from_secs(10);

/// The addresses to use now.
#[derive(Debug)]
pub(crate) struct AddressSnapshot {
    /// Counts the changes.
    generation: u64,
    /// All of them.
    addresses: Arc<[Address]>,
    /// Those in the newest result.
    current: Arc<[Address]>,
    /// Those that only a guard keeps in use.
    retained: Arc<[Address]>,
    /// Those before the first change of this run, which actions compare with.
    before: Arc<[Address]>,
    /// Whether the cloud confirmed them in this run.
    fresh: bool,
}

impl AddressSnapshot {
    /// The snapshot after a change.
    pub(crate) fn of(change: &Change, earlier: Option<&Self>) -> Self {
        let before = earlier.map_or_else(
            || {
                let mut before: Vec<Address> = change
                    .addresses
                    .iter()
                    .filter(|address| !change.joined.contains(address))
                    .chain(&change.left)
                    .cloned()
                    .collect();
                before.sort();
                before.into()
            },
            |earlier| Arc::clone(&earlier.before),
        );
        Self {
            generation: earlier.map_or(0, |earlier| earlier.generation) + 1,
            addresses: Arc::clone(&change.addresses),
            current: Arc::clone(&change.current),
            retained: Arc::clone(&change.retained),
            before,
            fresh: change.source == AddressSource::Fresh,
        }
    }
}

impl AddressSnapshot {
    /// The snapshot after a result that doesn't change the addresses, if it differs: in which of
    /// them are current, or in that they are fresh.
    fn confirmed(&self, in_use: &InUse, is_confirmed: bool) -> Option<Self> {
        let fresh = self.fresh || is_confirmed;
        let is_same = fresh == self.fresh
            && self.current == in_use.current
            && self.retained == in_use.retained;
        (!is_same).then(|| Self {
            generation: self.generation,
            addresses: Arc::clone(&self.addresses),
            current: Arc::clone(&in_use.current),
            retained: Arc::clone(&in_use.retained),
            before: Arc::clone(&self.before),
            fresh,
        })
    }
}

/// What the tasks of a watch share.
#[derive(Clone)]
pub(crate) struct Shared {
    name: Arc<str>,
    provider: &'static str,
    subject: Arc<str>,
    interval: Duration,
    clock: Clock,
    sidecar: Arc<SidecarStatus>,
}

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

/// Waits for a new snapshot or for `pause`. False if the watch has ended.
async fn wait(
    snapshot: &mut Receiver<Option<Arc<AddressSnapshot>>>,
    pause: Option<Duration>,
    clock: &Clock,
) -> bool {
    let timer = async {
        match pause {
            Some(pause) => clock.sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        changed = snapshot.changed() => changed.is_ok(),
        () = timer => true,
    }
}

impl Shared {
    /// Records and logs the outcome of a part. Returns the delay until it is checked again.
    fn record(
        &self,
        part: &PartStatus,
        outcome: Result<(bool, String), Failure>,
        failures: &mut u32,
    ) -> Duration {
        let pause = match outcome {
            Ok((done, note)) => {
                *failures = 0;
                if part.note_success(done, note.as_str()) || done {
                    tracing::info!(
                        watch = &*self.name,
                        part = part.kind,
                        target = part.target,
                        outcome = note,
                        "kept up to date"
                    );
                }
                self.interval
            }
            Err(failure) => {
                let (watch, part_kind, hint) = (&*self.name, part.kind, failure.hint());
                let notice = match part.note_failure(&failure) {
                    // A file or agent fails in the same way at each check; each run of a command is
                    // new.
                    FailureNotice::Debug if part.part_type == PartType::OnChange => {
                        FailureNotice::Warn
                    }
                    notice => notice,
                };
                match notice {
                    FailureNotice::Warn => {
                        tracing::warn!(watch, part = part_kind, hint, "{failure}")
                    }
                    FailureNotice::Info => {
                        tracing::info!(watch, part = part_kind, "not yet: {failure}")
                    }
                    FailureNotice::Debug => {
                        tracing::debug!(watch, part = part_kind, "still: {failure}")
                    }
                }
                *failures = failures.saturating_add(1);
                let first = self.interval.min(Duration::from_secs(1));
                let longest = if failure.is_absence() {
                    self.interval.min(ABSENT_AGENT)
                } else {
                    self.interval
                };
                // Never at once: half of the delay is fixed.
                let backoff = Backoff::new(first, longest);
                let retry = *failures - 1;
                backoff.bound(retry) / 2 + backoff.wait(retry) / 2
            }
        };
        self.sidecar.notify();
        pause
    }
}

async fn run_file(
    output: Arc<Output>,
    part: Arc<PartStatus>,
    mut snapshot: Receiver<Option<Arc<AddressSnapshot>>>,
    done: Sender<u64>,
    shared: Shared,
) {
    let (mut failures, mut edits) = (0, ExternalEdits::default());
    let mut order = JoinOrder::new(Arc::new(TcpDialer), &shared.clock);
    let swept = Arc::clone(&output);
    // If this fails, a temporary file remains that nothing reads.
    let _ = tokio::task::spawn_blocking(move || swept.sweep()).await;
    loop {
        let current = snapshot.borrow_and_update().clone();
        let pause = match current {
            None => None,
            Some(current) => {
                let generation = current.generation;
                let addresses = order
                    .arrange(&output, &current.current, &current.retained)
                    .await;
                let outcome = write(&output, addresses, &shared).await;
                let is_good = outcome.is_ok();
                if let Ok(written) = &outcome
                    && edits.note(
                        [Arc::clone(&current.current), Arc::clone(&current.retained)],
                        *written,
                    )
                {
                    let (watch, path) = (&*shared.name, output.path.display());
                    tracing::warn!(watch, %path, "someone else changed or removed this file; it is restored: let one program write it");
                }
                let outcome = outcome.map(|written| match written {
                    Written::Replaced => (
                        true,
                        format!("written, {} addresses", current.addresses.len()),
                    ),
                    Written::Unchanged => (false, "up to date".to_owned()),
                });
                let pause = shared.record(&part, outcome, &mut failures);
                if is_good {
                    done.send_replace(generation);
                }
                Some(pause)
            }
        };
        if !wait(&mut snapshot, pause, &shared.clock).await {
            return;
        }
    }
}

/// Updates a file, on a thread that may block.
async fn write(
    output: &Arc<Output>,
    addresses: Vec<Address>,
    shared: &Shared,
) -> Result<Written, Failure> {
    let output = Arc::clone(output);
    let Shared {
        name,
        provider,
        subject,
        ..
    } = shared.clone();
    let task = tokio::task::spawn_blocking(move || {
        output.write(&View {
            watch: &name,
            provider,
            subject: &subject,
            addresses: &addresses,
        })
    });
    match task.await {
        Ok(written) => written,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Failure::new("the writer ended before its work was done")),
    }
}

async fn run_agent(
    mut session: AgentSession,
    part: Arc<PartStatus>,
    mut snapshot: Receiver<Option<Arc<AddressSnapshot>>>,
    shared: Shared,
) {
    let mut failures = 0;
    loop {
        let current = snapshot.borrow_and_update().clone();
        let pause = match current {
            None => None,
            Some(current) => {
                let peers = Peers {
                    current: &current.current,
                    retained: &current.retained,
                    fresh: current.fresh,
                };
                let outcome = session
                    .update(peers, &|| snapshot.has_changed().unwrap_or(true))
                    .await
                    .map(|outcome| match outcome {
                        JoinOutcome::UpToDate => (false, "knows its peers".to_owned()),
                        JoinOutcome::Waiting => (false, "waits for a fresh result".to_owned()),
                        JoinOutcome::Busy => (
                            false,
                            "waits until the agent has finished a join".to_owned(),
                        ),
                        JoinOutcome::Joined(peers) => (true, format!("joined {}", peers.join(" "))),
                    });
                Some(shared.record(&part, outcome, &mut failures))
            }
        };
        if !wait(&mut snapshot, pause, &shared.clock).await {
            return;
        }
    }
}

async fn run_action(
    action: OnChange,
    part: Arc<PartStatus>,
    mut snapshot: Receiver<Option<Arc<AddressSnapshot>>>,
    mut files: Vec<Receiver<u64>>,
    shared: Shared,
) {
    // The addresses of the last run.
    let mut known: Option<Arc<[Address]>> = None;
    loop {
        let current = snapshot.borrow_and_update().clone();
        if let Some(current) = current {
            let before = known
                .get_or_insert_with(|| Arc::clone(&current.before))
                .clone();
            if *before != *current.addresses {
                // Another change restarts the debounce.
                tokio::select! {
                    changed = snapshot.changed() => if changed.is_ok() { continue } else { return },
                    () = shared.clock.sleep(action.debounce) => {}
                }
                let in_time = tokio::select! {
                    () = written(&mut files, current.generation) => true,
                    () = shared.clock.sleep(FILES_TIMEOUT) => false,
                };
                run(&action, &part, &before, &current, &shared).await;
                known = Some(Arc::clone(&current.addresses));
                if !in_time {
                    // Readers of the files haven't seen the change yet: the action runs again when
                    // the files are written.
                    tokio::select! {
                        changed = snapshot.changed() => if changed.is_ok() { continue } else { return },
                        () = written(&mut files, current.generation) => run(&action, &part, &before, &current, &shared).await,
                    }
                }
            }
        }
        if !wait(&mut snapshot, None, &shared.clock).await {
            return;
        }
    }
}

/// Waits until the files of a change are written.
async fn written(files: &mut [Receiver<u64>], generation: u64) {
    for file in files {
        if file.wait_for(|done| *done >= generation).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn run(
    action: &OnChange,
    part: &PartStatus,
    before: &[Address],
    snapshot: &AddressSnapshot,
    shared: &Shared,
) {
    let joined: Vec<Address> = snapshot
        .addresses
        .iter()
        .filter(|address| !before.contains(address))
        .cloned()
        .collect();
    let left: Vec<Address> = before
        .iter()
        .filter(|address| !snapshot.addresses.contains(address))
        .cloned()
        .collect();
    let changed = AddressChange {
        watch: &shared.name,
        addresses: &snapshot.addresses,
        joined: &joined,
        left: &left,
    };
    let outcome = action.run(changed, &shared.clock).await.map(|()| {
        (
            true,
            format!("run, {} joined, {} left", joined.len(), left.len()),
        )
    });
    shared.record(part, outcome, &mut 0);
}

#[cfg(test)]
mod tests;
