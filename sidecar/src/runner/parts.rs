//! The tasks that apply the results: one for each file, agent and action. One that failed is
//! retried sooner than the next poll.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin::http::Backoff;
use cloud_autojoin::{Address, Clock};
use tokio::sync::watch::{Receiver, Sender};

use super::snapshot::AddressSnapshot;
use crate::agent::{AgentSession, JoinOutcome, Peers, TcpDialer};
use crate::failure::Failure;
use crate::join_order::JoinOrder;
use crate::on_change::{AddressChange, OnChange};
use crate::output::{ExternalEdits, Output, View, Written};
use crate::status::{FailureNotice, PartStatus, PartType, SidecarStatus};

/// The longest delay before another look at an agent that isn't up: one that starts late is joined
/// within seconds.
const ABSENT_AGENT: Duration = Duration::from_secs(2);

/// How long an on-change action waits for the files of the change.
const FILES_TIMEOUT: Duration = Duration::from_secs(10);

/// What the tasks of a watch share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) provider: &'static str,
    pub(super) subject: Arc<str>,
    pub(super) interval: Duration,
    pub(super) clock: Clock,
    pub(super) sidecar: Arc<SidecarStatus>,
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
    pub(super) fn record(
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

pub(super) async fn run_file(
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

pub(super) async fn run_agent(
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

pub(super) async fn run_action(
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
