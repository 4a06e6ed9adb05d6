//! What all doors share: the world, tokens, faults, latency, the record, and the tasks that serve.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::tls::Authority;
use crate::clouds::azure::token::Tokens;
use crate::clouds::azure::world::World;
use crate::engine::clock::Clock;
use crate::engine::fault::Faults;
use crate::engine::message::Operation;
use crate::engine::record::Record;

/// The inside of a simulator.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) world: RwLock<World>,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    pub(crate) latency: Mutex<Latency>,
    pub(crate) record: Record,
    pub(crate) authority: Arc<Authority>,
    pub(crate) acceptor: TlsAcceptor,
    /// Where the Azure Arc endpoint puts its key files.
    pub(crate) arc_keys: PathBuf,
    /// Keys of challenges that nobody answered yet.
    pub(crate) arc_challenges: Mutex<Vec<String>>,
    /// What App Service wants in `X-IDENTITY-HEADER`.
    pub(crate) identity_header: String,
    pub(crate) connections: AtomicU64,
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("State").finish_non_exhaustive()
    }
}

/// How long answers take.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) every: Duration,
    pub(crate) by_operation: HashMap<Operation, Duration>,
}

impl State {
    /// How long an answer to `operation` takes.
    pub(crate) fn latency(&self, operation: Operation) -> Duration {
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency.by_operation.get(&operation).copied().unwrap_or(latency.every)
    }

    /// The number of a new connection, from 1.
    pub(crate) fn number_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Runs `task` until it ends or the simulator does; a panic in it is put on record.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(task);
        self.reap(&mut tasks);
    }

    /// Puts panics of tasks that have ended on record.
    pub(crate) fn reap_tasks(&self) {
        self.reap(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn reap(&self, tasks: &mut JoinSet<()>) {
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                self.record.panicked(panic_text(&*error.into_panic()));
            }
        }
    }
}

/// The words of a panic.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic without words".to_owned())
}
