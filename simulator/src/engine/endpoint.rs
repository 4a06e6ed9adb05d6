//! The doors: listeners, connections, and the way of each request to its room.
//!
//! `proxy.rs` routes by host and opens tunnels, `tls.rs` has the certificates, `exchange.rs` is one request from its head to its answer,
//! `socket.rs` and `body.rs` break what faults want broken.

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
use crate::clouds::azure::hosts::Cloud;
use crate::engine::record::Door;
use crate::engine::state::State;

/// One connection of a client, or one tunnel through the proxy.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// The service behind it; [`Door::Proxy`] while each request still says where it goes.
    pub(super) door: Door,
    /// The cloud whose host the client asked for; none on the loopback doors.
    pub(super) cloud: Option<Cloud>,
    /// `http` or `https`, for the origin of requests that do not name it.
    pub(super) scheme: &'static str,
    pub(super) proxied: bool,
    pub(super) reset: Arc<ResetSwitch>,
}

/// Opens a door on 127.0.0.1; port 0 lets the system choose. Connections are served until the simulator ends.
pub(crate) async fn open(state: &Arc<State>, door: Door, port: u16) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let within = Arc::downgrade(state);
    state.spawn(accept(within, listener, door));
    Ok(address)
}

async fn accept(state: Weak<State>, listener: TcpListener, door: Door) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: the next try would fail at once as well.
            tokio::time::sleep_until(Instant::now() + Duration::from_millis(10)).await;
            continue;
        };
        let Some(state) = state.upgrade() else { return };
        let reset = Arc::new(ResetSwitch::default());
        let socket = Socket::new(stream, Arc::clone(&reset));
        let scheme = if door == Door::Authority { "https" } else { "http" };
        let connection = Connection { number: state.number_connection(), door, cloud: None, scheme, proxied: false, reset };
        state.spawn(arrive(Arc::clone(&state), connection, socket));
    }
}

async fn arrive(state: Arc<State>, connection: Connection, socket: Socket) {
    if connection.scheme == "http" {
        return serve(state, connection, TokioIo::new(socket)).await;
    }
    // A handshake that fails (the client does not trust the authority) is the client's to report.
    if let Ok(stream) = state.acceptor.accept(socket).await {
        serve(state, connection, TokioIo::new(stream)).await;
    }
}

/// Serves HTTP/1.1 or HTTP/2 on one connection until it ends or is reset.
pub(super) async fn serve<Stream>(state: Arc<State>, connection: Connection, stream: Stream)
where
    Stream: Read + Write + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let mut builder = Builder::new(Tasks(Arc::downgrade(&state)));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder.http2().timer(TokioTimer::new()).adaptive_window(true).max_concurrent_streams(1000);
    let within = Arc::clone(&connection);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (state, connection) = (Arc::clone(&state), Arc::clone(&within));
        async move { exchange::exchange(state, connection, request).await }
    });
    let serving = builder.serve_connection_with_upgrades(stream, service);
    tokio::select! {
        // An error here is a client that went away or a body cut on purpose.
        _ = serving => {}
        () = connection.reset.pulled() => {}
    }
}

/// Runs the tasks that hyper starts (HTTP/2 streams) among those of the simulator, so that they end with it.
#[derive(Debug, Clone)]
struct Tasks(Weak<State>);

impl<Task> Executor<Task> for Tasks
where
    Task: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: Task) {
        if let Some(state) = self.0.upgrade() {
            state.spawn(task);
        }
    }
}
