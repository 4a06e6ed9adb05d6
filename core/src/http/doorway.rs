//! How connections come to be: one where one is enough, and before it is needed where that saves time.
//!
//! hyper's pool opens a connection for every request that finds none, and learns from the handshake only that one would have served them all (HTTP/2). Here requests to one origin that come
//! together wait for the first connection. Over HTTP/2 that is the only one; over HTTP/1.1 each of the others then opens its own.
//!
//! And a connection can be opened ahead of its first request, so that its handshakes go on while a token is fetched. hyper knows no connection without a request: a request is made up
//! whose connector keeps the connection and fails, so that nothing is ever sent on it.

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

/// How long a connection that was opened ahead is worth taking. Servers close connections on which nothing comes.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// How long a request waits for a connection that is on its way into the pool, where it arrives at once unless it breaks.
const ARRIVAL: Duration = Duration::from_millis(250);

tokio::task_local! {
    /// There while a connection is opened ahead: its turn, taken by the connector.
    static AHEAD: Mutex<Option<OwnedMutexGuard<Turn>>>;
}

/// The way to one origin. Clones share it. As a layer of a connector it must not serve a second origin: a connection that was opened ahead goes to whoever asks first.
#[derive(Clone, Default)]
pub(super) struct Doorway {
    /// Held by whoever is connecting.
    turn: Arc<AsyncMutex<Turn>>,
}

#[derive(Default)]
struct Turn {
    /// A connection that was opened ahead, and when. Its type cannot be named: it is reqwest's own.
    kept: Option<(Box<dyn Any + Send>, Instant)>,
    /// What the last connection that was opened for a request turned out to be.
    last: Option<Kind>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// HTTP/1.1: each request needs one of its own.
    Apart,
    /// HTTP/2: many requests share it. It went on its way into the pool then.
    Shared(Instant),
}

impl Doorway {
    /// Whether both are the way of the same connections.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.turn, &other.turn)
    }

    /// Runs `request` so that its connection is opened and kept, and it fails before anything is sent. Does nothing when a connection was opened before, or is being opened.
    pub(super) async fn open_ahead(&self, request: impl Future) {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return };
        // From the first connection on the pool may have one, on which the request would be sent. While the turn is held here, none can get there.
        if turn.last.is_some() || turn.kept.is_some() {
            return;
        }
        AHEAD.scope(Mutex::new(Some(turn)), request).await;
    }
}

impl fmt::Debug for Doorway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorway").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Doorway {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        Connector { doorway: self.clone(), inner }
    }
}

/// A connector behind a [`Doorway`].
#[derive(Clone)]
pub(super) struct Connector<S> {
    doorway: Doorway,
    inner: S,
}

/// The connection that a request was to share broke on its way into the pool. Nothing of the request has been sent; asked for again, it opens its own.
#[derive(Debug)]
pub(super) struct Broke;

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection that this request was to share broke")
    }
}

impl StdError for Broke {}

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
        // The one that is ready goes on; the clone has to become so again.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let doorway = self.doorway.clone();
        // hyper calls the connector while the request is polled, so this is the request's own task.
        let ahead = AHEAD.try_with(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner).take()).ok().flatten();
        Box::pin(async move {
            match ahead {
                Some(turn) => connect_ahead(inner, origin, turn).await,
                None => connect(inner, origin, doorway).await,
            }
        })
    }
}

/// Connects and keeps what came of it; fails in any case, so that the request is not sent.
async fn connect_ahead<S, Origin>(mut inner: S, origin: Origin, mut turn: OwnedMutexGuard<Turn>) -> Result<S::Response, BoxError>
where
    S: Service<Origin, Error = BoxError>,
    S::Response: Send + 'static,
{
    let connection = inner.call(origin).await?;
    turn.kept = Some((Box::new(connection), Instant::now()));
    Err("a connection was opened ahead".into())
}

async fn connect<S, Origin>(mut inner: S, origin: Origin, doorway: Doorway) -> Result<S::Response, BoxError>
where
    S: Service<Origin, Error = BoxError>,
    S::Response: Connection + Send + 'static,
{
    let mut turn = doorway.turn.lock().await;
    let kept = turn.kept.take().filter(|(_, since)| since.elapsed() < KEPT_FOR);
    let connection = match (kept.and_then(|(connection, _)| connection.downcast::<S::Response>().ok()), turn.last) {
        (Some(connection), _) => *connection,
        (None, Some(Kind::Apart)) => {
            drop(turn);
            return inner.call(origin).await;
        }
        (None, Some(Kind::Shared(since))) if since.elapsed() < ARRIVAL => {
            drop(turn);
            // The pool hands the shared connection to the request and forgets this attempt.
            _ = tokio::time::timeout(ARRIVAL.saturating_sub(since.elapsed()), pending::<()>()).await;
            return Err(Broke.into());
        }
        (None, _) => inner.call(origin).await?,
    };
    turn.last = Some(if connection.connected().is_negotiated_h2() { Kind::Shared(Instant::now()) } else { Kind::Apart });
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper_util::client::legacy::connect::Connected;

    use super::*;
    use crate::http::transport::is_caused_by;
    use crate::http::trust::Trust;

    /// A connection that says it speaks HTTP/2, or not.
    #[derive(Debug)]
    struct Pretend(bool);

    impl Connection for Pretend {
        fn connected(&self) -> Connected {
            if self.0 { Connected::new().negotiated_h2() } else { Connected::new() }
        }
    }

    /// Connects at once, and counts.
    #[derive(Clone)]
    struct Counting(bool, Arc<AtomicUsize>);

    impl Service<()> for Counting {
        type Response = Pretend;
        type Error = BoxError;
        type Future = Ready<Result<Pretend, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            self.1.fetch_add(1, Ordering::SeqCst);
            ready(Ok(Pretend(self.0)))
        }
    }

    fn connector(http_2: bool) -> (Connector<Counting>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        (Doorway::default().layer(Counting(http_2, Arc::clone(&count))), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_shared_connection_for_a_moment_and_then_opens_its_own() {
        let (mut connector, count) = connector(true);
        connector.call(()).await.unwrap();
        let started = Instant::now();
        // Nobody takes this request off the connector's hands, as the pool does once it has the connection.
        let error = connector.call(()).await.unwrap_err();
        assert!(error.is::<Broke>(), "{error}");
        assert_eq!((started.elapsed() >= ARRIVAL, count.load(Ordering::SeqCst)), (true, 1));
        connector.call(()).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_connections_are_not_shared() {
        let (mut connector, count) = connector(false);
        let started = Instant::now();
        for _ in 0..3 {
            connector.call(()).await.unwrap();
        }
        assert_eq!((started.elapsed(), count.load(Ordering::SeqCst)), (Duration::ZERO, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_opened_ahead_is_kept_for_a_while() {
        for (later, connections) in [(KEPT_FOR / 2, 1), (KEPT_FOR, 2)] {
            let (mut connector, count) = connector(true);
            let doorway = connector.doorway.clone();
            doorway.open_ahead(async { assert!(connector.call(()).await.is_err()) }).await;
            tokio::time::advance(later).await;
            connector.call(()).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), connections);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_connection_is_found_in_the_error_of_the_request() {
        let doorway = Doorway::default();
        doorway.turn.lock().await.last = Some(Kind::Shared(Instant::now()));
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(Trust::nobody().unwrap());
        let client = builder.connector_layer(doorway).build().unwrap();
        let error = client.get("https://host.invalid/").send().await.unwrap_err();
        assert!(is_caused_by::<Broke>(&error), "{error:?}");
    }
}
