//! Listeners and their connections.
//!
//! `exchange.rs` handles one request, `proxy.rs` opens tunnels, `tls.rs` has the certificates,
//! `socket.rs` and `body.rs` implement faults of connections.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Executor, Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::exchange;
use super::socket::{ResetSwitch, Socket};
use crate::engine::service::{Endpoint, Scheme, Service};
use crate::engine::state::State;

/// One connection of a client, or one tunnel through the proxy.
#[derive(Debug)]
pub(super) struct Connection<E> {
    pub(super) number: u64,
    /// The endpoint that it reaches; the proxy if each request names its host.
    pub(super) endpoint: E,
    /// The host that the client named to the proxy; `None` at an endpoint itself.
    pub(super) host: Option<String>,
    /// The scheme of requests that don't name theirs.
    pub(super) scheme: Scheme,
    pub(super) proxied: bool,
    pub(super) reset: Arc<ResetSwitch>,
}

/// Opens an endpoint on 127.0.0.1; port 0 lets the system choose. Connections are served until the
/// simulator ends.
pub(crate) async fn open<S: Service>(
    state: &Arc<State<S>>,
    endpoint: S::Endpoint,
    port: u16,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let within = Arc::downgrade(state);
    state.spawn(accept(within, listener, endpoint));
    Ok(address)
}

async fn accept<S: Service>(state: Weak<State<S>>, listener: TcpListener, endpoint: S::Endpoint) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: the next attempt would fail at once as well.
            tokio::time::sleep_until(Instant::now() + Duration::from_millis(10)).await;
            continue;
        };
        let Some(state) = state.upgrade() else { return };
        let reset = Arc::new(ResetSwitch::default());
        let socket = Socket::new(stream, Arc::clone(&reset));
        let connection = Connection {
            number: state.number_connection(),
            endpoint,
            host: None,
            scheme: endpoint.scheme(),
            proxied: false,
            reset,
        };
        state.spawn(handshake(Arc::clone(&state), connection, socket));
    }
}

async fn handshake<S: Service>(
    state: Arc<State<S>>,
    connection: Connection<S::Endpoint>,
    socket: Socket,
) {
    if connection.scheme == Scheme::Http {
        return serve(state, connection, TokioIo::new(socket)).await;
    }
    // The client reports a failed handshake (it doesn't trust the authority).
    if let Ok(stream) = state.acceptor.accept(socket).await {
        serve(state, connection, TokioIo::new(stream)).await;
    }
}

/// Serves HTTP/1.1 or HTTP/2 on one connection until it ends or is reset.
pub(super) async fn serve<S, Stream>(
    state: Arc<State<S>>,
    connection: Connection<S::Endpoint>,
    stream: Stream,
) where
    S: Service,
    Stream: Read + Write + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let mut builder = Builder::new(Tasks(Arc::downgrade(&state)));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .max_concurrent_streams(1000);
    let within = Arc::clone(&connection);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (state, connection) = (Arc::clone(&state), Arc::clone(&within));
        async move { exchange::exchange(state, connection, request).await }
    });
    let serving = builder.serve_connection_with_upgrades(stream, service);
    tokio::select! {
        // The client closed the connection, or a fault truncated the body.
        _ = serving => {}
        () = connection.reset.pulled() => {}
    }
}

/// Runs the tasks that hyper starts (HTTP/2 streams) as tasks of the simulator, so that they end
/// with it.
#[derive(Debug)]
struct Tasks<S: Service>(Weak<State<S>>);

impl<S: Service> Clone for Tasks<S> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

impl<S, Task> Executor<Task> for Tasks<S>
where
    S: Service,
    Task: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: Task) {
        if let Some(state) = self.0.upgrade() {
            state.spawn(task);
        }
    }
}
