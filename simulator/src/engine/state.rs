//! The state that all endpoints share: the service, faults, latency, the record, and tasks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::clock::Clock;
use super::fault::Faults;
use super::record::Record;
use super::service::Service;
use super::tls::Authority;

/// The shared state of a simulator.
pub(crate) struct State<S: Service> {
    pub(crate) clock: Clock,
    pub(crate) service: Arc<S>,
    pub(crate) faults: Faults<S::Endpoint, S::Operation>,
    pub(crate) latency: Mutex<Latency<S::Operation>>,
    pub(crate) record: Record<S::Endpoint, S::Operation>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) connections: AtomicU64,
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

impl<S: Service> std::fmt::Debug for State<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("State").finish_non_exhaustive()
    }
}

/// The latency of replies.
#[derive(Debug)]
pub(crate) struct Latency<O> {
    pub(crate) every: Duration,
    pub(crate) by_operation: HashMap<O, Duration>,
}

impl<S: Service> State<S> {
    /// The latency of a reply to `operation`.
    pub(crate) fn latency(&self, operation: &S::Operation) -> Duration {
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency
            .by_operation
            .get(operation)
            .copied()
            .unwrap_or(latency.every)
    }

    /// The number of a new connection, from 1.
    pub(crate) fn number_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Runs `task` until it ends or the simulator does; a panic in it is recorded.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(task);
        self.reap(&mut tasks);
    }

    /// Records panics of ended tasks.
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

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
