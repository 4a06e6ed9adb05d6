//! One watch at work: a task asks, and one task for each file, agent and action acts on the answers, so that none waits for another.
//!
//! They share the [`Scene`]: what is to be used now. A part that failed tries again by itself, sooner than the next answer comes.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::http::Backoff;
use cloud_autojoin::watch::{Change, Event, InUse, Source};
use cloud_autojoin::{Address, Clock, Context, Watch};
use tokio::sync::Notify;
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::agent::{Agent, AgentSession, JoinOutcome, Peers, TcpDialer};
use super::board::{Board, FailureNotice, PartBoard, PartSort, WatchBoard};
use super::config::WatchConfig;
use super::failure::Failure;
use super::log::Teller;
use super::on_change::{Changed, OnChange};
use super::output::{ForeignEdits, Output, View, Written};

/// How long an on-change action waits for the files that belong to the change.
const FILES_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be used now.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Counts the changes.
    generation: u64,
    /// The addresses.
    addresses: Arc<[Address]>,
    /// Those of the newest answer.
    current: Arc<[Address]>,
    /// Those that only a guard keeps in use.
    retained: Arc<[Address]>,
    /// Those of before the first change of this run: what actions compare with.
    before: Arc<[Address]>,
    /// Whether the cloud said so in this run.
    fresh: bool,
}

impl Scene {
    /// The scene that a change makes.
    pub(crate) fn of(change: &Change, earlier: Option<&Self>) -> Self {
        let before = earlier.map_or_else(
            || {
                let mut before: Vec<Address> =
                    change.addresses.iter().filter(|address| !change.joined.contains(address)).chain(&change.left).cloned().collect();
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
            fresh: change.source == Source::Fresh,
        }
    }
}

impl Scene {
    /// The scene after an answer that changes no addresses, if it says something new: which of them
    /// the newest answer has, or that they are fresh.
    fn confirmed(&self, in_use: &InUse, is_confirmed: bool) -> Option<Self> {
        let fresh = self.fresh || is_confirmed;
        let is_same = fresh == self.fresh && self.current == in_use.current && self.retained == in_use.retained;
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

/// What every task of a watch has of it.
#[derive(Clone)]
pub(crate) struct Shared {
    name: Arc<str>,
    provider: &'static str,
    subject: Arc<str>,
    interval: Duration,
    clock: Clock,
    board: Arc<Board>,
}

/// A watch at work; it ends when this is dropped.
pub(crate) struct Keeper {
    /// What it was started with.
    pub(crate) config: Arc<WatchConfig>,
    /// How it stands.
    pub(crate) board: Arc<WatchBoard>,
    tasks: JoinSet<()>,
    /// Wakes the task that asks.
    poll_now: Arc<Notify>,
}

/// A watch of the library, as the configuration says.
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
    builder.build()
}

impl Keeper {
    /// Starts to work.
    pub(crate) fn start(config: WatchConfig, context: &Context, board: &Arc<Board>) -> Self {
        let watch = watch_of(&config, context);
        let clock = context.clock();
        let status = watch.status();
        let shared = Shared {
            name: config.name.as_str().into(),
            provider: config.provider.name(),
            subject: config.provider.subject().into(),
            interval: config.interval,
            clock: clock.clone(),
            board: Arc::clone(board),
        };
        let (sender, scene) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let (mut parts, mut files) = (Vec::new(), Vec::new());
        for output in config.outputs.iter().cloned() {
            let part = PartBoard::new(PartSort::File, output.kind.name(), output.path.display().to_string(), clock);
            let (done, seen) = watch::channel(0);
            parts.push(Arc::clone(&part));
            files.push(seen);
            tasks.spawn(keep_file(Arc::new(output), part, scene.clone(), done, shared.clone()));
        }
        for agent in config.agents.iter().cloned() {
            let part = PartBoard::new(PartSort::Agent, agent.kind.name(), agent.door.shown(), clock);
            parts.push(Arc::clone(&part));
            tasks.spawn(keep_agent(agent, part, scene.clone(), shared.clone()));
        }
        for action in config.on_change.iter().cloned() {
            let part = PartBoard::new(PartSort::OnChange, "on_change", action.shown(), clock);
            parts.push(Arc::clone(&part));
            tasks.spawn(keep_action(action, part, scene.clone(), files.clone(), shared.clone()));
        }
        let board = Arc::new(WatchBoard { name: config.name.clone(), identity: config.identity.clone(), status, parts });
        let poll_now = Arc::new(Notify::new());
        tasks.spawn(ask(watch, sender, shared, Arc::clone(&poll_now)));
        Self { config: Arc::new(config), board, tasks, poll_now }
    }

    /// Asks the cloud now and not at the regular time, as [`Watch::hurry`] does.
    pub(crate) fn poll_now(&self) {
        self.poll_now.notify_one();
    }

    /// Waits until a task ends by itself, as only a panic or a mistake of this program makes one.
    pub(crate) async fn task_ended(&mut self) -> Failure {
        let why = match self.tasks.join_next().await {
            Some(Err(error)) => format!(": {error}"),
            Some(Ok(())) | None => String::new(),
        };
        Failure::new(format!("a task of watch `{}` ended unexpectedly{why}", self.config.name))
    }

    /// Ends the work, and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn ask(mut watch: Watch, sender: Sender<Option<Arc<Scene>>>, shared: Shared, poll_now: Arc<Notify>) {
    let mut teller = Teller::new(Arc::clone(&shared.name));
    loop {
        // Dropping the next event's future loses nothing.
        let event = tokio::select! {
            event = watch.next() => event,
            () = poll_now.notified() => {
                watch.hurry();
                continue;
            }
        };
        teller.tell(&event);
        match event {
            Event::Changed(change) => {
                sender.send_modify(|scene| *scene = Some(Arc::new(Scene::of(&change, scene.as_deref()))));
            }
            Event::Unchanged(_) | Event::Held(_) => {
                let is_confirmed = matches!(event, Event::Unchanged(_));
                if let Some(in_use) = watch.in_use() {
                    sender.send_if_modified(|scene| match scene {
                        Some(scene) => match scene.confirmed(&in_use, is_confirmed) {
                            Some(newer) => {
                                *scene = Arc::new(newer);
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
        shared.board.poke();
    }
}

/// Waits for a new scene or until it is time to look again. False: the watch has ended.
async fn wait(scene: &mut Receiver<Option<Arc<Scene>>>, pause: Option<Duration>, clock: &Clock) -> bool {
    let timer = async {
        match pause {
            Some(pause) => clock.sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        changed = scene.changed() => changed.is_ok(),
        () = timer => true,
    }
}

impl Shared {
    /// Notes and tells how a part fared; gives how long until it is looked at again.
    fn settle(&self, part: &PartBoard, outcome: Result<(bool, String), Failure>, failures: &mut u32) -> Duration {
        let pause = match outcome {
            Ok((done, note)) => {
                *failures = 0;
                if part.good(done, note.as_str()) || done {
                    tracing::info!(watch = &*self.name, part = part.kind, target = part.target, outcome = note, "kept up to date");
                }
                self.interval
            }
            Err(failure) => {
                let (watch, part_kind, hint) = (&*self.name, part.kind, failure.hint());
                let notice = match part.failed(&failure) {
                    // A file or agent fails the same way at each look; each run of a command is news.
                    FailureNotice::Debug if part.sort == PartSort::OnChange => FailureNotice::Warn,
                    notice => notice,
                };
                match notice {
                    FailureNotice::Warn => tracing::warn!(watch, part = part_kind, hint, "{failure}"),
                    FailureNotice::Info => tracing::info!(watch, part = part_kind, "not yet: {failure}"),
                    FailureNotice::Debug => tracing::debug!(watch, part = part_kind, "still: {failure}"),
                }
                *failures = failures.saturating_add(1);
                let first = self.interval.min(Duration::from_secs(1));
                // Never at once: half of what was drawn is certain.
                let backoff = Backoff::new(first, self.interval);
                let retry = *failures - 1;
                backoff.bound(retry) / 2 + backoff.wait(retry) / 2
            }
        };
        self.board.poke();
        pause
    }
}

async fn keep_file(output: Arc<Output>, part: Arc<PartBoard>, mut scene: Receiver<Option<Arc<Scene>>>, done: Sender<u64>, shared: Shared) {
    let (mut failures, mut edits) = (0, ForeignEdits::default());
    let swept = Arc::clone(&output);
    // A failure to sweep leaves a file behind that nothing reads.
    let _ = tokio::task::spawn_blocking(move || swept.sweep()).await;
    loop {
        let current = scene.borrow_and_update().clone();
        let pause = match current {
            None => None,
            Some(current) => {
                let generation = current.generation;
                let outcome = write(&output, &current, &shared).await;
                let is_good = outcome.is_ok();
                if let Ok(written) = &outcome
                    && edits.note([Arc::clone(&current.current), Arc::clone(&current.retained)], *written)
                {
                    let (watch, path) = (&*shared.name, output.path.display());
                    tracing::warn!(watch, %path, "someone else changed or removed this file; it is restored: let one program write it");
                }
                let outcome = outcome.map(|written| match written {
                    Written::Replaced => (true, format!("written, {} addresses", current.addresses.len())),
                    Written::Unchanged => (false, "up to date".to_owned()),
                });
                let pause = shared.settle(&part, outcome, &mut failures);
                if is_good {
                    done.send_replace(generation);
                }
                Some(pause)
            }
        };
        if !wait(&mut scene, pause, &shared.clock).await {
            return;
        }
    }
}

/// The order of files: agents try the addresses of their join list one after the other, and those that
/// only a guard keeps in use may be dead.
pub(crate) fn newest_first(current: &[Address], retained: &[Address]) -> Vec<Address> {
    [current, retained].concat()
}

/// Brings a file up to date, on a thread that may wait for the disk.
async fn write(output: &Arc<Output>, scene: &Scene, shared: &Shared) -> Result<Written, Failure> {
    let (output, addresses) = (Arc::clone(output), newest_first(&scene.current, &scene.retained));
    let Shared { name, provider, subject, .. } = shared.clone();
    let task = tokio::task::spawn_blocking(move || output.write(&View { watch: &name, provider, subject: &subject, addresses: &addresses }));
    match task.await {
        Ok(written) => written,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Failure::new("the writer ended before its work was done")),
    }
}

async fn keep_agent(agent: Agent, part: Arc<PartBoard>, mut scene: Receiver<Option<Arc<Scene>>>, shared: Shared) {
    let mut session = AgentSession::new(agent, Arc::new(TcpDialer), &shared.clock);
    let mut failures = 0;
    loop {
        let current = scene.borrow_and_update().clone();
        let pause = match current {
            None => None,
            Some(current) => {
                let peers = Peers { current: &current.current, retained: &current.retained, fresh: current.fresh };
                let outcome = session.update(peers, &|| scene.has_changed().unwrap_or(true)).await.map(|outcome| match outcome {
                    JoinOutcome::UpToDate => (false, "knows its peers".to_owned()),
                    JoinOutcome::Waiting => (false, "waits for a fresh answer".to_owned()),
                    JoinOutcome::Busy => (false, "waits until the agent has finished a join".to_owned()),
                    JoinOutcome::Joined(peers) => (true, format!("joined {}", peers.join(" "))),
                });
                Some(shared.settle(&part, outcome, &mut failures))
            }
        };
        if !wait(&mut scene, pause, &shared.clock).await {
            return;
        }
    }
}

async fn keep_action(action: OnChange, part: Arc<PartBoard>, mut scene: Receiver<Option<Arc<Scene>>>, mut files: Vec<Receiver<u64>>, shared: Shared) {
    // What the action was last run for.
    let mut known: Option<Arc<[Address]>> = None;
    loop {
        let current = scene.borrow_and_update().clone();
        if let Some(current) = current {
            let before = known.get_or_insert_with(|| Arc::clone(&current.before)).clone();
            if *before != *current.addresses {
                // Waits until the addresses keep still; another change begins anew.
                tokio::select! {
                    changed = scene.changed() => if changed.is_ok() { continue } else { return },
                    () = shared.clock.sleep(action.debounce) => {}
                }
                let in_time = tokio::select! {
                    () = written(&mut files, current.generation) => true,
                    () = shared.clock.sleep(FILES_TIMEOUT) => false,
                };
                run(&action, &part, &before, &current, &shared).await;
                known = Some(Arc::clone(&current.addresses));
                if !in_time {
                    // Those who read the files have not seen the change; they are told once more when it is there.
                    tokio::select! {
                        changed = scene.changed() => if changed.is_ok() { continue } else { return },
                        () = written(&mut files, current.generation) => run(&action, &part, &before, &current, &shared).await,
                    }
                }
            }
        }
        if !wait(&mut scene, None, &shared.clock).await {
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

async fn run(action: &OnChange, part: &PartBoard, before: &[Address], scene: &Scene, shared: &Shared) {
    let joined: Vec<Address> = scene.addresses.iter().filter(|address| !before.contains(address)).cloned().collect();
    let left: Vec<Address> = before.iter().filter(|address| !scene.addresses.contains(address)).cloned().collect();
    let changed = Changed { watch: &shared.name, addresses: &scene.addresses, joined: &joined, left: &left };
    let outcome = action.run(changed, &shared.clock).await.map(|()| (true, format!("run, {} joined, {} left", joined.len(), left.len())));
    shared.settle(part, outcome, &mut 0);
}
