//! Coalesces connection attempts to one origin, and opens connections before they're needed.
//!
//! hyper's pool opens a connection for every request that finds none, and learns from the handshake
//! only that one would have served them all (HTTP/2). Here simultaneous requests to one origin wait
//! for the first connection. Over HTTP/2 it serves all of them; over HTTP/1.1 each of the others
//! then opens its own.
//!
//! A connection can also be opened ahead of its first request, so that its handshakes run while a
//! token is fetched. hyper opens connections for requests only, so a request is made up whose
//! connector keeps the connection and fails: nothing is ever sent on it.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::Connection;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// How long a preconnected connection is usable. Servers close idle connections.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// How long a request waits for a connection in the pool. It arrives at once unless it breaks.
const ARRIVAL: Duration = Duration::from_millis(250);

tokio::task_local! {
    /// The state during preconnection, taken by the connector.
    static PRECONNECT: Mutex<Option<OwnedMutexGuard<ConnectState>>>;
}

/// The connection attempts to one origin. Clones share them. A layer must serve one origin only: a
/// preconnected connection is used by the first request.
#[derive(Clone, Default)]
pub(super) struct ConnectionCoalescer {
    /// Held during a connection attempt.
    state: Arc<AsyncMutex<ConnectState>>,
}

#[derive(Default)]
struct ConnectState {
    /// A preconnected connection and its time. Its type is private to reqwest.
    kept: Option<(Box<dyn Any + Send>, Instant)>,
    /// The protocol of the last connection that was opened for a request.
    last: Option<Protocol>,
}

#[derive(Clone, Copy)]
enum Protocol {
    /// HTTP/1.1: each request needs a connection of its own.
    Http1,
    /// HTTP/2: requests share the connection, which was passed to the pool at this time.
    Http2(Instant),
}

impl ConnectionCoalescer {
    /// Whether both coalesce the same connections.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Opens a connection by `request` without sending it. Does nothing when a connection was
    /// opened before or is being opened.
    pub(super) async fn preconnect(&self, request: impl Future) {
        let Ok(state) = Arc::clone(&self.state).try_lock_owned() else {
            return;
        };
        // After the first connection the pool may have one, and the request would be sent on it.
        // While the state is locked, no connection can reach the pool.
        if state.last.is_some() || state.kept.is_some() {
            return;
        }
        PRECONNECT.scope(Mutex::new(Some(state)), request).await;
    }
}

impl fmt::Debug for ConnectionCoalescer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionCoalescer")
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ConnectionCoalescer {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector {
            coalescer: self.clone(),
            inner,
        }
    }
}

/// A connector whose attempts are coalesced.
#[derive(Clone)]
pub(super) struct Connector<S> {
    coalescer: ConnectionCoalescer,
    inner: S,
}

/// The connection that a request waited for broke before it reached the pool. The request wasn't
/// sent; a retry opens its own connection.
#[derive(Debug)]
pub(super) struct SharedConnectionLost;

impl fmt::Display for SharedConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection that this request waited for broke")
    }
}

impl StdError for SharedConnectionLost {}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, Origin> Service<Origin> for Connector<S>
where
    S: Service<Origin, Error = BoxError> + Clone + Send + 'static,
    S::Response: Connection + Send + 'static,
    S::Future: Send,
    Origin: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, origin: Origin) -> Self::Future {
        // Use the service that is ready; a clone has to become ready again.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let coalescer = self.coalescer.clone();
        // hyper calls the connector while the request is polled, so this is the request's own task.
        let ahead = PRECONNECT
            .try_with(|state| state.lock().unwrap_or_else(PoisonError::into_inner).take())
            .ok()
            .flatten();
        Box::pin(async move {
            match ahead {
                Some(state) => preconnect_one(inner, origin, state).await,
                None => connect(inner, origin, coalescer).await,
            }
        })
    }
}

/// Connects and keeps the connection; always fails, so that the request isn't sent.
async fn preconnect_one<S, Origin>(
    mut inner: S,
    origin: Origin,
    mut state: OwnedMutexGuard<ConnectState>,
) -> Result<S::Response, BoxError>
where
    S: Service<Origin, Error = BoxError>,
    S::Response: Send + 'static,
{
    let connection = inner.call(origin).await?;
    state.kept = Some((Box::new(connection), Instant::now()));
    Err("the connection was preconnected".into())
}

async fn connect<S, Origin>(
    mut inner: S,
    origin: Origin,
    coalescer: ConnectionCoalescer,
) -> Result<S::Response, BoxError>
where
    S: Service<Origin, Error = BoxError>,
    S::Response: Connection + Send + 'static,
{
    let mut state = coalescer.state.lock().await;
    let kept = state
        .kept
        .take()
        .filter(|(_, since)| since.elapsed() < KEPT_FOR);
    let connection = match (
        kept.and_then(|(connection, _)| connection.downcast::<S::Response>().ok()),
        state.last,
    ) {
        (Some(connection), _) => *connection,
        (None, Some(Protocol::Http1)) => {
            drop(state);
            return inner.call(origin).await;
        }
        (None, Some(Protocol::Http2(since))) if since.elapsed() < ARRIVAL => {
            drop(state);
            // The pool hands the shared connection to the request and forgets this attempt.
            _ = tokio::time::timeout(ARRIVAL.saturating_sub(since.elapsed()), pending::<()>())
                .await;
            return Err(SharedConnectionLost.into());
        }
        (None, _) => inner.call(origin).await?,
    };
    state.last = Some(if connection.connected().is_negotiated_h2() {
        Protocol::Http2(Instant::now())
    } else {
        Protocol::Http1
    });
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper_util::client::legacy::connect::Connected;

    use super::*;
    use crate::http::tls_config::TlsConfig;
    use crate::http::transport::is_caused_by;

    /// A connection that claims to speak HTTP/2, or not.
    #[derive(Debug)]
    struct FakeConnection(bool);

    impl Connection for FakeConnection {
        fn connected(&self) -> Connected {
            if self.0 {
                Connected::new().negotiated_h2()
            } else {
                Connected::new()
            }
        }
    }

    /// Connects at once, and counts.
    #[derive(Clone)]
    struct Counting(bool, Arc<AtomicUsize>);

    impl Service<()> for Counting {
        type Response = FakeConnection;
        type Error = BoxError;
        type Future = Ready<Result<FakeConnection, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            self.1.fetch_add(1, Ordering::SeqCst);
            ready(Ok(FakeConnection(self.0)))
        }
    }

    fn connector(http_2: bool) -> (Connector<Counting>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        (
            ConnectionCoalescer::default().layer(Counting(http_2, Arc::clone(&count))),
            count,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_shared_connection_for_a_moment_and_then_opens_its_own() {
        let (mut connector, count) = connector(true);
        connector.call(()).await.unwrap();
        let started = Instant::now();
        // No one takes this request off the connector's hands, as the pool does once it has the
        // connection.
        let error = connector.call(()).await.unwrap_err();
        assert!(error.is::<SharedConnectionLost>(), "{error}");
        assert_eq!(
            (started.elapsed() >= ARRIVAL, count.load(Ordering::SeqCst)),
            (true, 1)
        );
        connector.call(()).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_do_not_wait_if_connections_are_not_shared() {
        let (mut connector, count) = connector(false);
        let started = Instant::now();
        for _ in 0..3 {
            connector.call(()).await.unwrap();
        }
        assert_eq!(
            (started.elapsed(), count.load(Ordering::SeqCst)),
            (Duration::ZERO, 3)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_opened_ahead_is_kept_for_a_while() {
        for (later, connections) in [(KEPT_FOR / 2, 1), (KEPT_FOR, 2)] {
            let (mut connector, count) = connector(true);
            let coalescer = connector.coalescer.clone();
            coalescer
                .preconnect(async { assert!(connector.call(()).await.is_err()) })
                .await;
            tokio::time::advance(later).await;
            connector.call(()).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), connections);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_connection_is_found_in_the_error_of_the_request() {
        let coalescer = ConnectionCoalescer::default();
        coalescer.state.lock().await.last = Some(Protocol::Http2(Instant::now()));
        let builder = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(TlsConfig::without_roots().unwrap());
        let client = builder.connector_layer(coalescer).build().unwrap();
        let error = client
            .get("https://host.invalid/")
            .send()
            .await
            .unwrap_err();
        assert!(is_caused_by::<SharedConnectionLost>(&error), "{error:?}");
    }
}
